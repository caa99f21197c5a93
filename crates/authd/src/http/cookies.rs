//! Two cookies: the session's, and the one that ties a flow to its browser (RFC 6265; threats LC-03).
//!
//! With `https` both are `__Host-` cookies: set by us alone, for this host alone. With `http`, which is for development on
//! loopback, browsers take neither the prefix nor `Secure`, nor, without `Secure`, `SameSite=None`.

use http::{HeaderMap, header};
use oauth_grants::{Moment, digest};
use records::{Invalid, Lifetime, Scheme, SessionId};

struct Cookie {
    https: &'static str,
    http: &'static str,
}

const SESSION: Cookie = Cookie { https: "__Host-authd_session", http: "authd_session" };
const BROWSER: Cookie = Cookie { https: "__Host-authd_browser", http: "authd_browser" };

impl Cookie {
    fn name(&self, scheme: Scheme) -> &'static str {
        match scheme {
            Scheme::Https => self.https,
            Scheme::Http => self.http,
        }
    }

    /// The cookie's value. Two of one name are none: one of them is not ours.
    ///
    /// The fields are read as bytes: other programs on this host or its parent domain set cookies too, and one of them
    /// that is no ASCII must not hide ours.
    fn value<'h>(&self, headers: &'h HeaderMap, scheme: Scheme) -> Option<&'h str> {
        let name = self.name(scheme).as_bytes();
        let mut values = headers
            .get_all(header::COOKIE)
            .iter()
            .flat_map(|field| field.as_bytes().split(|byte| *byte == b';'))
            .filter_map(|pair| pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"="));
        let first = std::str::from_utf8(values.next()?).ok()?;
        (values.next().is_none() && is_ours(first)).then_some(first)
    }
}

