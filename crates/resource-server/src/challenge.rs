//! What a refused request is answered: status and `WWW-Authenticate` (RFC 6750 §3, RFC 9110 §11.6.1).

use std::fmt;

use crate::bearer::MalformedCredentials;
use crate::scope::ScopeSet;
use crate::verifier::TokenRefusal;

/// The name of a protected area, shown in the challenge (RFC 9110 §11.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(Box<str>);

/// A realm is 1 to 200 printable ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRealm;

impl Realm {
    /// Takes a name of printable ASCII characters. Quotes and backslashes are escaped where it is written.
    ///
    /// # Errors
    /// [`InvalidRealm`] for the empty text, other characters, or more than 200 of them.
    pub fn parse(text: &str) -> Result<Self, InvalidRealm> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
        if text.is_empty() || text.len() > 200 || !printable {
            return Err(InvalidRealm);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for InvalidRealm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a realm has 1 to 200 printable ASCII characters")
    }
}

impl std::error::Error for InvalidRealm {}

/// Why a request is not let in.
///
/// The variants' details are for logs: the answer tells them apart only as far as RFC 6750 §3.1 does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// The request has no token.
    NoToken,
    /// The credentials cannot be read.
    Malformed(MalformedCredentials),
    /// The token is not valid here.
    InvalidToken(TokenRefusal),
    /// The token is valid and lacks a scope: the scopes that are required.
    InsufficientScope(ScopeSet),
    /// Nobody can say whether the token is valid, because the issuer's keys cannot be had: try again after
    /// this many seconds.
    Unavailable(u64),
}

impl Denial {
    /// The HTTP status (RFC 6750 §3.1).
    #[must_use]
    pub fn status(&self) -> u16 {
        //= RFC 6750 §3.1
        match self {
            Self::NoToken | Self::InvalidToken(_) => 401,
            Self::Malformed(_) => 400,
            Self::InsufficientScope(_) => 403,
            Self::Unavailable(_) => 503,
        }
    }

    /// The error code, if the answer has one (RFC 6750 §3.1).
    #[must_use]
    pub fn error_code(&self) -> Option<&'static str> {
        match self {
            //= RFC 6750 §3.1: without credentials there is no error information
            Self::NoToken | Self::Unavailable(_) => None,
            Self::Malformed(_) => Some("invalid_request"),
            Self::InvalidToken(_) => Some("invalid_token"),
            Self::InsufficientScope(_) => Some("insufficient_scope"),
        }
    }

    /// A text for the developer of the client, without anything of the token.
    #[must_use]
    pub fn description(&self) -> Option<&'static str> {
        match self {
            Self::NoToken | Self::Unavailable(_) => None,
            Self::Malformed(_) => Some("The credentials are malformed"),
            Self::InvalidToken(_) => {
                Some("The access token is expired, revoked, malformed or not meant for this API")
            }
            Self::InsufficientScope(_) => Some("The access token lacks a required scope"),
        }
    }

    /// The value of `WWW-Authenticate`; `None` when the request's credentials are not the reason.
    #[must_use]
    pub fn challenge(&self, realm: &Realm) -> Option<String> {
        if matches!(self, Self::Unavailable(_)) {
            return None;
        }
        //= RFC 6750 §3
        let mut value = format!("Bearer realm={}", quoted(&realm.0));
        for (name, text) in [("error", self.error_code()), ("error_description", self.description())] {
            if let Some(text) = text {
                value.push_str(&format!(", {name}={}", quoted(text)));
            }
        }
        if let Self::InsufficientScope(required) = self {
            value.push_str(&format!(", scope={}", quoted(&required.to_string())));
        }
        Some(value)
    }
}

