//! Identifiers: one type a kind, so that they cannot be mixed up (RFC 6749 §2.2).

use std::fmt;
use std::sync::Arc;

/// Says which value was refused and why. Never carries the value itself: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What was being read, as a noun (`client_id`, `scope`).
    pub what: &'static str,
    /// What is wrong with it, as the end of a sentence that starts with `what`.
    pub why: &'static str,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.why)
    }
}

impl std::error::Error for Invalid {}

/// Declares an identifier: a cheap-to-clone string whose alphabet and length were checked once.
macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $what:literal, $most:literal, $alphabet:expr, $why:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Reads an identifier; refuses an empty, over-long or ill-spelled one.
            pub fn parse(text: &str) -> Result<Self, Invalid> {
                let alphabet: fn(u8) -> bool = $alphabet;
                // Every byte is looked at, not only those before the first other one: so many are compared at a time.
                let is_spelled_so = || text.bytes().fold(true, |is, b| is & alphabet(b));
                if text.is_empty() || text.len() > $most || !is_spelled_so() {
                    return Err(Invalid { what: $what, why: $why });
                }
                Ok(Self(text.into()))
            }

            /// The identifier's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

identifier!(
    /// One isolated set of everything else; chosen by the request's host, never by a parameter.
    TenantId,
    "tenant",
    63,
    |b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-',
    "must be 1 to 63 of the characters a-z, 0-9 and -"
);
identifier!(
    /// The application's public name at this server (RFC 6749 §2.2). Generated ones are 32 alphanumerics.
    ClientId,
    "client_id",
    256,
    |b| b.is_ascii_graphic(),
    "must be 1 to 256 printable ASCII characters without spaces"
);
identifier!(
    /// An API's own id, stable when its rendered identifier changes with the origin.
    ResourceServerId,
    "resource server id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);
identifier!(
    /// A client grant's id (`cgr_` and 16 alphanumerics when generated).
    ClientGrantId,
    "client grant id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);
identifier!(
    /// A signing key's `kid` (RFC 7517 §4.5); generated ones are the key's RFC 7638 thumbprint.
    KeyId,
    "kid",
    128,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 128 of the characters A-Z, a-z, 0-9, - and _"
);

identifier!(
    /// A connection's name (Auth0: letters and digits, single hyphens between them, at most 128).
    ConnectionName,
    "connection",
    128,
    |b| b.is_ascii_alphanumeric() || b == b'-',
    "must be 1 to 128 of the characters A-Z, a-z, 0-9 and -"
);
identifier!(
    /// A session's id, `sid` in ID tokens: the digest of its cookie's secret, base64url.
    SessionId,
    "session id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);
identifier!(
    /// A user grant's id (24 hexadecimal digits when generated).
    UserGrantId,
    "user grant id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);
identifier!(
    /// A consent record's id.
    ConsentRecordId,
    "consent record id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);
identifier!(
    /// The digest of an authorization code, base64url.
    AuthorizationCodeId,
    "authorization code id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);
identifier!(
    /// A refresh family's id: 32 hexadecimal digits, the first twelve of them the time it was made.
    RefreshFamilyId,
    "refresh family id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);

identifier!(
    /// The keyed digest of what login attempts are counted for, base64url.
    AttemptsId,
    "attempts id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);
identifier!(
    /// A sealed handle's own id, base64url.
    HandleId,
    "handle id",
    64,
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_',
    "must be 1 to 64 of the characters A-Z, a-z, 0-9, - and _"
);

/// A person's id, `sub` in tokens: `PROVIDER|ID`, as at Auth0 (`auth0|` and 24 hexadecimal digits when generated).
///
/// Never ends in `@clients`: that is how the tokens of applications end, and no person may pass for one (LC-25).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Arc<str>);

impl UserId {
    /// Reads a user id.
    ///
    /// # Errors
    ///
    /// Where it is not `PROVIDER|ID` of printable ASCII, at most 255 bytes (OpenID Connect Core 1.0 §2, `sub`).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let invalid = Invalid {
            what: "user id",
            why: "must be PROVIDER|ID, 3 to 255 printable ASCII characters without spaces, not ending in @clients",
        };
        let (provider, id) = text.split_once('|').ok_or(invalid)?;
        let is_provider = provider.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        let is_id = id.bytes().all(|b| b.is_ascii_graphic()) && !id.ends_with("@clients");
        if provider.is_empty() || id.is_empty() || text.len() > 255 || !is_provider || !is_id {
            return Err(invalid);
        }
        Ok(Self(text.into()))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserId({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_keep_their_alphabet_and_length() {
        assert!(ClientId::parse("geocoding-worker").is_ok());
        assert!(ClientId::parse("").is_err());
        assert!(ClientId::parse("a b").is_err());
        assert!(ClientId::parse("a\nb").is_err());
        assert!(ClientId::parse("é").is_err());
        assert!(ClientId::parse(&"x".repeat(256)).is_ok());
        assert!(ClientId::parse(&"x".repeat(257)).is_err());
        assert!(TenantId::parse("dev").is_ok());
        assert!(TenantId::parse("Dev").is_err());
        assert!(TenantId::parse("_system").is_err(), "reserved names are outside the alphabet");
        assert!(KeyId::parse("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs").is_ok());
        assert!(KeyId::parse("../../etc/passwd").is_err());
    }

    #[test]
    fn lc_25_no_person_can_have_the_subject_of_an_application() {
        assert!(UserId::parse("auth0|0123456789abcdef01234567").is_ok());
        for text in
            ["", "|", "auth0|", "|x", "worker@clients", "auth0|worker@clients", "a b|c", "auth0|a\nb", "é|x"]
        {
            assert!(UserId::parse(text).is_err(), "{text:?}");
        }
        assert!(UserId::parse(&format!("auth0|{}", "x".repeat(249))).is_ok());
        assert!(UserId::parse(&format!("auth0|{}", "x".repeat(250))).is_err());
    }
}
