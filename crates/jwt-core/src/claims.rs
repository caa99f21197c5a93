//! The claims set: registered claims typed strictly, others by serde (RFC 7519 §4).

use std::borrow::Cow;

use serde::Deserialize;

use crate::error::Refusal;
use crate::extension::Extension;
use crate::json::{Elements, Members, Registered, Span, Value};

/// The claims of a token, borrowed from the [`Scratch`](crate::Scratch) it was decoded into.
///
/// A claim of the wrong JSON type never gets here: the token is refused, whether or not the claim is checked.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Claims<'a, X = ()> {
    /// `iss`: who issued the token (RFC 7519 §4.1.1).
    pub issuer: Option<Cow<'a, str>>,
    /// `sub`: whom it is about (RFC 7519 §4.1.2).
    pub subject: Option<Cow<'a, str>>,
    /// `aud`: whom it is for (RFC 7519 §4.1.3).
    pub audience: Audience<'a>,
    /// `exp`: when it ends, in seconds since 1970; required (RFC 7519 §4.1.4).
    pub expires_at: u64,
    /// `nbf`: when it begins, in seconds since 1970 (RFC 7519 §4.1.5).
    pub not_before: Option<u64>,
    /// `iat`: when it was issued, in seconds since 1970 (RFC 7519 §4.1.6).
    pub issued_at: Option<u64>,
    /// `jti`: its identifier (RFC 7519 §4.1.7).
    pub jwt_id: Option<Cow<'a, str>>,
    /// All other claims, deserialized by the caller's type; it sees the registered ones too.
    pub extra: X,
}

/// The `aud` claim: none, one or many values (RFC 7519 §4.1.3).
///
/// It keeps the JSON, whose form has been checked, so that many values cost no allocation.
#[derive(Clone, Default)]
pub struct Audience<'a>(Form<'a>);

#[derive(Clone, Default)]
enum Form<'a> {
    #[default]
    Missing,
    One(Cow<'a, str>),
    /// The JSON of an array of strings.
    Many(Cow<'a, str>),
}

impl<'a> Audience<'a> {
    /// Takes a JSON string or an array of strings.
    #[inline]
    fn checked(value: Value<'a>) -> Result<Self, Refusal> {
        match value.string() {
            Some(one) => Ok(Self(Form::One(one.decode()))),
            None => Self::checked_array(value.array().ok_or(Refusal::Malformed)?),
        }
    }

    fn checked_array(array: &'a str) -> Result<Self, Refusal> {
        let mut elements = Elements::of(array)?;
        while let Some(element) = elements.next()? {
            element.string().ok_or(Refusal::Malformed)?;
        }
        Ok(Self(Form::Many(Cow::Borrowed(array))))
    }

    /// Tells whether there was no `aud` claim.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.0, Form::Missing)
    }

    /// Tells whether the token is for this audience: an exact comparison, byte for byte (RFC 7519 §4.1.3).
    #[must_use]
    pub fn contains(&self, audience: &str) -> bool {
        match &self.0 {
            Form::One(one) => one == audience,
            _ => self.iter().any(|one| one == audience),
        }
    }

    /// Iterates over the values.
    pub fn iter(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let (mut one, mut many) = match &self.0 {
            Form::Missing => (None, None),
            Form::One(one) => (Some(Cow::Borrowed(&**one)), None),
            // The form was checked when this was made, so nothing is lost where these give up.
            Form::Many(json) => (None, Elements::of(json).ok()),
        };
        std::iter::from_fn(move || match one.take() {
            Some(one) => Some(one),
            None => many.as_mut()?.next().ok()??.string().map(|text| text.decode()),
        })
    }

    fn into_owned(self) -> Audience<'static> {
        Audience(match self.0 {
            Form::Missing => Form::Missing,
            Form::One(one) => Form::One(Cow::Owned(one.into_owned())),
            Form::Many(json) => Form::Many(Cow::Owned(json.into_owned())),
        })
    }
}

impl PartialEq for Audience<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.is_missing() == other.is_missing() && self.iter().eq(other.iter())
    }
}

impl Eq for Audience<'_> {}

impl std::fmt::Debug for Audience<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<'a> Claims<'a, ()> {
    /// Reads a claims set, noting its members in `spans`; `exp` is required.
    pub(crate) fn parse(json: &'a str, spans: &mut Vec<Span>) -> Result<Self, Refusal> {
        spans.clear();
        let [mut issuer, mut subject, mut jwt_id] = [const { None }; 3];
        let [mut expires_at, mut not_before, mut issued_at] = [None; 3];
        let mut audience = Audience::default();
        let mut members = Members::of(json)?;
        while let Some((registered, span)) = members.next_claim()? {
            spans.push(span);
            let value = span.value(json);
            match registered {
                Some(Registered::Issuer) => issuer = Some(text(value)?),
                Some(Registered::Subject) => subject = Some(text(value)?),
                Some(Registered::Audience) => audience = Audience::checked(value)?,
                Some(Registered::ExpiresAt) => expires_at = Some(date(value)?),
                Some(Registered::NotBefore) => not_before = Some(date(value)?),
                Some(Registered::IssuedAt) => issued_at = Some(date(value)?),
                Some(Registered::JwtId) => jwt_id = Some(text(value)?),
                None => {}
            }
        }
        let expires_at = expires_at.ok_or(Refusal::MissingClaim("exp"))?;
        Ok(Self { issuer, subject, audience, expires_at, not_before, issued_at, jwt_id, extra: () })
    }

    /// Adds the other claims.
    pub(crate) fn extend<X: Deserialize<'a>>(
        self,
        json: &'a str,
        spans: &[Span],
    ) -> Result<Claims<'a, X>, Refusal> {
        let extra = X::deserialize(Extension { json, spans }).map_err(|_| Refusal::ExtensionClaims)?;
        let Self { issuer, subject, audience, expires_at, not_before, issued_at, jwt_id, extra: () } = self;
        Ok(Claims { issuer, subject, audience, expires_at, not_before, issued_at, jwt_id, extra })
    }
}

impl<X> Claims<'_, X> {
    /// Returns the claims without their borrow. `extra` stays as it is, so its type must own what it holds.
    #[must_use]
    pub fn into_owned(self) -> Claims<'static, X> {
        let own = |text: Option<Cow<'_, str>>| text.map(|text| Cow::Owned(text.into_owned()));
        Claims {
            issuer: own(self.issuer),
            subject: own(self.subject),
            audience: self.audience.into_owned(),
            expires_at: self.expires_at,
            not_before: self.not_before,
            issued_at: self.issued_at,
            jwt_id: own(self.jwt_id),
            extra: self.extra,
        }
    }
}

#[inline]
fn text(value: Value<'_>) -> Result<Cow<'_, str>, Refusal> {
    value.string().map(|text| text.decode()).ok_or(Refusal::Malformed)
}

/// Reads a NumericDate: digits below 2^53, a fraction cut off; no sign, no exponent (RFC 7519 §2).
fn date(value: Value<'_>) -> Result<u64, Refusal> {
    //= RFC 7519 §2
    let number = value.number().ok_or(Refusal::Malformed)?;
    let seconds = number.parse().or_else(|_| {
        let (seconds, fraction) = number.split_once('.').ok_or(Refusal::Malformed)?;
        let is_fraction = fraction.bytes().all(|byte| byte.is_ascii_digit());
        if is_fraction { seconds.parse().map_err(|_| Refusal::Malformed) } else { Err(Refusal::Malformed) }
    })?;
    if seconds < 1 << 53 { Ok(seconds) } else { Err(Refusal::Malformed) }
}
