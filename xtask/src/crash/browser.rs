//! Somebody's browser: cookies, the pages of a login, codes and what they are redeemed for (RFC 6749 §4.1).

use std::collections::BTreeMap;

use super::site::{CALLBACK, Cast, PASSWORD};
use super::wire::{Reply, Wire, escaped};

/// RFC 7636's own example: a verifier and its challenge.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What came of going somewhere.
#[derive(Debug)]
pub(crate) enum Went {
    /// The application was sent a code.
    Code(String),
    /// Nobody is logged in.
    LoggedOut,
    /// The server could not answer now (503).
    Unavailable,
    /// There were too many attempts (429).
    TooMany,
    /// No answer came.
    Nothing,
    /// Something else.
    Odd(String),
}

/// A browser with cookies.
#[derive(Debug)]
pub(crate) struct Browser {
    wire: Wire,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// One that has not been here yet.
    pub(crate) fn new(wire: Wire) -> Self {
        Self { wire, cookies: BTreeMap::new() }
    }

    /// One with these cookies.
    pub(crate) fn with_cookies(wire: Wire, cookies: &str) -> Self {
        let pairs = cookies.split("; ").filter_map(|pair| pair.split_once('='));
        let cookies = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { wire, cookies }
    }

    /// The cookies as they are sent.
    pub(crate) fn cookies(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    fn go(&mut self, cast: &Cast, method: &str, target: &str, form: &str) -> Reply {
        let (cookies, origin) = (self.cookies(), format!("{}://{}", cast.scheme, cast.host));
        let headers = [
            ("cookie", cookies.as_str()),
            ("origin", origin.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let target = target.strip_prefix(&origin).unwrap_or(target);
        let reply = self.wire.ask(method, target, &headers, form);
        if let Reply::Answer(answer) = &reply {
            for (_, value) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
                let pair = value.split(';').next().and_then(|pair| pair.split_once('='));
                let Some((name, value)) = pair else { continue };
                if value.is_empty() {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        reply
    }

    /// Logs in by the pages, and agrees where it is asked.
    pub(crate) fn log_in(&mut self, cast: &Cast, person: &str) -> Went {
        let mut reply = self.go(cast, "GET", &authorize(cast, ""), "");
        // Login, return, consent, return: each is a redirect.
        for _ in 0..6 {
            let Some(place) = reply.location().map(str::to_owned) else { return other(&reply) };
            if place.starts_with(CALLBACK) {
                return arrived(&place);
            }
            let state = place.split_once("state=").map(|(_, rest)| rest.split('&').next().unwrap_or(rest));
            let form = match (page_of(&place), state) {
                ("login", Some(state)) => Some(format!(
                    "state={state}&username={}&password={}&action=default",
                    escaped(person),
                    escaped(PASSWORD)
                )),
                ("consent", Some(state)) => Some(format!("state={state}&action=accept")),
                _ => None,
            };
            reply = match form {
                Some(form) => self.go(cast, "POST", &place, &form),
                None => self.go(cast, "GET", &place, ""),
            };
        }
        Went::Odd("the login leads in circles".to_owned())
    }

    /// Asks for a code without a page (`prompt=none`).
    pub(crate) fn silently(&mut self, cast: &Cast) -> Went {
        let reply = self.go(cast, "GET", &authorize(cast, "&prompt=none"), "");
        match reply.location() {
            Some(place) if place.starts_with(CALLBACK) => arrived(place),
            _ => other(&reply),
        }
    }

    /// Logs out.
    pub(crate) fn log_out(&mut self, cast: &Cast) -> Reply {
        let target = format!("/v2/logout?client_id={}&returnTo={}", cast.app, escaped(CALLBACK));
        let cookies = self.cookies();
        // As a person who goes there: nothing says that it was a script or a picture.
        self.wire.ask("GET", &target, &[("cookie", cookies.as_str())], "")
    }
}

fn page_of(place: &str) -> &str {
    let path = place.split('?').next().unwrap_or_default();
    path.rsplit_once("/u/").map_or("", |(_, page)| page)
}

fn authorize(cast: &Cast, more: &str) -> String {
    format!(
        "/authorize?response_type=code&client_id={}&redirect_uri={}&audience={}&scope=read+offline_access&state=s\
         &code_challenge={CHALLENGE}&code_challenge_method=S256{more}",
        cast.app,
        escaped(CALLBACK),
        escaped(&cast.audience)
    )
}

fn arrived(place: &str) -> Went {
    let query = place.split_once('?').map_or("", |(_, query)| query);
    let value = |name: &str| {
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name).map(|(_, v)| v)
    };
    match (value("code"), value("error")) {
        (Some(code), None) => Went::Code(code.to_owned()),
        (None, Some("login_required")) => Went::LoggedOut,
        (None, Some("temporarily_unavailable" | "server_error")) => Went::Unavailable,
        _ => Went::Odd(query.to_owned()),
    }
}

fn other(reply: &Reply) -> Went {
    match reply.status() {
        0 => Went::Nothing,
        503 => Went::Unavailable,
        429 => Went::TooMany,
        status => Went::Odd(format!("{status} {}", reply.body().chars().take(300).collect::<String>())),
    }
}

/// Redeems a code.
pub(crate) fn redeem(wire: &mut Wire, cast: &Cast, code: &str) -> Reply {
    wire.post(
        "/oauth/token",
        &[
            ("grant_type", "authorization_code"),
            ("client_id", &cast.app),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ],
    )
}

/// Presents a refresh token.
pub(crate) fn refresh(wire: &mut Wire, cast: &Cast, token: &str) -> Reply {
    let fields = [("grant_type", "refresh_token"), ("client_id", &cast.app), ("refresh_token", token)];
    wire.post("/oauth/token", &fields)
}

/// Revokes a refresh token.
pub(crate) fn revoke(wire: &mut Wire, cast: &Cast, token: &str) -> Reply {
    wire.post("/oauth/revoke", &[("client_id", &cast.app), ("token", token)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_application_is_sent_is_understood() {
        let at = |query: &str| arrived(&format!("{CALLBACK}?{query}"));
        assert!(matches!(at("code=abc&state=s"), Went::Code(code) if code == "abc"));
        assert!(matches!(at("error=login_required&state=s"), Went::LoggedOut));
        assert!(matches!(at("error=access_denied"), Went::Odd(_)));
        assert_eq!(page_of("/u/login?state=x"), "login");
        assert_eq!(page_of("http://localhost:1/u/consent?state=x"), "consent");
        assert_eq!(page_of("/authorize/resume?state=x"), "");
    }
}