/// A quoted string (RFC 9110 §5.6.4).
fn quoted(text: &str) -> String {
    let mut value = String::with_capacity(text.len() + 2);
    value.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            value.push('\\');
        }
        value.push(c);
    }
    value.push('"');
    value
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoToken => f.write_str("the request has no token"),
            Self::Malformed(why) => why.fmt(f),
            Self::InvalidToken(why) => why.fmt(f),
            Self::InsufficientScope(required) => write!(f, "the token lacks a scope of: {required}"),
            Self::Unavailable(_) => f.write_str("the issuer's keys cannot be had"),
        }
    }
}

impl std::error::Error for Denial {}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm() -> Realm {
        Realm::parse("api").unwrap()
    }

    //= RFC 6750 §3.1, UI-01
    #[test]
    fn without_a_token_the_challenge_has_no_error_code() {
        assert_eq!(Denial::NoToken.status(), 401);
        assert_eq!(Denial::NoToken.challenge(&realm()).unwrap(), "Bearer realm=\"api\"");
    }

    //= RFC 6750 §3.1, UI-02
    #[test]
    fn malformed_credentials_are_400_invalid_request() {
        let denial = Denial::Malformed(MalformedCredentials::SeveralHeaders);
        assert_eq!(denial.status(), 400);
        assert!(
            denial
                .challenge(&realm())
                .unwrap()
                .starts_with("Bearer realm=\"api\", error=\"invalid_request\",")
        );
    }

    //= RFC 6750 §3.1, UI-03
    #[test]
    fn every_refused_token_gets_the_same_401_invalid_token() {
        let refusals = [
            TokenRefusal::Token(jwt_core::Refusal::Expired),
            TokenRefusal::Token(jwt_core::Refusal::BadSignature),
            TokenRefusal::Token(jwt_core::Refusal::WrongAudience),
            TokenRefusal::NotAnAccessToken("nonce"),
            TokenRefusal::SenderConstrained,
        ];
        let answers = refusals.map(|refusal| {
            let denial = Denial::InvalidToken(refusal);
            (denial.status(), denial.challenge(&realm()).unwrap())
        });
        for answer in &answers {
            assert_eq!(answer, &answers[0]);
            assert_eq!(answer.0, 401);
            assert!(answer.1.starts_with("Bearer realm=\"api\", error=\"invalid_token\","), "{}", answer.1);
        }
    }

    //= RFC 6750 §3.1, UI-04
    #[test]
    fn a_missing_scope_is_403_insufficient_scope_and_names_what_is_required() {
        let denial = Denial::InsufficientScope(ScopeSet::parse("write read").unwrap());
        assert_eq!(denial.status(), 403);
        let challenge = denial.challenge(&realm()).unwrap();
        assert!(challenge.starts_with("Bearer realm=\"api\", error=\"insufficient_scope\","), "{challenge}");
        assert!(challenge.ends_with(", scope=\"read write\""), "{challenge}");
    }

    #[test]
    fn keys_that_cannot_be_had_are_503_without_a_challenge() {
        let denial = Denial::Unavailable(5);
        assert_eq!((denial.status(), denial.challenge(&realm())), (503, None));
    }

    //= RFC 9110 §5.6.4
    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        let realm = Realm::parse(r#"a", error="x\"#).unwrap();
        assert_eq!(Denial::NoToken.challenge(&realm).unwrap(), r#"Bearer realm="a\", error=\"x\\""#);
        for text in ["", "a\r\nSet-Cookie: b", "a\u{0}", "\u{e9}", &"a".repeat(201)] {
            assert_eq!(Realm::parse(text), Err(InvalidRealm), "{text:?}");
        }
    }

    //= RFC 6750 §3
    #[test]
    fn every_text_of_a_challenge_has_the_characters_that_are_allowed() {
        for denial in [
            Denial::Malformed(MalformedCredentials::NoToken),
            Denial::InvalidToken(TokenRefusal::SenderConstrained),
            Denial::InsufficientScope(ScopeSet::default()),
        ] {
            let text = denial.description().unwrap();
            assert!(text.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'"' && b != b'\\'), "{text}");
        }
    }
}
