//! Origins: where a tenant is reached, and therefore who it says it is (RFC 6454 §4; RFC 8414 §2).

use std::fmt;
use std::sync::Arc;

use crate::Invalid;

/// How the browser or client reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// Without TLS: on loopback, or behind a proxy that is not trusted to add it.
    Http,
    /// With TLS, ours or a terminating proxy's.
    Https,
}

impl Scheme {
    /// The scheme as it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn default_port(self) -> &'static str {
        match self {
            Self::Http => ":80",
            Self::Https => ":443",
        }
    }
}

/// A scheme and an authority, lower case, without the scheme's default port.
///
/// The issuer is the origin with a trailing slash, always, as Auth0 spells it: SDKs compare it byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    scheme: Scheme,
    /// `scheme://authority/`
    issuer: Arc<str>,
}

const WHY: &str = "must be http:// or https:// and a host name or address with an optional port, \
                   without path, query, fragment or user information";

impl Origin {
    /// Reads `https://host[:port]`, with or without the trailing slash; upper case and a default port are normalised.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let refused = Invalid { what: "origin", why: WHY };
        let (scheme, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Scheme::Https, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Scheme::Http, rest)
        } else {
            return Err(refused);
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        // As it is stored it needs no other spelling, and is read with every row that has one.
        let is_issuer = authority.len() < rest.len()
            && !authority.ends_with(scheme.default_port())
            && !authority.bytes().any(|b| b.is_ascii_uppercase());
        if is_issuer && is_authority(authority) {
            return Ok(Self { scheme, issuer: text.into() });
        }
        Self::from_authority(scheme, authority).ok_or(refused)
    }

    /// The origin of a request: the listener's scheme and the request's `Host` or `:authority`.
    ///
    /// `None` where the authority is not one: such a request has no tenant.
    pub fn from_authority(scheme: Scheme, authority: &str) -> Option<Self> {
        // Checked first, shortened afterwards: `a:80:80` must not become `a:80`.
        if !is_authority(authority) {
            return None;
        }
        let authority = authority.strip_suffix(scheme.default_port()).unwrap_or(authority);
        let mut issuer = format!("{}://{authority}/", scheme.as_str());
        issuer.make_ascii_lowercase();
        Some(Self { scheme, issuer: issuer.into() })
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host and, where it is not the scheme's default, port.
    pub fn authority(&self) -> &str {
        self.issuer.get(self.scheme.as_str().len() + 3..self.issuer.len() - 1).unwrap_or_default()
    }

    /// The issuer identifier: the origin with its trailing slash.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The URL of a path below this origin; `path` has no leading slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

/// A registered name, an IPv4 address or a bracketed IPv6 address, and an optional port.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, port)) = rest.split_once(']') else { return false };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            return port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.' || b == b'_')
        && !host.starts_with(['-', '.'])
        && !host.contains("..")
        && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    // One spelling each: `:0443` would be another origin than `:443`.
    !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.issuer)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({})", self.issuer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_always_ends_in_a_slash() {
        for text in ["https://auth.example.com", "https://auth.example.com/", "https://AUTH.example.com:443/"]
        {
            assert_eq!(Origin::parse(text).unwrap().issuer(), "https://auth.example.com/");
        }
    }

    #[test]
    fn an_origin_as_it_is_stored_is_read_as_any_other_spelling_of_it() {
        for (spelled, issuer) in [
            ("https://a:8443", "https://a:8443/"),
            ("http://a:8080/", "http://a:8080/"),
            ("https://a:80/", "https://a:80/"),
            ("http://A.example:80/", "http://a.example/"),
            ("http://[::FF]:80/", "http://[::ff]/"),
            ("http://[::ff:80]/", "http://[::ff:80]/"),
        ] {
            let origin = Origin::parse(spelled).unwrap();
            assert_eq!(origin.issuer(), issuer);
            assert_eq!(Origin::parse(issuer).unwrap(), origin);
            assert_eq!(Origin::from_authority(origin.scheme(), origin.authority()), Some(origin));
        }
    }

    #[test]
    fn case_and_default_ports_do_not_make_two_origins() {
        let plain = Origin::parse("https://auth.example.com").unwrap();
        assert_eq!(Origin::from_authority(Scheme::Https, "AUTH.example.com:443").unwrap(), plain);
        assert_ne!(Origin::from_authority(Scheme::Http, "auth.example.com").unwrap(), plain);
        assert_ne!(Origin::from_authority(Scheme::Https, "auth.example.com:8443").unwrap(), plain);
        assert_eq!(plain.authority(), "auth.example.com");
        assert_eq!(Origin::parse("http://[::1]:8080/").unwrap().authority(), "[::1]:8080");
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in [
            "",
            "auth.example.com",
            "ftp://a",
            "https://",
            "https:///",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://user@a",
            "https://a:0",
            "https://a:65536",
            "https://a:",
            "https://a:8 0",
            "https://a b",
            "https://a\r\nb",
            "https://..",
            "https://[::g]",
            "https://[::1",
            "https://[::1]x",
            "https://a//",
            "https://a:443:443",
            "http://a:80:80",
            "https://a:0443",
        ] {
            assert!(Origin::parse(text).is_err(), "{text:?}");
        }
    }
}
