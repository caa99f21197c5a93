//! The access token in the Authorization header (RFC 6750 §2.1).

use std::fmt;

/// A presented token may have this many characters. The verifier's own limit may be lower.
pub const LONGEST: usize = 16 * 1024;

/// A presented token: of the right alphabet, and not believed yet. Its `Debug` shows nothing of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BearerToken<'a>(&'a str);

/// Why the credentials of a request are not understood: 400 `invalid_request` (RFC 6750 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum MalformedCredentials {
    /// The request has more than one Authorization header (RFC 9110 §5.3).
    SeveralHeaders,
    /// The scheme is Bearer, and no token follows.
    NoToken,
    /// The token has characters that no token has (RFC 6750 §2.1, `b64token`).
    Alphabet,
    /// The token has more than [`LONGEST`] characters.
    TooLong,
}

impl<'a> BearerToken<'a> {
    /// Reads the values of a request's Authorization headers.
    ///
    /// Returns `None` when there is no such header, or one of another scheme: then the request has no
    /// credentials that this API understands, and the challenge has no error code (RFC 6750 §3.1).
    ///
    /// A token in the query or in the body is never looked for (RFC 9700 §4.3.2).
    ///
    /// # Errors
    /// [`MalformedCredentials`] for credentials that are there and cannot be read.
    pub fn parse(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Self>, MalformedCredentials> {
        let mut values = values.into_iter();
        let Some(value) = values.next() else { return Ok(None) };
        //= RFC 6750 §2: one method, once
        if values.next().is_some() {
            return Err(MalformedCredentials::SeveralHeaders);
        }
        let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
        let (scheme, rest) = value.split_at_checked(end).unwrap_or((value, &[]));
        //= RFC 9110 §11.1: schemes are case-insensitive
        if !scheme.eq_ignore_ascii_case(b"Bearer") {
            return Ok(None);
        }
        //= RFC 6750 §2.1
        let token = rest.trim_ascii_start();
        if token.is_empty() {
            return Err(MalformedCredentials::NoToken);
        }
        if token.len() > LONGEST {
            return Err(MalformedCredentials::TooLong);
        }
        let unpadded = token.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
        let word = token.get(..unpadded).unwrap_or_default();
        if word.is_empty() || !word.iter().all(|byte| is_b64token(*byte)) {
            return Err(MalformedCredentials::Alphabet);
        }
        std::str::from_utf8(token).map(|token| Some(Self(token))).map_err(|_| MalformedCredentials::Alphabet)
    }

    /// The token's text. It is a secret: it must not be logged.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        self.0
    }
}

fn is_b64token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BearerToken({} characters)", self.0.len())
    }
}

impl fmt::Display for MalformedCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SeveralHeaders => "the request has more than one Authorization header",
            Self::NoToken => "the Authorization header has no token",
            Self::Alphabet => "the token has characters that no token has",
            Self::TooLong => "the token is too long",
        })
    }
}

impl std::error::Error for MalformedCredentials {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(values: &[&'a str]) -> Result<Option<&'a str>, MalformedCredentials> {
        let values = values.iter().map(|value| value.as_bytes());
        Ok(BearerToken::parse(values)?.map(|token| token.as_str()))
    }

    //= RFC 6750 §2.1
    #[test]
    fn the_token_is_read_from_the_header() {
        assert_eq!(parse(&["Bearer mF_9.B5f-4.1JqM"]), Ok(Some("mF_9.B5f-4.1JqM")));
        assert_eq!(parse(&["Bearer   a~+/=="]), Ok(Some("a~+/==")));
    }

    //= RFC 9110 §11.1, UI-07
    #[test]
    fn the_scheme_is_case_insensitive() {
        for scheme in ["bearer", "BEARER", "bEaReR"] {
            assert_eq!(parse(&[&format!("{scheme} abc")]).map(|token| token.is_some()), Ok(true));
        }
    }

    //= RFC 6750 §3.1, UI-01
    #[test]
    fn no_header_or_another_scheme_is_no_token() {
        for values in
            [&[][..], &["Basic YTpi"], &["DPoP abc"], &["Bearerabc"], &["abc"], &[""], &[" Bearer abc"]]
        {
            assert_eq!(parse(values), Ok(None), "{values:?}");
        }
    }

    //= RFC 6750 §2, UI-02
    #[test]
    fn two_headers_are_refused_even_when_one_is_of_another_scheme() {
        for values in
            [["Bearer abc", "Bearer abc"], ["Bearer abc", "Basic YTpi"], ["Basic YTpi", "Bearer abc"]]
        {
            assert_eq!(parse(&values), Err(MalformedCredentials::SeveralHeaders));
        }
    }

    //= RFC 6750 §2.1, UI-02
    #[test]
    fn credentials_that_cannot_be_read_are_refused() {
        for value in ["Bearer", "Bearer ", "bearer    "] {
            assert_eq!(parse(&[value]), Err(MalformedCredentials::NoToken), "{value:?}");
        }
        for value in [
            "Bearer a b",
            "Bearer a, Bearer b",
            "Bearer \"abc\"",
            "Bearer ab=c",
            "Bearer ==",
            "Bearer a\tb",
            "Bearer a\u{e9}",
            "Bearer token=abc",
            "Bearer abc ",
        ] {
            assert_eq!(parse(&[value]), Err(MalformedCredentials::Alphabet), "{value:?}");
        }
        assert_eq!(BearerToken::parse([&b"Bearer \xff"[..]]), Err(MalformedCredentials::Alphabet));
    }

    #[test]
    fn a_token_longer_than_the_limit_is_refused() {
        let longest = format!("Bearer {}", "a".repeat(LONGEST));
        assert_eq!(parse(&[&longest]).map(|token| token.is_some()), Ok(true));
        assert_eq!(parse(&[&format!("{longest}a")]), Err(MalformedCredentials::TooLong));
    }

    #[test]
    fn debug_shows_nothing_of_the_token() {
        let token = BearerToken::parse([&b"Bearer secret"[..]]).unwrap().unwrap();
        assert_eq!(format!("{token:?}"), "BearerToken(6 characters)");
    }
}
