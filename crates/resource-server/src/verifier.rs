//! Is this an access token for this API? (RFC 9068 §4, RFC 8725 §3.11, and Auth0's `typ: JWT` dialect.)

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use jwt_core::{
    Algorithm, Claims, JwkSet, KeyError, KeySet, Refusal, Scratch, TokenType, Verifier, VerifyingKey,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::scope::ScopeSet;

/// What an API expects of every token, stated once: who issues it, whom it is for, and how it is signed.
#[derive(Clone, Debug)]
pub struct Expectations {
    issuer: Box<str>,
    audience: Box<str>,
    algorithms: Box<[Algorithm]>,
    leeway_seconds: u32,
    rfc9068_only: bool,
}

impl Expectations {
    /// States the issuer, the API's own identifier, and the algorithms that the API was configured with.
    ///
    /// Issuer and audience are compared byte for byte: a trailing slash matters. A token signed with another
    /// algorithm is refused even when the issuer publishes a key for it. Without algorithms no token is
    /// accepted.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, algorithms: &[Algorithm]) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithms: algorithms.into(),
            leeway_seconds: 0,
            rfc9068_only: false,
        }
    }

    /// Allows clocks to differ by this many seconds, 300 at most; 0 if not called (RFC 7519 §4.1.4).
    #[must_use]
    pub fn leeway_seconds(mut self, seconds: u32) -> Self {
        self.leeway_seconds = seconds;
        self
    }

    /// Accepts only tokens of `typ` `at+jwt`, with every claim that RFC 9068 §2.2 requires. If not called,
    /// Auth0's own dialect is accepted too: `typ` `JWT`, with `azp` in place of `client_id`.
    #[must_use]
    pub fn rfc9068_only(mut self) -> Self {
        self.rfc9068_only = true;
        self
    }

    /// Makes a verifier over the issuer's published keys. Keys of other algorithms than the API's are left
    /// out.
    ///
    /// # Errors
    /// [`KeyError::DuplicateKeyId`] for two different keys with one id and algorithm.
    pub fn with_keys(&self, keys: &JwkSet) -> Result<AccessTokenVerifier, KeyError> {
        let configured = keys.keys().filter(|key| self.algorithms.contains(&key.algorithm()));
        Ok(self.with_key_set(KeySet::new(configured.cloned())?))
    }

    /// Makes a verifier over a secret that the API shares with its issuer, for one of the HMAC algorithms.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] unless the API was configured with exactly one algorithm, of the HMAC
    /// family; [`KeyError::TooShort`] for a secret shorter than the algorithm's hash (RFC 7518 §3.2).
    pub fn with_secret(&self, secret: &[u8]) -> Result<AccessTokenVerifier, KeyError> {
        let [algorithm] = &*self.algorithms else { return Err(KeyError::AlgorithmMismatch) };
        Ok(self.with_key_set(VerifyingKey::from_secret(*algorithm, secret)?.into()))
    }

    /// The same over a secret that may be shorter than the hash, at least 16 bytes: Auth0 and authd let an API's owner
    /// choose so short a one. A short secret can be found by trying; take a longer one where you can.
    ///
    /// # Errors
    /// [`KeyError::AlgorithmMismatch`] as above; [`KeyError::TooShort`] below 16 bytes.
    pub fn dangerous_with_short_secret(&self, secret: &[u8]) -> Result<AccessTokenVerifier, KeyError> {
        let [algorithm] = &*self.algorithms else { return Err(KeyError::AlgorithmMismatch) };
        if secret.len() < 16 {
            return Err(KeyError::TooShort);
        }
        Ok(self.with_key_set(VerifyingKey::dangerous_from_short_secret(*algorithm, secret)?.into()))
    }

    fn with_key_set(&self, keys: KeySet) -> AccessTokenVerifier {
        let key_ids = keys.keys().map(|key| key.key_id().map(Into::into)).collect();
        let types: &[TokenType] = match self.rfc9068_only {
            true => &[TokenType::AccessToken],
            false => &[TokenType::AccessToken, TokenType::Jwt],
        };
        let verifier = Verifier::builder(keys)
            .issuer(&self.issuer)
            .audience(&self.audience)
            .token_types(types)
            .leeway_seconds(self.leeway_seconds)
            .max_token_bytes(crate::bearer::LONGEST)
            .build();
        AccessTokenVerifier { verifier, key_ids, rfc9068_only: self.rfc9068_only }
    }
}

/// Verifies access tokens for one API; a clone shares the keys.
#[derive(Clone, Debug)]
pub struct AccessTokenVerifier {
    verifier: Verifier,
    key_ids: Box<[Option<Box<str>>]>,
    rfc9068_only: bool,
}

/// What a verified access token says. Only [`AccessTokenVerifier::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessToken {
    /// `sub`: the user, or `CLIENT_ID@clients` for an application that acts for itself (RFC 9068 §2.2).
    pub subject: String,
    /// `client_id` or Auth0's `azp`: the application that the token was issued to (RFC 9068 §2.2).
    pub client_id: Option<String>,
    /// `scope`: what the application may do (RFC 9068 §2.2.3).
    pub scope: ScopeSet,
    /// `permissions`: Auth0's claim of role-based access control; `None` when the API does not use it.
    pub permissions: Option<Vec<String>>,
    /// `exp`: when the token ends, in seconds since 1970.
    pub expires_at: u64,
    /// `iat`: when it was issued, in seconds since 1970.
    pub issued_at: Option<u64>,
    /// `jti`: the token's identifier.
    pub token_id: Option<String>,
    /// `gty`: Auth0's name of the grant that the token came from.
    pub grant_type: Option<String>,
    /// `org_id`: Auth0's organization that the user logged in to.
    pub organization_id: Option<String>,
}