/// 32 bytes as base64url: what we give, and nothing else is looked up.
fn is_ours(value: &str) -> bool {
    value.len() == 43 && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// The session that the browser's cookie names: the digest of its text, so that the store alone yields no cookie.
pub fn session_id(headers: &HeaderMap, scheme: Scheme) -> Option<SessionId> {
    let value = SESSION.value(headers, scheme)?;
    digest::session_id(value).ok()
}

/// A new session's id, and the field that gives the browser its cookie.
///
/// # Errors
/// None in practice: what is made fits the alphabet.
pub fn new_session(
    moment: &Moment,
    scheme: Scheme,
    lifetime: Lifetime,
) -> Result<(SessionId, String), Invalid> {
    let value = digest::browser_secret(moment, "session cookie");
    let id = digest::session_id(&value)?;
    // None: applications renew tokens in a frame on their own pages.
    let rest = match scheme {
        Scheme::Https => "Secure; HttpOnly; SameSite=None",
        Scheme::Http => "HttpOnly; SameSite=Lax",
    };
    let name = SESSION.name(scheme);
    Ok((id, format!("{name}={value}; Path=/; Max-Age={}; {rest}", lifetime.0)))
}

/// The field that takes the session's cookie away.
pub fn end_session(scheme: Scheme) -> String {
    let rest = match scheme {
        Scheme::Https => "Secure; HttpOnly; SameSite=None",
        Scheme::Http => "HttpOnly; SameSite=Lax",
    };
    format!("{}=; Path=/; Max-Age=0; {rest}", SESSION.name(scheme))
}

/// The digest of the cookie that ties a flow to its browser.
pub fn browser_digest(headers: &HeaderMap, scheme: Scheme) -> Option<String> {
    BROWSER.value(headers, scheme).map(digest::browser_digest)
}

/// The digest of a new cookie of that kind, and the field that gives it to the browser.
pub fn new_browser(moment: &Moment, scheme: Scheme) -> (String, String) {
    let value = digest::browser_secret(moment, "browser cookie");
    // Lax: other sites' forms come without it.
    let rest = match scheme {
        Scheme::Https => "Secure; HttpOnly; SameSite=Lax",
        Scheme::Http => "HttpOnly; SameSite=Lax",
    };
    (digest::browser_digest(&value), format!("{}={value}; Path=/; {rest}", BROWSER.name(scheme)))
}

/// The digest of the browser's cookie of that kind; with the field that gives it one, where it has none yet.
pub fn browser(headers: &HeaderMap, moment: &Moment, scheme: Scheme) -> (String, Option<String>) {
    match browser_digest(headers, scheme) {
        Some(digest) => (digest, None),
        None => {
            let (digest, cookie) = new_browser(moment, scheme);
            (digest, Some(cookie))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use records::UnixTime;

    fn moment(fill: u8) -> Moment {
        Moment::new(UnixTime(1), [fill; 32])
    }

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::COOKIE, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn lc_03_cookies_are_host_secure_and_http_only() {
        let (_, session) = new_session(&moment(1), Scheme::Https, Lifetime(60)).unwrap();
        assert!(session.starts_with("__Host-authd_session="), "{session}");
        assert!(session.ends_with("; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=None"), "{session}");
        let (_, browser) = new_browser(&moment(1), Scheme::Https);
        assert!(browser.starts_with("__Host-authd_browser="), "{browser}");
        assert!(browser.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{browser}");
        let (_, plain) = new_session(&moment(1), Scheme::Http, Lifetime(60)).unwrap();
        assert!(plain.ends_with("; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"), "{plain}");
    }

    #[test]
    fn what_was_given_is_recognised_and_the_id_says_nothing_about_it() {
        let (id, field) = new_session(&moment(1), Scheme::Https, Lifetime(60)).unwrap();
        let cookie = field.split(';').next().unwrap();
        let found = |text: &str| session_id(&headers(&[text]), Scheme::Https);
        assert_eq!(found(cookie), Some(id.clone()));
        assert_eq!(found(&format!("a=b; {cookie}; c=d")), Some(id.clone()));
        assert!(!cookie.contains(id.as_str()));
        assert_eq!(found(&format!("__Host-authd_session={id}")), None, "the id is no cookie");
        assert_ne!(new_session(&moment(2), Scheme::Https, Lifetime(60)).unwrap().0, id);
        assert_eq!(session_id(&headers(&[cookie]), Scheme::Http), None, "another scheme's name");
    }

    #[test]
    fn a_cookie_of_somebody_elses_that_is_no_ascii_hides_none_of_ours() {
        let (_, field) = new_browser(&moment(1), Scheme::Https);
        let cookie = field.split(';').next().unwrap().as_bytes();
        for other in [&b"name=J\xc3\xbcrgen"[..], b"\xff\xfe", b"x=\x80; =", b"__Host-authd_browser\xff=y"] {
            for parts in [[other, cookie], [cookie, other]] {
                let mut headers = HeaderMap::new();
                let field = header::HeaderValue::from_bytes(&parts.join(&b"; "[..])).unwrap();
                headers.append(header::COOKIE, field);
                assert!(browser_digest(&headers, Scheme::Https).is_some(), "{parts:?}");
            }
        }
        let mut headers = HeaderMap::new();
        let twice = [cookie, b"__Host-authd_browser=\xff"].join(&b"; "[..]);
        headers.append(header::COOKIE, header::HeaderValue::from_bytes(&twice).unwrap());
        assert!(browser_digest(&headers, Scheme::Https).is_none(), "two of one name, one of them not ours");
    }

    #[test]
    fn two_cookies_of_one_name_and_malformed_ones_are_none() {
        let (_, field) = new_browser(&moment(1), Scheme::Https);
        let cookie = field.split(';').next().unwrap();
        assert!(browser_digest(&headers(&[cookie]), Scheme::Https).is_some());
        assert!(browser_digest(&headers(&[cookie, cookie]), Scheme::Https).is_none());
        assert!(browser_digest(&headers(&[&format!("{cookie}; {cookie}")]), Scheme::Https).is_none());
        for bad in ["__Host-authd_browser=", "__Host-authd_browser=x", "__Host-authd_browser", "x"] {
            assert!(browser_digest(&headers(&[bad]), Scheme::Https).is_none(), "{bad}");
        }
    }
}
