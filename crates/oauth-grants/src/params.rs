//! The parameters of a request, each at most once, as text (RFC 6749 §3.2; Auth0's JSON bodies).

mod form;
mod json;

use std::fmt;

use records::SecretText;

pub(crate) use form::decode;
pub(crate) use json::is_deeper_than;

/// The parameters that this server gives a meaning, or refuses because it does not yet.
///
/// Only these are ever named in an error: a name that is not known may be a secret that ended up in the wrong place.
pub const KNOWN: &[&str] = &[
    "access_token",
    "assertion",
    "audience",
    "auth_req_id",
    "authorization_details",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "device_code",
    "grant_type",
    "mfa_token",
    "oob_code",
    "organization",
    "otp",
    "password",
    "realm",
    "recovery_code",
    "redirect_uri",
    "refresh_token",
    "resource",
    "scope",
    "subject_token",
    "subject_token_type",
    "token",
    "token_type_hint",
    "username",
];

/// The most parameters one request may have, the unknown ones counted.
pub const MOST: usize = 64;

/// Why parameters were refused. Says which parameter where it is a known one, never what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamsRefusal {
    /// The body is neither `application/x-www-form-urlencoded` nor `application/json`, or not in UTF-8.
    UnsupportedMediaType,
    /// A percent sign without two hexadecimal digits, or bytes that are not UTF-8.
    Malformed(Option<&'static str>),
    /// A parameter appears more than once.
    Repeated(Option<&'static str>),
    /// More parameters than [`MOST`].
    TooMany,
    /// The body is not one JSON object.
    NotJsonObject,
    /// JSON nested deeper than 16 levels.
    TooDeep,
    /// A known parameter's value is neither a string nor null.
    NotText(&'static str),
    /// A known parameter stands in the URL.
    InQuery(&'static str),
}

/// The parameters of one request.
///
/// A parameter without a value is absent, and so is a JSON `null` (RFC 6749 §3.2). Every value is treated as a secret:
/// wiped when dropped, never printed. Unknown parameters are counted, refused when repeated, and dropped.
pub struct Params {
    entries: Vec<(&'static str, SecretText)>,
}

impl Params {
    /// Reads a body of this `Content-Type`.
    ///
    /// # Errors
    /// [`ParamsRefusal`]
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, ParamsRefusal> {
        let content_type = content_type.unwrap_or_default();
        let (media_type, attributes) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !attributes.split(';').all(is_utf8_or_no_charset) {
            return Err(ParamsRefusal::UnsupportedMediaType);
        }
        let media_type = media_type.trim();
        if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Self::from_form(body)
        } else if media_type.eq_ignore_ascii_case("application/json") {
            Self::from_json(body)
        } else {
            Err(ParamsRefusal::UnsupportedMediaType)
        }
    }

    /// Reads `application/x-www-form-urlencoded` (RFC 6749 Appendix B).
    ///
    /// # Errors
    /// [`ParamsRefusal`]
    pub fn from_form(body: &[u8]) -> Result<Self, ParamsRefusal> {
        form::parse(body)
    }

    /// Reads one JSON object (RFC 8259) whose members are the parameters, as Auth0 takes them.
    ///
    /// # Errors
    /// [`ParamsRefusal`]
    pub fn from_json(body: &[u8]) -> Result<Self, ParamsRefusal> {
        json::parse(body)
    }

    /// Refuses a URL whose query names a parameter of the token endpoint: URLs end up in logs and histories.
    ///
    /// # Errors
    /// [`ParamsRefusal::InQuery`]
    pub fn refuse_in_query(query: Option<&str>) -> Result<(), ParamsRefusal> {
        //= RFC 6749 §2.3.1
        let Some(query) = query else { return Ok(()) };
        for pair in query.split('&') {
            let name = pair.split_once('=').map_or(pair, |(name, _)| name);
            if let Some(name) = decode(name.as_bytes()).and_then(|name| known(name.expose())) {
                return Err(ParamsRefusal::InQuery(name));
            }
        }
        Ok(())
    }

    /// The value of this parameter, which is one of [`KNOWN`].
    pub fn text(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, value)| value.expose())
    }

    /// Whether this parameter was sent with a value.
    pub fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The names of the parameters that were sent with a value, in their order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|(name, _)| *name)
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Gathers parameters while they are read.
#[derive(Default)]
struct Gathered {
    /// Each known name that was seen, with its value if it had one.
    known: Vec<(&'static str, Option<SecretText>)>,
    /// Each other name that was seen; wiped, for it may be a secret in the wrong place.
    unknown: Vec<SecretText>,
}

impl Gathered {
    /// Takes note of a name before its value is read. Says which known parameter it names.
    fn name(&mut self, name: &str) -> Result<Option<&'static str>, ParamsRefusal> {
        if self.known.len() + self.unknown.len() >= MOST {
            return Err(ParamsRefusal::TooMany);
        }
        let known = known(name);
        //= RFC 6749 §3.2
        match known {
            Some(name) if self.known.iter().any(|(seen, _)| *seen == name) => {
                return Err(ParamsRefusal::Repeated(known));
            }
            Some(name) => self.known.push((name, None)),
            None if self.unknown.iter().any(|seen| seen.expose() == name) => {
                return Err(ParamsRefusal::Repeated(None));
            }
            None => self.unknown.push(SecretText::new(name.to_owned())),
        }
        Ok(known)
    }

    /// The value of the known parameter that was noted last.
    fn value(&mut self, text: SecretText) {
        //= RFC 6749 §3.2
        // "Parameters sent without a value MUST be treated as if they were omitted."
        if let Some((_, value)) = self.known.last_mut().filter(|_| !text.expose().is_empty()) {
            *value = Some(text);
        }
    }

    fn finish(self) -> Params {
        let entries = self.known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        Params { entries }
    }
}

fn known(name: &str) -> Option<&'static str> {
    KNOWN.binary_search(&name).ok().and_then(|position| KNOWN.get(position)).copied()
}

fn is_utf8_or_no_charset(attribute: &str) -> bool {
    let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
    !name.trim().eq_ignore_ascii_case("charset")
        || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
}

#[cfg(test)]
mod tests;
