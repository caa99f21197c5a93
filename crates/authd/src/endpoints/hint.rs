//! `id_token_hint`: an ID token of ours, and whose (OpenID Connect Core 1.0 §3.1.2.1; RP-Initiated Logout 1.0 §2).

use jwt_core::{Algorithm, KeySet, Scratch, TokenType, Verifier, VerifyingKey, dangerous_inspect};
use oauth_grants::Moment;
use records::{Client, ClientId, SessionId, SigningAlgorithm, UserId};
use serde::Deserialize;

use crate::app::Called;
use crate::keys::TenantKeys;

/// What an ID token of ours says of its login.
#[derive(Debug)]
pub(crate) struct Hinted {
    /// `sub`
    pub(crate) user: UserId,
    /// `sid`
    pub(crate) session: Option<SessionId>,
}

#[derive(Deserialize)]
struct Extra {
    sid: Option<String>,
}

/// What the token says, if we issued it to this client at the origin that was called. Its age does not matter: it is a
/// hint, and opens nothing.
pub(crate) fn verify(
    called: &Called,
    keys: &TenantKeys,
    client: &Client,
    token: &str,
    moment: &Moment,
) -> Option<Hinted> {
    let shared = match (client.id_token_algorithm, &client.id_token_secret) {
        (SigningAlgorithm::Hs256, Some(secret)) => {
            VerifyingKey::dangerous_from_short_secret(Algorithm::Hs256, secret.expose().as_bytes()).ok()
        }
        _ => None,
    };
    let keys = shared.map_or_else(|| keys.verifying().clone(), KeySet::from);
    //= OpenID Connect Core 1.0 §3.1.2.2
    let verifier = Verifier::builder(keys)
        .issuer(called.origin.issuer())
        .audience(client.id.as_str())
        .token_type(TokenType::Jwt)
        .any_expiry_dangerous()
        .build();
    let mut scratch = Scratch::default();
    let verified = verifier.verify::<Extra>(token, moment.now.0, &mut scratch).ok()?;
    let user = UserId::parse(verified.subject.as_deref()?).ok()?;
    let session = verified.extra.sid.as_deref().map(SessionId::parse).transpose().ok()?;
    Some(Hinted { user, session })
}

/// The client that a token says it was issued to. Nobody has verified that: it only says with whose keys to do so.
pub(crate) fn claimed_client(token: &str) -> Option<ClientId> {
    #[derive(Deserialize)]
    struct Claimed {
        aud: String,
    }
    let (_, payload) = dangerous_inspect(token).ok()?;
    let claimed: Claimed = serde_json::from_str(&payload).ok()?;
    ClientId::parse(&claimed.aud).ok()
}
