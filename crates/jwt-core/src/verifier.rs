//! Verifying tokens: the only way to claims (RFC 7515 §5.2, RFC 7519 §7.2, RFC 8725 §3).

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use serde::Deserialize;

use crate::base64url;
use crate::claims::Claims;
use crate::error::Refusal;
use crate::json::Span;
use crate::jwks::KeySet;
use crate::key_lookup::KeyLookup;
use crate::token_type::TokenType;

/// The longest leeway, in seconds.
const LONGEST_LEEWAY: u32 = 300;

/// How long a token may be by default, in characters; access tokens travel in a header that servers cap lower.
const LONGEST_TOKEN: usize = 16 * 1024;
const LONGEST_ACCESS_TOKEN: usize = 8 * 1024;

/// An expectation that was neither stated nor waived: there is no `build` yet.
#[derive(Debug)]
pub struct Unstated(());

/// An expectation that was stated or waived.
#[derive(Debug)]
pub struct Stated(());

/// Buffers that tokens are decoded into. Kept from one token to the next, verifying allocates nothing.
#[derive(Default)]
pub struct Scratch {
    header: Vec<u8>,
    payload: Vec<u8>,
    /// Where the claims are in the payload.
    spans: Vec<Span>,
}

impl Scratch {
    /// Returns empty buffers, which grow with the first token.
    #[must_use]
    pub const fn new() -> Self {
        Self { header: Vec::new(), payload: Vec::new(), spans: Vec::new() }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What was decoded may be someone's personal data.
        f.write_str("Scratch(..)")
    }
}

/// What came out of a verified token. Nothing outside this crate can make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Returns the content, giving up the proof.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<X> Verified<Claims<'_, X>> {
    /// Returns the claims without their borrow, still as a proof.
    #[must_use]
    pub fn into_owned(self) -> Verified<Claims<'static, X>> {
        Verified(self.0.into_owned())
    }
}

/// Verifies tokens against keys and expectations that were fixed when it was built; a clone shares them.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
}

struct Inner {
    keys: KeyLookup,
    expected: Expected,
}

#[derive(Clone, Default)]
struct Expected {
    /// `None`: waived.
    issuer: Option<Box<str>>,
    /// Empty: waived.
    audiences: Vec<Box<str>>,
    /// Empty: waived.
    types: Vec<TokenType>,
    any_expiry: bool,
    leeway: u32,
    longest: usize,
}

impl Verifier {
    /// Starts a verifier over a [`KeySet`], a [`JwkSet`](crate::JwkSet) or one
    /// [`VerifyingKey`](crate::VerifyingKey).
    ///
    /// `build` exists only once issuer, audience and token type are stated or waived:
    ///
    /// ```
    /// # use jwt_core::{Algorithm, TokenType, Verifier, VerifyingKey};
    /// # let key = VerifyingKey::from_secret(Algorithm::Hs256, &[7; 32])?;
    /// let verifier = Verifier::builder(key)
    ///     .issuer("https://issuer.example/")
    ///     .audience("https://api.example/")
    ///     .token_type(TokenType::AccessToken)
    ///     .build();
    /// # Ok::<(), jwt_core::KeyError>(())
    /// ```
    ///
    /// ```compile_fail,E0599
    /// # use jwt_core::{Algorithm, TokenType, Verifier, VerifyingKey};
    /// # let key = VerifyingKey::from_secret(Algorithm::Hs256, &[7; 32])?;
    /// let verifier = Verifier::builder(key)
    ///     .issuer("https://issuer.example/")
    ///     .token_type(TokenType::AccessToken)
    ///     .build(); // the audience is missing: no such method
    /// # Ok::<(), jwt_core::KeyError>(())
    /// ```
    pub fn builder(keys: impl Into<KeySet>) -> VerifierBuilder {
        VerifierBuilder {
            keys: keys.into(),
            expected: Expected::default(),
            longest: None,
            state: PhantomData,
        }
    }

    /// Returns a verifier with other keys and the same expectations, for key rotation.
    #[must_use]
    pub fn with_keys(&self, keys: impl Into<KeySet>) -> Self {
        Self::with(keys.into(), self.inner.expected.clone())
    }

    fn with(keys: KeySet, expected: Expected) -> Self {
        Self { inner: Arc::new(Inner { keys: KeyLookup::new(keys, &expected.types), expected }) }
    }

