//! The parameters of an authorization request, as they came (RFC 6749 §3.1).

use std::fmt;

use super::PageError;
use crate::params::decode;

/// The parameters that this server gives a meaning, refuses by name, or keeps because clients of Auth0 send them.
pub const KNOWN: &[&str] = &[
    "acr_values",
    "audience",
    "authorization_details",
    "claims",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "connection",
    "display",
    "dpop_jkt",
    "id_token_hint",
    "invitation",
    "login_hint",
    "max_age",
    "nonce",
    "organization",
    "prompt",
    "redirect_uri",
    "registration",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "screen_hint",
    "state",
    "ui_locales",
];

/// The most parameters one request may have, the unknown ones counted.
const MOST: usize = 64;

/// The parameters of one request. A parameter without a value is absent; an unknown one is dropped.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AuthorizeParams {
    entries: Vec<(&'static str, String)>,
    repeated: Vec<&'static str>,
}

impl AuthorizeParams {
    /// Reads a query, or a form body of the same shape.
    ///
    /// A repeated parameter is noted, not refused here: whether the refusal may be redirected is not known yet.
    ///
    /// # Errors
    /// [`PageError::Malformed`] where it is not percent-encoded UTF-8, [`PageError::TooManyParameters`]
    pub fn parse(form: &[u8]) -> Result<Self, PageError> {
        let mut params = Self::default();
        let mut seen: Vec<&'static str> = Vec::new();
        let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for (count, pair) in pairs.enumerate() {
            if count >= MOST {
                return Err(PageError::TooManyParameters);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default()).ok_or(PageError::Malformed)?;
            let value = decode(halves.next().unwrap_or_default()).ok_or(PageError::Malformed)?;
            //= RFC 6749 §3.1
            // "The authorization server MUST ignore unrecognized request parameters."
            let Some(name) = known(name.expose()) else { continue };
            if seen.contains(&name) {
                if !params.repeated.contains(&name) {
                    params.repeated.push(name);
                }
                continue;
            }
            seen.push(name);
            //= RFC 6749 §3.1
            // "Parameters sent without a value MUST be treated as if they were omitted from the request."
            if !value.expose().is_empty() {
                params.entries.push((name, value.expose().to_owned()));
            }
        }
        Ok(params)
    }

    /// The parameters of a flow, which were read before.
    pub(super) fn of_entries<'p>(entries: impl Iterator<Item = (&'p str, &'p str)>) -> Option<Self> {
        let entries = entries
            .map(|(name, value)| Some((known(name)?, value.to_owned())))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { entries, repeated: Vec::new() })
    }

    /// The value of this parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Whether this parameter was sent with a value.
    pub fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The first parameter that was sent more than once.
    pub(super) fn repeated(&self) -> Option<&'static str> {
        self.repeated.first().copied()
    }

    /// Whether this parameter was sent more than once.
    pub(super) fn is_repeated(&self, name: &str) -> bool {
        self.repeated.contains(&name)
    }

    /// Names and values, in the request's order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.entries.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The bytes of names and values as a flow carries them, in JSON: there some characters take two bytes or six.
    pub(super) fn size(&self) -> usize {
        let carried = |c: char| match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..'\u{20}' => 6,
            other => other.len_utf8(),
        };
        let size = |(name, value): &(&str, String)| name.len() + value.chars().map(carried).sum::<usize>();
        self.entries.iter().map(size).sum()
    }
}

impl fmt::Debug for AuthorizeParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

fn known(name: &str) -> Option<&'static str> {
    KNOWN.binary_search(&name).ok().and_then(|position| KNOWN.get(position)).copied()
}