/// Why a token is not an access token for this API. It has nothing of the token, and is meant for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenRefusal {
    /// Signature, form, times, issuer, audience or type are not as expected.
    Token(Refusal),
    /// A claim shows that this is an ID token, a logout token or a security event: the claim's name.
    NotAnAccessToken(&'static str),
    /// A claim that every access token has is missing: the claim's name.
    MissingClaim(&'static str),
    /// The token is bound to a key or certificate of its sender, and a bearer has shown neither (RFC 9449
    /// §7.1).
    SenderConstrained,
}

/// The claims that RFC 7519 does not register, as far as an API wants them.
#[derive(Deserialize)]
struct Extension<'a> {
    #[serde(borrow, default)]
    scope: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    client_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    azp: Option<Cow<'a, str>>,
    #[serde(default)]
    permissions: Option<Vec<String>>,
    #[serde(borrow, default)]
    gty: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    org_id: Option<Cow<'a, str>>,
    #[serde(default)]
    nonce: Option<IgnoredAny>,
    #[serde(default)]
    at_hash: Option<IgnoredAny>,
    #[serde(default)]
    c_hash: Option<IgnoredAny>,
    #[serde(default)]
    s_hash: Option<IgnoredAny>,
    #[serde(default)]
    events: Option<IgnoredAny>,
    #[serde(default)]
    cnf: Option<IgnoredAny>,
}

thread_local! {
    /// Where tokens are decoded; kept, so that a thread's next token allocates no buffers.
    static SCRATCH: RefCell<Scratch> = const { RefCell::new(Scratch::new()) };
}

impl AccessTokenVerifier {
    /// Verifies a token at the time `now`, in seconds since 1970.
    ///
    /// # Errors
    /// A [`TokenRefusal`]: towards the client all of them are `invalid_token` (RFC 6750 §3.1).
    pub fn verify(&self, token: &str, now_unix_seconds: u64) -> Result<AccessToken, TokenRefusal> {
        SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
            Ok(mut scratch) => self.verify_into(token, now_unix_seconds, &mut scratch),
            // A deserializer of ours never verifies another token; new buffers serve as well.
            Err(_) => self.verify_into(token, now_unix_seconds, &mut Scratch::new()),
        })
    }

    fn verify_into(&self, token: &str, now: u64, scratch: &mut Scratch) -> Result<AccessToken, TokenRefusal> {
        //= RFC 9068 §4
        let verified =
            self.verifier.verify::<Extension<'_>>(token, now, scratch).map_err(TokenRefusal::Token)?;
        let Claims { subject, expires_at, issued_at, jwt_id, extra, .. } = verified.into_inner();
        //= RFC 9068 §5, RFC 8725 §3.11: with `typ` JWT the claims tell the kinds of token apart
        for (name, claim) in [
            ("nonce", &extra.nonce),
            ("at_hash", &extra.at_hash),
            ("c_hash", &extra.c_hash),
            ("s_hash", &extra.s_hash),
            ("events", &extra.events),
        ] {
            if claim.is_some() {
                return Err(TokenRefusal::NotAnAccessToken(name));
            }
        }
        //= RFC 9449 §7.1, RFC 8705 §3
        if extra.cnf.is_some() {
            return Err(TokenRefusal::SenderConstrained);
        }
        //= RFC 9068 §2.2
        let required: [(&'static str, bool); 3] = [
            ("client_id", extra.client_id.is_some()),
            ("iat", issued_at.is_some()),
            ("jti", jwt_id.is_some()),
        ];
        if let Some((missing, _)) = required.iter().find(|(_, there)| self.rfc9068_only && !there) {
            return Err(TokenRefusal::MissingClaim(missing));
        }
        let subject =
            subject.filter(|subject| !subject.is_empty()).ok_or(TokenRefusal::MissingClaim("sub"))?;
        let scope = ScopeSet::parse(extra.scope.as_deref().unwrap_or_default())
            .map_err(|_| TokenRefusal::Token(Refusal::ExtensionClaims))?;
        Ok(AccessToken {
            subject: subject.into_owned(),
            client_id: extra.client_id.or(extra.azp).map(Cow::into_owned),
            scope,
            permissions: extra.permissions,
            expires_at,
            issued_at,
            token_id: jwt_id.map(Cow::into_owned),
            grant_type: extra.gty.map(Cow::into_owned),
            organization_id: extra.org_id.map(Cow::into_owned),
        })
    }

    /// Tells whether a token that names this key, or none, can be checked with the keys at hand.
    #[must_use]
    pub fn knows(&self, key_id: Option<&str>) -> bool {
        match key_id {
            None => !self.key_ids.is_empty(),
            // A key without an id serves tokens with any.
            Some(_) => self.key_ids.iter().any(|known| known.is_none() || known.as_deref() == key_id),
        }
    }
}

impl From<Refusal> for TokenRefusal {
    fn from(refusal: Refusal) -> Self {
        Self::Token(refusal)
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(refusal) => refusal.fmt(f),
            Self::NotAnAccessToken(name) => write!(f, "the claim {name} shows that this is no access token"),
            Self::MissingClaim(name) => write!(f, "the claim {name} is missing"),
            Self::SenderConstrained => f.write_str("the token is bound to its sender's key"),
        }
    }
}

impl std::error::Error for TokenRefusal {}