    /// Verifies a compact token at the time `now`, in seconds since 1970, and returns its claims.
    ///
    /// The checks run in this order: length, header and key, signature, form of the claims, `exp`, `nbf`,
    /// `iat`, `iss`, `aud`. Nothing of the payload is decoded before its signature has been verified.
    /// `X` takes the claims that [`Claims`] has no field for; `()` takes none.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check that failed.
    pub fn verify<'s, X: Deserialize<'s>>(
        &self,
        token: &str,
        now_unix_seconds: u64,
        scratch: &'s mut Scratch,
    ) -> Result<Verified<Claims<'s, X>>, Refusal> {
        let Scratch { header, payload, spans } = scratch;
        let json = self.authenticate(token, header, payload)?;
        let claims = Claims::parse(json, spans)?;
        self.inner.expected.check(&claims, now_unix_seconds)?;
        Ok(Verified(claims.extend(json, spans)?))
    }

    /// Checks the times of claims that were verified before.
    pub(crate) fn check_times<X>(&self, claims: &Verified<Claims<'_, X>>, now: u64) -> Result<(), Refusal> {
        self.inner.expected.check_times(claims, now)
    }

    /// Returns the payload of a token whose header and signature are right.
    fn authenticate<'s>(
        &self,
        token: &str,
        header_buffer: &mut Vec<u8>,
        payload_buffer: &'s mut Vec<u8>,
    ) -> Result<&'s str, Refusal> {
        if token.len() > self.inner.expected.longest {
            return Err(Refusal::TooLarge);
        }
        let (key, rest) = self.inner.keys.split(token, header_buffer)?;
        // The key knows how long its signatures are, which spares looking for the second dot. A third one
        // would be part of the payload, which the decoder refuses.
        let split =
            rest.len().checked_sub(key.signature_characters()).and_then(|at| rest.split_at_checked(at));
        let Some(([payload @ .., b'.'], signature)) = split else {
            let dots = rest.iter().filter(|byte| **byte == b'.').count();
            return Err(if dots == 1 { Refusal::BadSignature } else { Refusal::Malformed });
        };
        let message =
            token.len().checked_sub(signature.len() + 1).and_then(|end| token.as_bytes().get(..end));
        let message = message.ok_or(Refusal::Malformed)?;
        //= RFC 7515 §5.2
        if !key.verify_text(message, signature) {
            return Err(Refusal::BadSignature);
        }
        let json = base64url::decode_growing(payload, payload_buffer).map_err(|_| Refusal::Malformed)?;
        std::str::from_utf8(json).map_err(|_| Refusal::Malformed)
    }
}

impl Expected {
    fn check(&self, claims: &Claims<'_>, now: u64) -> Result<(), Refusal> {
        self.check_times(claims, now)?;
        //= RFC 7519 §4.1.1
        if let Some(expected) = &self.issuer {
            match &claims.issuer {
                None => return Err(Refusal::MissingClaim("iss")),
                Some(issuer) if **issuer == **expected => {}
                Some(_) => return Err(Refusal::WrongIssuer),
            }
        }
        //= RFC 7519 §4.1.3
        if !self.audiences.is_empty() {
            if claims.audience.is_missing() {
                return Err(Refusal::MissingClaim("aud"));
            }
            if !self.audiences.iter().any(|one| claims.audience.contains(one)) {
                return Err(Refusal::WrongAudience);
            }
        }
        Ok(())
    }

    fn check_times<X>(&self, claims: &Claims<'_, X>, now: u64) -> Result<(), Refusal> {
        let leeway = u64::from(self.leeway);
        //= RFC 7519 §4.1.4
        if !self.any_expiry && now >= claims.expires_at.saturating_add(leeway) {
            return Err(Refusal::Expired);
        }
        let in_future = |date: Option<u64>| date.is_some_and(|date| date > now.saturating_add(leeway));
        //= RFC 7519 §4.1.5
        if in_future(claims.not_before) {
            return Err(Refusal::NotYetValid);
        }
        //= RFC 7519 §4.1.6
        if in_future(claims.issued_at) {
            return Err(Refusal::IssuedInFuture);
        }
        Ok(())
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuer", &self.inner.expected.issuer)
            .field("audiences", &self.inner.expected.audiences)
            .field("types", &self.inner.expected.types)
            .finish_non_exhaustive()
    }
}

