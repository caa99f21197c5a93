//! Taking a token back (RFC 7009; Auth0's answers).

use records::{ErrorProfile, RefreshFamily, SecretText, TenantSettings, Versioned, Write};

use crate::client_auth::AuthenticatedClient;
use crate::refresh::RefreshToken;
use crate::{Decision, Outcome, Params, TokenError};

/// What the request says, apart from who sends it. `token_type_hint` only helps servers search; this one need not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `token`
    pub token: SecretText,
}

/// Reads the request.
///
/// # Errors
/// [`TokenError::MissingParameter`]
pub fn parse(params: &Params) -> Result<Request, TokenError> {
    //= RFC 7009 §2.1
    let token = params.text("token").ok_or(TokenError::MissingParameter("token"))?;
    Ok(Request { token: SecretText::new(token.to_owned()) })
}

/// What must be known to decide.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Who asks.
    pub client: AuthenticatedClient<'f>,
    /// The presented token, if it is a refresh token that we issued.
    pub token: Option<&'f RefreshToken>,
    /// Its family, if it is still there.
    pub family: Option<&'f Versioned<RefreshFamily>>,
    /// Whether it is an access token or an ID token: nothing is kept of these, and they are good until they expire.
    pub is_self_contained: bool,
    /// What holds for the tenant.
    pub settings: &'f TenantSettings,
}

/// Ends the family of a refresh token, whichever of its generations is presented.
///
/// What is unknown is revoked already (RFC 7009 §2.2). Another client's token is left alone: Auth0 says nothing about it,
/// the standard wants it refused. An access token cannot be taken back: Auth0 says nothing about that either, the standard
/// wants it said. A family ends however it is rotated meanwhile.
pub fn decide(facts: Facts<'_>) -> Decision<()> {
    let done = |writes| Decision { writes, outcome: Outcome::Granted(()) };
    let refused = |error| Decision { writes: Vec::new(), outcome: Outcome::Refused(error) };
    //= RFC 7009 §2.2.1
    if facts.is_self_contained && facts.settings.error_profile == ErrorProfile::Rfc6749 {
        return refused(TokenError::TokenNotRevocable);
    }
    let theirs = facts.token.and_then(|token| facts.family.filter(|family| token.is_of(&family.record.id)));
    let Some(family) = theirs else { return done(Vec::new()) };
    if family.record.client != facts.client.client().id {
        return match facts.settings.error_profile {
            ErrorProfile::Auth0 => done(Vec::new()),
            //= RFC 7009 §2.1
            ErrorProfile::Rfc6749 => refused(TokenError::TokenOfAnotherClient),
        };
    }
    done(vec![Write::EndRefreshFamily(family.record.id.clone())])
}
