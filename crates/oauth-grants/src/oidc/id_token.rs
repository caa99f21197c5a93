//! ID tokens: who logged in, told to the application (OpenID Connect Core 1.0 §2, §3.1.3.6, §3.3.2.11).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jwt_core::{Signer, TokenType};
use records::{AuthenticationMethod, ClientId, Lifetime, SessionId, SigningAlgorithm, UnixTime, UserId};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::claims::UserClaims;
use crate::crypto;
use crate::issue::{IssueFailure, sign};

/// The algorithms that sign ID tokens (OpenID Connect Discovery 1.0 §3, `id_token_signing_alg_values_supported`).
///
/// HS256 signs with the client's own secret, which is why a public client cannot have it.
pub const ALGORITHMS_SUPPORTED: &[SigningAlgorithm] = &[SigningAlgorithm::Rs256, SigningAlgorithm::Hs256];

/// The `typ` of ID tokens. Auth0's clients want `JWT`.
pub const TOKEN_TYPE: TokenType = TokenType::Jwt;

/// The left half of a SHA-256 hash, `at_hash` and `c_hash`: ties an ID token to what came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HalfHash(String);

impl HalfHash {
    /// The hash's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The left half of the hash of an access token or a code. SHA-256 is the hash of both RS256 and HS256.
pub fn left_half_hash(text: &str) -> HalfHash {
    //= OpenID Connect Core 1.0 §3.1.3.6
    //= OpenID Connect Core 1.0 §3.3.2.11
    let hash = crypto::sha256(&[text.as_bytes()]);
    HalfHash(URL_SAFE_NO_PAD.encode(hash.first_chunk::<16>().unwrap_or(&[0; 16])))
}

/// An ID token before it is signed. Serializes as its claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdToken<'f> {
    /// `iss`
    pub issuer: &'f str,
    /// `sub`
    pub user: &'f UserId,
    /// `aud`: the client, as a string.
    pub client: &'f ClientId,
    /// `iat`
    pub issued_at: UnixTime,
    /// `exp` less `iat`
    pub lifetime: Lifetime,
    /// `nonce`, as the authorization request had it.
    pub nonce: Option<&'f str>,
    /// `at_hash`: of the access token that comes with it through the browser.
    pub at_hash: Option<HalfHash>,
    /// `c_hash`: of the code that comes with it through the browser.
    pub c_hash: Option<HalfHash>,
    /// `auth_time`: when the person proved who they are, where the token is to say so.
    pub auth_time: Option<UnixTime>,
    /// `sid`: the session, if there is one.
    pub session: Option<&'f SessionId>,
    /// `amr`: how the person proved who they are; left out when empty.
    pub methods: &'f [AuthenticationMethod],
    /// What the application is told about the person.
    pub claims: UserClaims<'f>,
    /// No claim: with which algorithm it is signed. With RS256 the tenant's current key, with HS256 the client's secret.
    pub signing_algorithm: SigningAlgorithm,
}

impl Serialize for IdToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        self.claims.serialize_into(&mut members)?;
        //= OpenID Connect Core 1.0 §2
        members.serialize_entry("iss", self.issuer)?;
        members.serialize_entry("sub", self.user.as_str())?;
        members.serialize_entry("aud", self.client.as_str())?;
        members.serialize_entry("iat", &self.issued_at.0)?;
        members.serialize_entry("exp", &self.issued_at.after(self.lifetime).0)?;
        if let Some(nonce) = self.nonce {
            members.serialize_entry("nonce", nonce)?;
        }
        if let Some(hash) = &self.at_hash {
            members.serialize_entry("at_hash", hash.as_str())?;
        }
        if let Some(hash) = &self.c_hash {
            members.serialize_entry("c_hash", hash.as_str())?;
        }
        if let Some(at) = self.auth_time {
            members.serialize_entry("auth_time", &at.0)?;
        }
        if let Some(session) = self.session {
            members.serialize_entry("sid", session.as_str())?;
        }
        if !self.methods.is_empty() {
            let names: Vec<_> = self.methods.iter().map(|method| method.name()).collect();
            members.serialize_entry("amr", &names)?;
        }
        members.end()
    }
}

/// Signs an ID token, before anything is committed. The signer was made with [`TOKEN_TYPE`] and, unless it signs with
/// HS256, the key's id.
///
/// # Errors
/// [`IssueFailure`]
pub fn sign_id_token(id_token: &IdToken<'_>, signer: &Signer) -> Result<String, IssueFailure> {
    sign(id_token, id_token.signing_algorithm, signer)
}

#[cfg(test)]
mod tests;