/// A verifier in the making; see [`Verifier::builder`].
#[must_use]
pub struct VerifierBuilder<Issuer = Unstated, Audience = Unstated, Type = Unstated> {
    keys: KeySet,
    expected: Expected,
    longest: Option<usize>,
    state: PhantomData<(Issuer, Audience, Type)>,
}

impl<I, A, T> VerifierBuilder<I, A, T> {
    fn state<J, B, U>(self) -> VerifierBuilder<J, B, U> {
        VerifierBuilder {
            keys: self.keys,
            expected: self.expected,
            longest: self.longest,
            state: PhantomData,
        }
    }

    /// Allows clocks to differ by this many seconds, 300 at most; 0 if not called (RFC 7519 §4.1.4).
    pub fn leeway_seconds(mut self, seconds: u32) -> Self {
        self.expected.leeway = seconds.min(LONGEST_LEEWAY);
        self
    }

    /// Refuses longer tokens unread; 16 KiB if not called, and 8 KiB for verifiers of `at+jwt` only.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.longest = Some(bytes);
        self
    }

    /// Accepts tokens whose `exp` has passed; it must still be there. For the `id_token_hint` of a logout,
    /// which may have expired (OpenID Connect RP-Initiated Logout 1.0 §4), and never for access.
    pub fn any_expiry_dangerous(mut self) -> Self {
        self.expected.any_expiry = true;
        self
    }
}

impl<A, T> VerifierBuilder<Unstated, A, T> {
    /// States the issuer, compared byte for byte (RFC 7519 §4.1.1).
    pub fn issuer(mut self, issuer: &str) -> VerifierBuilder<Stated, A, T> {
        self.expected.issuer = Some(issuer.into());
        self.state()
    }

    /// Accepts tokens of any issuer, and without one.
    pub fn any_issuer_dangerous(self) -> VerifierBuilder<Stated, A, T> {
        self.state()
    }
}

impl<I, T> VerifierBuilder<I, Unstated, T> {
    /// States whom tokens must be for, compared byte for byte (RFC 7519 §4.1.3).
    pub fn audience(mut self, audience: &str) -> VerifierBuilder<I, Stated, T> {
        self.expected.audiences = vec![audience.into()];
        self.state()
    }

    /// States several names of this recipient; a token must be for one of them. `first` makes it at least one.
    pub fn audience_among(mut self, first: &str, others: &[&str]) -> VerifierBuilder<I, Stated, T> {
        self.expected.audiences = std::iter::once(&first).chain(others).map(|one| (*one).into()).collect();
        self.state()
    }

    /// Accepts tokens for anybody, and for nobody.
    pub fn any_audience_dangerous(self) -> VerifierBuilder<I, Stated, T> {
        self.state()
    }
}

impl<I, A> VerifierBuilder<I, A, Unstated> {
    /// States the token type, which the header must name (RFC 8725 §3.11).
    pub fn token_type(self, token_type: TokenType) -> VerifierBuilder<I, A, Stated> {
        self.token_types(&[token_type])
    }

    /// States several token types. Of an empty list none is accepted.
    pub fn token_types(mut self, token_types: &[TokenType]) -> VerifierBuilder<I, A, Stated> {
        // An empty list must not read as a waiver: no header can name the empty type of a token.
        self.expected.types = if token_types.is_empty() { vec![NO_TYPE] } else { token_types.to_vec() };
        self.state()
    }

    /// Accepts tokens of any type, and without one: an ID token passes for an access token then, unless the
    /// audience tells them apart.
    pub fn any_token_type_dangerous(self) -> VerifierBuilder<I, A, Stated> {
        self.state()
    }
}

/// A type that is no media type.
const NO_TYPE: TokenType = TokenType::Other("\0");

impl VerifierBuilder<Stated, Stated, Stated> {
    /// Returns the verifier.
    #[must_use]
    pub fn build(mut self) -> Verifier {
        let only_access_tokens = matches!(*self.expected.types, [TokenType::AccessToken]);
        let default = if only_access_tokens { LONGEST_ACCESS_TOKEN } else { LONGEST_TOKEN };
        self.expected.longest = self.longest.unwrap_or(default);
        Verifier::with(self.keys, self.expected)
    }
}

impl<I, A, T> fmt::Debug for VerifierBuilder<I, A, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder").finish_non_exhaustive()
    }
}
