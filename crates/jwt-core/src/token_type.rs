//! Token types, so that no token passes for another kind (RFC 8725 §3.11, RFC 7519 §5.1).

/// The `typ` header member: what kind of token this is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum TokenType {
    /// `JWT` (RFC 7519 §5.1): ID tokens, and the access tokens of many issuers.
    Jwt,
    /// `at+jwt`: an access token (RFC 9068 §2.1).
    AccessToken,
    /// `logout+jwt`: a back-channel logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
    LogoutToken,
    /// Any other media type without its `application/`, such as `dpop+jwt`.
    Other(&'static str),
}

impl TokenType {
    /// Returns the header value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AccessToken => "at+jwt",
            Self::LogoutToken => "logout+jwt",
            Self::Other(name) => name,
        }
    }

    /// Tells whether a `typ` value names this type: media types ignore case, and `application/` may be left
    /// out (RFC 7515 §4.1.9).
    pub(crate) fn is_named(self, typ: &str) -> bool {
        const PREFIX: &str = "application/";
        let bare = match typ.get(..PREFIX.len()) {
            Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => {
                typ.get(PREFIX.len()..).unwrap_or_default()
            }
            _ => typ,
        };
        bare.eq_ignore_ascii_case(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_ignore_case_and_may_be_written_out() {
        //= RFC 7515 §4.1.9
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+jwt"] {
            assert!(TokenType::AccessToken.is_named(typ), "{typ}");
            assert!(!TokenType::Jwt.is_named(typ), "{typ}");
        }
        for typ in ["", "jwt ", "application/", "application/application/jwt", "text/jwt", "é"] {
            assert!(!TokenType::Jwt.is_named(typ), "{typ}");
        }
    }
}
