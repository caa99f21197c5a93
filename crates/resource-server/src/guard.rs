//! One request let in or not: token, verification, scope (RFC 6750 §3.1).

use jwt_core::Refusal;

use crate::bearer::BearerToken;
use crate::challenge::Denial;
use crate::scope::ScopeSet;
use crate::verifier::{AccessToken, AccessTokenVerifier, TokenRefusal};

/// A token that a request brought, not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presented<'a>(BearerToken<'a>);

impl<'a> Presented<'a> {
    /// Finds the token in the values of a request's Authorization headers.
    ///
    /// # Errors
    /// [`Denial::NoToken`] or [`Denial::Malformed`].
    pub fn parse(authorization: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, Denial> {
        match BearerToken::parse(authorization) {
            Ok(Some(token)) => Ok(Self(token)),
            Ok(None) => Err(Denial::NoToken),
            Err(why) => Err(Denial::Malformed(why)),
        }
    }

    /// The id of the key that the token names, to look up in a [`JwksCache`](crate::JwksCache). Nobody
    /// vouches for it.
    ///
    /// # Errors
    /// [`Denial::InvalidToken`] for a token whose header no verifier would accept: no key needs to be fetched
    /// for it.
    pub fn key_id(&self) -> Result<Option<String>, Denial> {
        jwt_core::peek_key_id(self.0.as_str()).map_err(|refusal| invalid(refusal.into()))
    }

    /// Verifies the token at the time `now`, in seconds since 1970, and wants these scopes in it.
    ///
    /// # Errors
    /// [`Denial::InvalidToken`] or [`Denial::InsufficientScope`].
    pub fn verify(
        &self,
        verifier: &AccessTokenVerifier,
        required: &ScopeSet,
        now_unix_seconds: u64,
    ) -> Result<AccessToken, Denial> {
        let token = verifier.verify(self.0.as_str(), now_unix_seconds).map_err(invalid)?;
        //= RFC 6750 §3.1: a missing scope is told to holders of valid tokens only
        if !token.scope.contains_all(required) {
            return Err(Denial::InsufficientScope(required.clone()));
        }
        Ok(token)
    }

    /// The denial for a token whose key its issuer does not have ([`Lookup::Miss`](crate::Lookup::Miss)).
    #[must_use]
    pub fn unknown_key(&self) -> Denial {
        invalid(Refusal::UnknownKey.into())
    }
}

fn invalid(refusal: TokenRefusal) -> Denial {
    Denial::InvalidToken(refusal)
}

/// Lets a request in, or says why not: the whole way, for an API that has its keys at hand.
///
/// `authorization` are the values of the request's Authorization headers; `now` is in seconds since 1970.
///
/// # Errors
/// Any [`Denial`] but [`Denial::Unavailable`].
pub fn authorize<'a>(
    authorization: impl IntoIterator<Item = &'a [u8]>,
    verifier: &AccessTokenVerifier,
    required: &ScopeSet,
    now_unix_seconds: u64,
) -> Result<AccessToken, Denial> {
    Presented::parse(authorization)?.verify(verifier, required, now_unix_seconds)
}
