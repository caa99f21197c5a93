//! Where may a browser be sent with an answer? (RFC 6749 §3.1.2; RFC 8252 §7; RFC 9700 §4.1.)
//!
//! Nothing is decoded, repaired or normalised before it is compared: what a parser would make of a URI is what
//! attackers play with. Where a parser is asked at all, it can only add a refusal.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use records::{ApplicationType, Client, Origin, ThirdPartySecurityMode, VerifiableCallbacks};
use url::{Host, Url, form_urlencoded};

/// Why a browser is sent nowhere. The person is told; no redirect answers it (RFC 6749 §3.1.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectUriRefusal {
    /// None was sent, and there is not exactly one registered that could be meant.
    Missing,
    /// It is not one of the client's.
    NotRegistered,
}

/// The redirect URI that a request means: the one it names where that is registered, else the only registered
/// one.
///
/// Compared byte for byte, with two exceptions: an installed application's `http://127.0.0.1` and
/// `http://[::1]` may have any port (`localhost` may not: it is a name, which may be somebody else's), and
/// `https://*.example.com/…` stands for exactly one label of the host, unless the client is a third party's
/// in strict mode. What could not be registered ([`validate_callback`]) is never resolved to, whatever an
/// imported row holds.
///
/// # Errors
/// [`RedirectUriRefusal`].
pub fn resolve<'a>(client: &'a Client, requested: Option<&'a str>) -> Result<&'a str, RedirectUriRefusal> {
    let Some(requested) = requested else {
        //= RFC 6749 §3.1.2.3
        return match client.callbacks.as_slice() {
            [only] if validate_callback(only, false).is_ok() => Ok(only),
            _ => Err(RedirectUriRefusal::Missing),
        };
    };
    //= RFC 9700 §4.1.3
    let is_registered = client.callbacks.iter().any(|registered| stands_for(client, registered, requested));
    if is_registered && validate_callback(requested, false).is_ok() {
        Ok(requested)
    } else {
        Err(RedirectUriRefusal::NotRegistered)
    }
}

fn stands_for(client: &Client, registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    //= RFC 8252 §7.3
    if client.application_type == ApplicationType::Native
        && loopback(registered).is_some_and(|registered| loopback(requested) == Some(registered))
    {
        return true;
    }
    let is_strict =
        !client.is_first_party && client.third_party_security_mode == ThirdPartySecurityMode::Strict;
    !is_strict && has_one_label_for_the_wildcard(registered, requested)
}

/// Host and everything behind the port of a loopback address; `None` for anything else, `localhost` included.
fn loopback(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://")?;
    let (host, rest) =
        ["127.0.0.1", "[::1]"].into_iter().find_map(|host| Some((host, rest.strip_prefix(host)?)))?;
    let rest = match rest.strip_prefix(':') {
        Some(rest) => {
            let behind = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            rest.strip_suffix(behind).filter(|port| is_port(port)).map(|_| behind)?
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

pub(crate) fn has_one_label_for_the_wildcard(registered: &str, requested: &str) -> bool {
    // Checked again, because a restored or imported row may hold `https://*.com/`.
    let Some((before, behind)) = registered.split_once("*.") else { return false };
    let label = requested.strip_prefix(before).and_then(|rest| rest.split_once('.'));
    label.is_some_and(|(label, rest)| rest == behind && is_label(label))
        && validate_callback(registered, true).is_ok()
}

/// One label of a host (RFC 1123 §2.1), in lower case.
fn is_label(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_port(text: &str) -> bool {
    // One spelling each: `:0443` would be another text than `:443`, but the same place.
    !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// Why a redirect URI or a web origin cannot be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallbackRefusal {
    /// It is longer than [`LONGEST`].
    TooLong,
    /// It has spaces, controls, backslashes or other characters that no URI has (RFC 3986 §2).
    IllegalCharacter,
    /// It has no scheme, or nothing behind it (RFC 6749 §3.1.2: absolute).
    NotAbsolute,
    /// Its scheme runs, reads or opens something instead of going somewhere.
    DangerousScheme,
    /// It has a `#` (RFC 6749 §3.1.2).
    Fragment,
    /// It has user information before its host.
    UserInformation,
    /// It has no host, or one that browsers spell differently, or a port that is none.
    Host,
    /// Its query has a parameter that an authorization response has too.
    ReservedParameter,
    /// It has a wildcard, and this application may have none.
    WildcardNotAllowed,
    /// Its wildcard is not the whole first label of a host with at least two more.
    WildcardMisplaced,
    /// A web origin is `http` or `https`, a host and a port, as browsers spell them, and nothing else.
    NotAnOrigin,
}

impl fmt::Display for CallbackRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "is too long: at most 2000 bytes",
            Self::IllegalCharacter => {
                "has a character that no URI has; percent-encode it, and write other than ASCII hosts as xn--…"
            }
            Self::NotAbsolute => "is not absolute; write it with its scheme, as https://app.example.com/callback",
            Self::DangerousScheme => "has a scheme that browsers run or open; use https, or the app's own scheme",
            Self::Fragment => "has a fragment; leave out # and what follows it",
            Self::UserInformation => "has user information; leave out everything up to the @ in the host",
            Self::Host => {
                "has no host, or one that browsers spell differently; write a name or an address in its usual form, \
                 and the port as a number from 1 to 65535"
            }
            Self::ReservedParameter => {
                "has a query parameter that responses use themselves, such as code or state; rename it"
            }
            Self::WildcardNotAllowed => "has a *, which this application may not use; register each URI",
            Self::WildcardMisplaced => {
                "has a * in the wrong place; it can only be the first label of a host with two more, \
                 as https://*.example.com/callback"
            }
            Self::NotAnOrigin => {
                "is not an origin as browsers spell it; write scheme://host or scheme://host:port in lower case, \
                 without a slash at the end and without the default port"
            }
        })
    }
}

impl std::error::Error for CallbackRefusal {}

/// The most bytes that a redirect URI may have.
pub const LONGEST: usize = 2000;

/// Schemes that run scripts, read files, show content of the sender's choice or start programs, in lower
/// case. No list of this kind is complete; what it leaves over is private-use schemes, which open the
/// application that claimed them.
#[rustfmt::skip]
const DANGEROUS_SCHEMES: &[&str] = &[
    "about", "blob", "chrome", "chrome-extension", "content", "data", "feed", "file", "filesystem", "ftp",
    "intent", "itms-services", "jar", "javascript", "livescript", "mailto", "mhtml", "mk", "mocha",
    "moz-extension", "ms-its", "ms-msdt", "ms-settings", "res", "resource", "safari-extension", "search-ms",
    "shell", "sms", "tel", "vbs", "vbscript", "view-source", "vnd.ms.radio", "wais", "ws", "wss", "wyciwyg",
];

/// What authorization responses carry (RFC 6749 §4.1.2, §4.2.2; RFC 9207 §2; OpenID Connect; JARM).
#[rustfmt::skip]
const RESERVED_PARAMETERS: &[&str] = &[
    "access_token", "code", "error", "error_description", "error_uri", "expires_in", "id_token", "iss",
    "refresh_token", "response", "scope", "session_state", "state", "token_type",
];

/// Whether a redirect URI may be registered.
///
/// `http` and `https` with a host, or the application's own scheme (RFC 8252 §7.1). A scheme without a period
/// is accepted, as Auth0 does, though RFC 8252 §8.4 would rather not. `allows_wildcard`: `*` may be the whole
/// first label of the host; how many labels of the rest are everybody's (`co.uk`) is not known here.
///
/// # Errors
/// [`CallbackRefusal`]: the first thing that is wrong.
pub fn validate_callback(text: &str, allows_wildcard: bool) -> Result<(), CallbackRefusal> {
    if text.len() > LONGEST {
        return Err(CallbackRefusal::TooLong);
    }
    let is_of_uris = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
    if !text.bytes().all(is_of_uris) {
        return Err(CallbackRefusal::IllegalCharacter);
    }
    //= RFC 6749 §3.1.2
    let parts = Parts::cut(text).ok_or(CallbackRefusal::NotAbsolute)?;
    if DANGEROUS_SCHEMES.iter().any(|scheme| parts.scheme.eq_ignore_ascii_case(scheme)) {
        return Err(CallbackRefusal::DangerousScheme);
    }
    if parts.has_fragment {
        return Err(CallbackRefusal::Fragment);
    }
    if parts.authority.is_some_and(|authority| authority.contains('@')) {
        return Err(CallbackRefusal::UserInformation);
    }
    if text.contains('*') {
        if !allows_wildcard {
            return Err(CallbackRefusal::WildcardNotAllowed);
        }
        if !parts.has_good_wildcard() {
            return Err(CallbackRefusal::WildcardMisplaced);
        }
    }
    if parts.is_web() {
        let host = parts.authority.and_then(host).ok_or(CallbackRefusal::Host)?;
        // What browsers make of it must be the host that stands there: not `127.1`, not `%6cocalhost`.
        let parsed = Url::parse(text).map_err(|_| CallbackRefusal::Host)?;
        if !parsed.host_str().is_some_and(|parsed| parsed.eq_ignore_ascii_case(host)) {
            return Err(CallbackRefusal::Host);
        }
    } else if parts.authority.is_none() && parts.path.is_empty() {
        return Err(CallbackRefusal::NotAbsolute);
    }
    //= RU-17
    let mut names = form_urlencoded::parse(parts.query.as_bytes()).map(|(name, _)| name);
    if names.any(|name| RESERVED_PARAMETERS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))) {
        return Err(CallbackRefusal::ReservedParameter);
    }
    Ok(())
}

/// Whether a web origin may be registered: `scheme://host` or `scheme://host:port`, spelled as browsers send
/// it.
///
/// # Errors
/// [`CallbackRefusal::NotAnOrigin`] or [`CallbackRefusal::WildcardNotAllowed`].
pub fn validate_web_origin(text: &str) -> Result<(), CallbackRefusal> {
    if text.contains('*') {
        return Err(CallbackRefusal::WildcardNotAllowed);
    }
    // Two readers must agree, and the browsers' one must find nothing to change.
    Origin::parse(text).map_err(|_| CallbackRefusal::NotAnOrigin)?;
    let parsed = Url::parse(text).map_err(|_| CallbackRefusal::NotAnOrigin)?;
    if parsed.origin().ascii_serialization() != text {
        return Err(CallbackRefusal::NotAnOrigin);
    }
    Ok(())
}

/// A URI cut at the delimiters of RFC 3986 §3, and nowhere else.
struct Parts<'a> {
    scheme: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: &'a str,
    has_fragment: bool,
}

impl<'a> Parts<'a> {
    fn cut(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let mut letters = scheme.bytes();
        let is_scheme = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
            && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let (rest, has_fragment) = rest.split_once('#').map_or((rest, false), |(rest, _)| (rest, true));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                (Some(authority), path)
            }
            None => (None, rest),
        };
        is_scheme.then_some(Self { scheme, authority, path, query, has_fragment })
    }

    fn is_web(&self) -> bool {
        ["http", "https"].iter().any(|scheme| self.scheme.eq_ignore_ascii_case(scheme))
    }

    /// Whether the one `*` is the whole first label of a host of the web with at least two more.
    fn has_good_wildcard(&self) -> bool {
        let others = [self.path, self.query].iter().any(|part| part.contains('*'));
        let rest = self.authority.and_then(host).and_then(|host| host.strip_prefix("*."));
        self.is_web()
            && !others
            && rest.is_some_and(|rest| {
                !rest.contains('*') && rest.contains('.') && rest.split('.').all(|label| !label.is_empty())
            })
    }
}

/// The host of an authority without user information; `None` where it has none or its port is none.
fn host(authority: &str) -> Option<&str> {
    let end_of_host = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(end_of_host..)?.find(':') {
        Some(at) => (authority.get(..end_of_host + at)?, Some(authority.get(end_of_host + at + 1..)?)),
        None => (authority, None),
    };
    (!host.is_empty() && port.is_none_or(is_port)).then_some(host)
}

/// Whether a first-party application's callback shows whose it is, so that an API may skip consent for it.
///
/// [`VerifiableCallbacks::Era`]: neither is it on this machine or a private-use scheme, nor is any registered
/// callback on `localhost`. [`VerifiableCallbacks::Later`]: the API's setting alone decides, hence always.
pub fn is_verifiable(how: VerifiableCallbacks, client: &Client, redirect_uri: &str) -> bool {
    match how {
        VerifiableCallbacks::Later => true,
        VerifiableCallbacks::Era => {
            !shows_nothing_of_its_owner(redirect_uri)
                && !client.callbacks.iter().any(|registered| is_on_localhost(registered))
        }
    }
}

fn is_on_localhost(uri: &str) -> bool {
    match Url::parse(uri).as_ref().map(Url::host) {
        Ok(Some(Host::Domain(name))) => is_localhost(name),
        _ => false,
    }
}

fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether a redirect URI says nothing of whose it is: a private-use scheme, which any application on the
/// machine may claim, or the machine itself, where any application may listen (RFC 8252 §8.6).
pub fn shows_nothing_of_its_owner(redirect_uri: &str) -> bool {
    let Ok(uri) = Url::parse(redirect_uri) else { return true };
    if !matches!(uri.scheme(), "http" | "https") {
        return true;
    }
    match uri.host() {
        Some(Host::Domain(name)) => is_localhost(name),
        Some(Host::Ipv4(address)) => is_this_machine(address),
        Some(Host::Ipv6(address)) => {
            address == Ipv6Addr::LOCALHOST
                || address == Ipv6Addr::UNSPECIFIED
                || address.to_ipv4_mapped().is_some_and(is_this_machine)
        }
        None => true,
    }
}

fn is_this_machine(address: Ipv4Addr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::client;
    use proptest::prelude::*;

    const GOOD: &str = "https://good.com/callback?tenant=1";

    fn with(callbacks: &[&str]) -> Client {
        Client {
            callbacks: callbacks.iter().map(|uri| (*uri).to_owned()).collect(),
            application_type: ApplicationType::RegularWeb,
            ..client()
        }
    }

    fn native(callbacks: &[&str]) -> Client {
        Client { application_type: ApplicationType::Native, ..with(callbacks) }
    }

    fn third_party(client: Client, mode: ThirdPartySecurityMode) -> Client {
        Client { is_first_party: false, third_party_security_mode: mode, ..client }
    }

    /// Of no kind of application, not even the one for which something varies, is any of these the registered
    /// URI.
    fn all_refused(registered: &str, requested: &[&str]) {
        for requested in requested {
            for client in [with(&[registered]), native(&[registered])] {
                assert_eq!(
                    resolve(&client, Some(requested)),
                    Err(RedirectUriRefusal::NotRegistered),
                    "{requested:?} for {registered:?}"
                );
            }
        }
    }

    //= RFC 6749 §3.1.2.3
    #[test]
    fn ru_02_an_omitted_uri_is_the_only_registered_one() {
        assert_eq!(resolve(&with(&[GOOD]), None), Ok(GOOD));
        for callbacks in [
            &[][..],
            &[GOOD, "https://good.com/other"],
            &[GOOD, GOOD],
            &["https://*.good.com/"],
            &["javascript:alert(1)"],
            &["https://good.com/#fragment"],
        ] {
            assert_eq!(resolve(&with(callbacks), None), Err(RedirectUriRefusal::Missing), "{callbacks:?}");
        }
    }

    //= RFC 6749 §3.1.2.3
    #[test]
    fn a_registered_uri_is_resolved_to_itself() {
        let others =
            ["https://good.com/other", "http://localhost:3000/", "com.example.app:/cb", "app://host/cb"];
        let client = with(&[&others[..], &[GOOD]].concat());
        for uri in others.iter().chain([&GOOD]) {
            assert_eq!(resolve(&client, Some(uri)), Ok(*uri));
        }
    }

    #[test]
    fn ru_01_and_ru_19_what_is_not_this_clients_is_refused() {
        all_refused(GOOD, &["https://evil.com/", "https://good.com/", "", "/callback?tenant=1", "good.com"]);
        assert_eq!(resolve(&with(&[]), Some(GOOD)), Err(RedirectUriRefusal::NotRegistered));
    }

    #[test]
    fn ru_03_to_ru_05_case_and_query_matter() {
        all_refused(
            GOOD,
            &[
                "https://good.com/CALLBACK?tenant=1",
                "https://good.com/callback?Tenant=1",
                "HTTPS://good.com/callback?tenant=1",
                "https://GOOD.com/callback?tenant=1",
                "https://good.com/callback?tenant=1&foo=bar",
                "https://good.com/callback?foo=bar&tenant=1",
                "https://good.com/callback?tenant=2",
                "https://good.com/callback?tenant=1&",
                "https://good.com/callback?tenant=%31",
                "https://good.com/callback?",
                "https://good.com/callback",
            ],
        );
        all_refused(
            "https://good.com/callback",
            &["https://good.com/callback?", "https://good.com/callback?foo=bar"],
        );
    }

    //= RFC 6749 §3.1.2
    #[test]
    fn ru_06_a_fragment_is_refused_even_where_a_row_holds_it() {
        all_refused(GOOD, &["https://good.com/callback?tenant=1#", "https://good.com/callback?tenant=1#x"]);
        all_refused(GOOD, &["https://good.com/callback?tenant=1%23x"]);
        all_refused("https://good.com/#x", &["https://good.com/#x", "https://good.com/"]);
    }

    #[test]
    fn ru_07_paths_are_not_resolved() {
        all_refused(
            "https://good.com/app/callback",
            &[
                "https://good.com/app/callback/",
                "https://good.com/app/callback//",
                "https://good.com/app//callback",
                "https://good.com//app/callback",
                "https://good.com/app/callback/.",
                "https://good.com/app/callback/..",
                "https://good.com/app/callback/../../evil",
                "https://good.com/app/./callback",
                "https://good.com/./app/callback",
                "https://good.com/app/x/../callback",
                "https://good.com/../app/callback",
                "https://good.com/app/callback/%2e",
                "https://good.com/app/callback/%2e%2e",
                "https://good.com/app/callback/%2E%2E/%2E%2E/evil",
                "https://good.com/app/callback/..%2fevil",
                "https://good.com/app/callback/..%252fevil",
                "https://good.com/app/callback/%2e%2e%2fevil",
                "https://good.com/app/callback%2f..%2fevil",
                "https://good.com/app%2fcallback",
                "https://good.com/app/callback%00",
                "https://good.com/app/callback%20",
                "https://good.com/app/callback;x",
                "https://good.com/app/callback;/../evil",
                "https://good.com/app/callback.html",
                "https://good.com/app/callbac",
                "https://good.com/app/callbackx",
                "https://good.com/app/",
                "https://good.com/app",
                "https://good.com/",
                "https://good.com",
                "https:/good.com/app/callback",
                "https:good.com/app/callback",
                "https:///good.com/app/callback",
            ],
        );
    }

    #[test]
    fn ru_08_user_information_is_refused() {
        all_refused(
            "https://good.com/",
            &[
                "https://good.com@evil.com/",
                "https://good.com:443@evil.com/",
                "https://evil.com@good.com/",
                "https://:@good.com/",
                "https://@good.com/",
                "https://good.com@evil.com@good.com/",
                "https://good.com%40evil.com/",
                "https://good.com/@evil.com/",
                "https://user:password@good.com/",
            ],
        );
        // Not even where a row says so.
        all_refused("https://user@good.com/", &["https://user@good.com/", "https://good.com/"]);
        all_refused("https://*.good.com/", &["https://a@b.good.com/", "https://evil.com/@x.good.com/"]);
    }

    #[test]
    fn ru_09_hosts_are_compared_whole() {
        all_refused(
            "https://good.com/",
            &[
                "https://good.com.evil.com/",
                "https://evilgood.com/",
                "https://x.good.com/",
                "https://good.co/",
                "https://good.comm/",
                "https://good.com./",
                "https://good.com.",
                "https://evil.com/good.com/",
                "https://evil.com/?https://good.com/",
                "https://evil.com/?x=https://good.com/",
            ],
        );
    }

    #[test]
    fn ru_10_scheme_and_port_matter() {
        all_refused(
            "https://good.com/",
            &[
                "http://good.com/",
                "https://good.com:443/",
                "https://good.com:444/",
                "https://good.com:/",
                "//good.com/",
            ],
        );
        all_refused("https://good.com:8443/", &["https://good.com/", "https://good.com:08443/"]);
        all_refused("http://127.0.0.1/cb", &["https://127.0.0.1/cb", "https://127.0.0.1:1/cb"]);
    }

    #[test]
    fn ru_11_nothing_is_decoded() {
        all_refused(
            "https://good.com/",
            &[
                r"https://good.com\@evil.com/",
                r"https://evil.com\@good.com/",
                r"https:\\good.com\",
                r"https://good.com\",
                r"https:/\good.com/",
                "https://good.com%5c@evil.com/",
                "https://good.com%5cevil.com/",
                "https://%67ood.com/",
                "https://good%2ecom/",
                "https://good。com/",
                "https://gооd.com/",
                "https://xn--gd-fmca.com/",
                "https://ｇood.com/",
                "https://good.com/%",
                "https%3a//good.com/",
            ],
        );
    }

    #[test]
    fn ru_12_controls_and_spaces_are_refused() {
        let raw = ["\r\n", "\r", "\n", "\t", "\0", " ", "\u{b}", "\u{7f}", "\u{85}", "\u{2028}"];
        for bad in raw {
            for uri in [
                format!("https://good.com/{bad}"),
                format!("https://good.com/{bad}Set-Cookie: a=b"),
                format!("{bad}https://good.com/"),
                format!("https://good{bad}.com/"),
                format!("ht{bad}tps://good.com/"),
            ] {
                all_refused("https://good.com/", &[&uri]);
                all_refused(&uri, &[&uri]);
            }
        }
    }

    //= RFC 8252 §7.3
    #[test]
    fn ru_14_an_installed_application_has_any_port_on_loopback() {
        for (registered, before, behind) in [
            ("http://127.0.0.1/cb", "http://127.0.0.1", "/cb"),
            ("http://127.0.0.1:9999/cb", "http://127.0.0.1", "/cb"),
            ("http://[::1]/cb?x=1", "http://[::1]", "/cb?x=1"),
            ("http://[::1]:1/cb?x=1", "http://[::1]", "/cb?x=1"),
            ("http://127.0.0.1", "http://127.0.0.1", ""),
        ] {
            let client = native(&[registered]);
            let without = format!("{before}{behind}");
            assert_eq!(resolve(&client, Some(&without)), Ok(without.as_str()));
            for port in (1..=u16::MAX).step_by(257).chain([80, 9999, u16::MAX]) {
                let uri = format!("{before}:{port}{behind}");
                assert_eq!(resolve(&client, Some(&uri)), Ok(uri.as_str()), "{uri} for {registered}");
            }
            for port in ["0", "", "65536", "080", "99999", "-1", "+80", "8080x", "80:80", "٨"] {
                let uri = format!("{before}:{port}{behind}");
                assert_eq!(
                    resolve(&client, Some(&uri)),
                    Err(RedirectUriRefusal::NotRegistered),
                    "{uri} for {registered}"
                );
            }
        }
    }

    //= RFC 8252 §7.3
    #[test]
    fn ru_14_other_applications_have_the_registered_port() {
        for application_type in
            [ApplicationType::RegularWeb, ApplicationType::SinglePage, ApplicationType::NonInteractive]
        {
            let client = Client { application_type, ..with(&["http://127.0.0.1:9999/cb"]) };
            assert!(resolve(&client, Some("http://127.0.0.1:9999/cb")).is_ok());
            for uri in ["http://127.0.0.1:9998/cb", "http://127.0.0.1/cb"] {
                assert_eq!(resolve(&client, Some(uri)), Err(RedirectUriRefusal::NotRegistered), "{uri}");
            }
        }
    }

    //= RFC 8252 §7.3, §8.3
    #[test]
    fn ru_15_on_loopback_everything_but_the_port_matters() {
        all_refused(
            "http://127.0.0.1:9999/cb?x=1",
            &[
                "http://127.0.0.1:8/cb",
                "http://127.0.0.1:8/cb?",
                "http://127.0.0.1:8/cb?x=2",
                "http://127.0.0.1:8/cb?x=1&y=2",
                "http://127.0.0.1:8/CB?x=1",
                "http://127.0.0.1:8/cb/?x=1",
                "http://127.0.0.1:8/?x=1",
                "http://127.0.0.1:8/cb?x=1#y",
                "http://localhost:9999/cb?x=1",
                "http://localhost:8/cb?x=1",
                "http://[::1]:9999/cb?x=1",
                "http://127.0.0.2:9999/cb?x=1",
                "http://127.1:9999/cb?x=1",
                "http://2130706433:9999/cb?x=1",
                "http://0x7f.0.0.1:9999/cb?x=1",
                "http://0177.0.0.1:9999/cb?x=1",
                "http://0.0.0.0:9999/cb?x=1",
                "http://127.0.0.1.evil.com:9999/cb?x=1",
                "http://127.0.0.1.evil.com/cb?x=1",
                "http://127.0.0.1@evil.com:9999/cb?x=1",
                "http://127.0.0.1:8@evil.com/cb?x=1",
                "http://evil.com@127.0.0.1:8/cb?x=1",
                "http://127.0.0.1:8\\@evil.com/cb?x=1",
                "http://127.0.0.1:8evil.com/cb?x=1",
                "HTTP://127.0.0.1:8/cb?x=1",
            ],
        );
        all_refused("http://[::1]/cb", &["http://[0:0:0:0:0:0:0:1]:8/cb", "http://[::ffff:127.0.0.1]:8/cb"]);
        // Rows that could not be registered open nothing either.
        all_refused("http://127.0.0.1:080/cb", &["http://127.0.0.1:8/cb", "http://127.0.0.1:080/cb"]);
        all_refused("http://127.0.0.1:8.evil.com/cb", &["http://127.0.0.1.evil.com/cb"]);
        all_refused("http://localhost:9999/cb", &["http://localhost:8/cb", "http://127.0.0.1:9999/cb"]);
        all_refused("http://192.168.0.1:9999/cb", &["http://192.168.0.1:8/cb"]);
        assert!(resolve(&native(&["http://localhost:9999/cb"]), Some("http://localhost:9999/cb")).is_ok());
    }

    #[test]
    fn a_wildcard_stands_for_exactly_one_label() {
        let registered = "https://*.good.com/cb?x=1";
        let client = with(&[registered]);
        for label in ["a", "preview-17", "0", "xn--bcher-kva", &"x".repeat(63)] {
            let uri = format!("https://{label}.good.com/cb?x=1");
            assert_eq!(resolve(&client, Some(&uri)), Ok(uri.as_str()));
        }
        let long = format!("https://{}.good.com/cb?x=1", "x".repeat(64));
        all_refused(
            registered,
            &[
                registered,
                "https://good.com/cb?x=1",
                "https://.good.com/cb?x=1",
                "https://a.b.good.com/cb?x=1",
                "https://evilgood.com/cb?x=1",
                "https://a.good.com.evil.com/cb?x=1",
                "https://a.good.com:8443/cb?x=1",
                "https://a.good.com/cb",
                "https://a.good.com/cb?x=2",
                "http://a.good.com/cb?x=1",
                "https://A.good.com/cb?x=1",
                "https://-a.good.com/cb?x=1",
                "https://a-.good.com/cb?x=1",
                "https://a_b.good.com/cb?x=1",
                "https://%61.good.com/cb?x=1",
                "https://evil.com/.good.com/cb?x=1",
                "https://evil.com?.good.com/cb?x=1",
                "https://evil.com#.good.com/cb?x=1",
                "https://evil.com\\.good.com/cb?x=1",
                "https://evil@.good.com/cb?x=1",
                &long,
            ],
        );
    }

    #[test]
    fn a_misplaced_wildcard_in_a_row_matches_nothing() {
        for (registered, requested) in [
            ("https://*.com/", "https://evil.com/"),
            ("https://*/", "https://evil/"),
            ("*", "https://evil.com/"),
            ("https://good.com/*", "https://good.com/x"),
            ("https://good.com/*.x/y", "https://good.com/a.x/y"),
            ("https://good.com/?x=*.y", "https://good.com/?x=a.y"),
            ("https://good*.evil.com/", "https://goodx.evil.com/"),
            ("https://*.*.evil.com/", "https://a.*.evil.com/"),
            ("https://*.0.0.1/", "https://127.0.0.1/"),
            ("app://*.good.com/", "app://a.good.com/"),
        ] {
            all_refused(registered, &[requested, registered]);
        }
    }

    #[test]
    fn third_parties_in_strict_mode_have_no_wildcards() {
        let client = with(&["https://*.good.com/", "https://good.com/"]);
        let uri = "https://a.good.com/";
        let permissive = third_party(client.clone(), ThirdPartySecurityMode::Permissive);
        assert_eq!(resolve(&permissive, Some(uri)), Ok(uri));
        let strict = third_party(client, ThirdPartySecurityMode::Strict);
        assert_eq!(resolve(&strict, Some(uri)), Err(RedirectUriRefusal::NotRegistered));
        assert!(resolve(&strict, Some("https://good.com/")).is_ok());
    }

    #[test]
    fn usual_callbacks_can_be_registered() {
        for uri in [
            "https://app.example.com",
            "https://app.example.com/",
            "https://app.example.com:8443/callback?tenant=1&x=y%20z",
            "http://localhost:3000/callback",
            "http://127.0.0.1:9999/cb",
            "http://[::1]:9999/cb",
            "https://xn--bcher-kva.example/",
            "https://192.168.0.1/",
            "http://intranet/cb",
            "https://my_host.example.com/",
            "https://example.com/a/@b/c:d",
            "com.example.app:/oauth2redirect",
            "com.example.app:/oauth2redirect?x=1",
            "com.example.app://auth.example.com/ios/com.example.app/callback",
            "auth0://callback",
            "exp://127.0.0.1:19000",
            "urn:ietf:wg:oauth:2.0:oob",
        ] {
            assert_eq!(validate_callback(uri, false), Ok(()), "{uri}");
            assert_eq!(validate_callback(uri, true), Ok(()), "{uri}");
        }
    }

    #[test]
    fn ru_13_a_wildcard_is_the_first_label_and_only_where_it_is_allowed() {
        for uri in ["https://*.example.com/cb", "http://*.example.com:8080/", "https://*.a.example.com"] {
            assert_eq!(validate_callback(uri, true), Ok(()), "{uri}");
            assert_eq!(validate_callback(uri, false), Err(CallbackRefusal::WildcardNotAllowed), "{uri}");
        }
        for uri in [
            "https://*.com/",
            "https://*/",
            "https://*.",
            "https://*..com/",
            "https://*.example./",
            "https://a.*.example.com/",
            "https://a*.example.com/",
            "https://*a.example.com/",
            "https://**.example.com/",
            "https://*.*.example.com/",
            "https://example.com/*",
            "https://example.com/?x=*",
            "https://*.example.com/*",
            "https://example.com:*/",
            "https://*.example.com:*/",
            "https://*:80/",
            "app://*.example.com/",
            "app:*",
        ] {
            assert_eq!(validate_callback(uri, true), Err(CallbackRefusal::WildcardMisplaced), "{uri}");
        }
        assert_eq!(validate_callback("*", true), Err(CallbackRefusal::NotAbsolute));
        assert_eq!(validate_callback("https://*.0.0.1/", true), Err(CallbackRefusal::Host));
    }

    #[test]
    fn ru_16_dangerous_schemes_are_refused_in_any_case() {
        for scheme in DANGEROUS_SCHEMES {
            let mixed: String = scheme
                .char_indices()
                .map(|(at, c)| if at % 2 == 0 { c.to_ascii_uppercase() } else { c })
                .collect();
            for uri in [format!("{scheme}:x"), format!("{mixed}://x/"), format!("{mixed}:/x")] {
                assert_eq!(validate_callback(&uri, true), Err(CallbackRefusal::DangerousScheme), "{uri}");
                all_refused(&uri, &[&uri]);
            }
        }
        for uri in
            ["JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "about:blank"]
        {
            assert_eq!(validate_callback(uri, false), Err(CallbackRefusal::DangerousScheme), "{uri}");
        }
        for uri in
            ["java\tscript:x", " javascript:x", "java\u{0}script:x", "\u{1}javascript:x", "javascript\n:x"]
        {
            assert_eq!(validate_callback(uri, false), Err(CallbackRefusal::IllegalCharacter), "{uri:?}");
        }
    }

    #[test]
    fn ru_17_parameters_of_responses_are_refused_in_a_query() {
        for name in RESERVED_PARAMETERS {
            for uri in [
                format!("https://good.com/?{name}=x"),
                format!("https://good.com/?{name}"),
                format!("https://good.com/cb?x=1&{name}=y"),
                format!("https://good.com/cb?%{:02x}{}=y", name.as_bytes()[0], &name[1..]),
                format!("https://good.com/cb?{}=y", name.to_uppercase()),
                format!("app:/cb?{name}=y"),
            ] {
                assert_eq!(validate_callback(&uri, false), Err(CallbackRefusal::ReservedParameter), "{uri}");
                all_refused(&uri, &[&uri]);
            }
            assert_eq!(
                validate_callback(&format!("https://good.com/#{name}=x"), false),
                Err(CallbackRefusal::Fragment)
            );
            assert_eq!(
                validate_callback(&format!("https://good.com/{name}=x?my_{name}=x&y={name}"), false),
                Ok(())
            );
        }
    }

    #[test]
    fn what_is_wrong_with_a_callback_is_named() {
        use CallbackRefusal::{
            Fragment, Host, IllegalCharacter, NotAbsolute, TooLong, UserInformation, WildcardNotAllowed,
        };
        for (uri, refusal) in [
            ("", NotAbsolute),
            ("callback", NotAbsolute),
            ("/callback", NotAbsolute),
            ("//good.com/", NotAbsolute),
            ("good.com/cb", NotAbsolute),
            ("1a:/x", NotAbsolute),
            (":x", NotAbsolute),
            ("app:", NotAbsolute),
            ("app:?x", NotAbsolute),
            ("https://good.com/ x", IllegalCharacter),
            ("https://good.com/\u{7f}", IllegalCharacter),
            ("https://bücher.example/", IllegalCharacter),
            (r"https:\\good.com", IllegalCharacter),
            ("https://{organization_name}.good.com/", IllegalCharacter),
            ("https://good.com/<script>", IllegalCharacter),
            ("https://good.com/#", Fragment),
            ("app:/x#y", Fragment),
            ("https://a@good.com/", UserInformation),
            ("https://a:b@good.com/", UserInformation),
            ("app://a@good.com/", UserInformation),
            ("https:good.com", Host),
            ("https:/good.com", Host),
            ("https:///good.com", Host),
            ("https://", Host),
            ("https://:80/", Host),
            ("https://good.com:/", Host),
            ("https://good.com:0/", Host),
            ("https://good.com:080/", Host),
            ("https://good.com:65536/", Host),
            ("https://good.com:80:80/", Host),
            ("https://good%2ecom/", Host),
            ("https://127.1/", Host),
            ("https://2130706433/", Host),
            ("https://0x7f.0.0.1/", Host),
            ("https://[0:0:0:0:0:0:0:1]/", Host),
            ("https://[::1/", Host),
            ("https://::1]/", Host),
            ("https://[::1]x/", Host),
            ("https://good.com/*", WildcardNotAllowed),
        ] {
            assert_eq!(validate_callback(uri, false), Err(refusal), "{uri:?}");
            assert!(!refusal.to_string().is_empty());
        }
        let longest = format!("https://good.com/{}", "x".repeat(LONGEST - 17));
        assert_eq!(validate_callback(&longest, false), Ok(()));
        assert_eq!(validate_callback(&format!("{longest}x"), false), Err(TooLong));
    }

    #[test]
    fn a_web_origin_is_spelled_as_browsers_send_it() {
        for origin in
            ["https://app.example.com", "http://localhost:3000", "http://[::1]:1", "http://127.0.0.1:65535"]
        {
            assert_eq!(validate_web_origin(origin), Ok(()), "{origin}");
        }
        for text in [
            "",
            "null",
            "app.example.com",
            "https://app.example.com/",
            "https://app.example.com/x",
            "https://app.example.com?x",
            "https://app.example.com#x",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://app.example.com:443",
            "http://app.example.com:80",
            "https://a@app.example.com",
            "https://",
            "https://127.1",
            "https://127.0.0.1:65536",
            "https://[0:0:0:0:0:0:0:1]",
            "com.example.app://x",
            "ftp://app.example.com",
            "wss://app.example.com",
            "https://app!.example.com",
            "javascript:x",
            "https://app.example.com\n",
            "https://bücher.example",
        ] {
            assert_eq!(validate_web_origin(text), Err(CallbackRefusal::NotAnOrigin), "{text:?}");
        }
        assert_eq!(validate_web_origin("https://*.example.com"), Err(CallbackRefusal::WildcardNotAllowed));
        assert_eq!(validate_web_origin("*"), Err(CallbackRefusal::WildcardNotAllowed));
    }

    //= RFC 8252 §8.6
    #[test]
    fn private_schemes_and_this_machine_show_nothing_of_their_owner() {
        for uri in [
            "com.example.app:/cb",
            "app://example.com/cb",
            "http://localhost/",
            "https://localhost:3000/",
            "http://LOCALHOST./",
            "http://x.localhost/",
            "http://127.0.0.1/",
            "http://127.9.9.9:1/",
            "http://127.1/",
            "http://0.0.0.0/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "not a uri",
        ] {
            assert!(shows_nothing_of_its_owner(uri), "{uri}");
        }
        for uri in [
            "https://example.com/",
            "http://example.com/localhost",
            "https://localhost.example.com/",
            "https://notlocalhost/",
            "https://128.0.0.1/",
            "https://[2001:db8::1]/",
            "https://127.0.0.1.example.com/",
        ] {
            assert!(!shows_nothing_of_its_owner(uri), "{uri}");
        }
    }

    #[test]
    fn the_eras_rule_wants_no_callback_on_localhost_at_all() {
        let era = VerifiableCallbacks::Era;
        let remote = "https://good.com/";
        assert!(is_verifiable(era, &with(&[remote]), remote));
        assert!(
            is_verifiable(era, &with(&[remote, "http://127.0.0.1/cb"]), remote),
            "of the others localhost alone counts"
        );
        assert!(!is_verifiable(era, &with(&[remote, "http://localhost:3000/"]), remote));
        assert!(!is_verifiable(era, &with(&[remote, "http://LocalHost:3000/"]), remote));
        for uri in
            ["http://localhost/", "http://127.0.0.1:1/", "http://[::1]/", "com.example.app:/cb", "nonsense"]
        {
            assert!(!is_verifiable(era, &with(&[uri]), uri), "{uri}");
            assert!(is_verifiable(VerifiableCallbacks::Later, &with(&[uri]), uri), "{uri}");
        }
    }

    fn registered() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            GOOD,
            "http://127.0.0.1:9999/cb",
            "http://[::1]/cb?x=1",
            "http://localhost:3000/callback",
            "com.example.app:/cb",
        ])
    }

    proptest! {
        #[test]
        fn no_mutated_uri_is_resolved(
            uri in registered(), at in any::<prop::sample::Index>(), byte in 0_u8..=127, how in 0..3,
        ) {
            let mut bytes = uri.as_bytes().to_vec();
            match how {
                0 => bytes.insert(at.index(bytes.len() + 1), byte),
                1 => drop(bytes.remove(at.index(uri.len()))),
                _ => bytes[at.index(uri.len())] = byte,
            }
            let mutated = String::from_utf8(bytes).unwrap();
            prop_assume!(mutated != uri);
            prop_assert!(resolve(&with(&[uri]), Some(&mutated)).is_err(), "{:?}", mutated);
        }

        #[test]
        fn of_a_loopback_uri_only_the_port_varies(
            uri in registered(),
            scheme in "(http|https|com.example.app)://?",
            host in "(127\\.0\\.0\\.1|\\[::1\\]|localhost)(:[0-9]{0,5})?",
            behind in "(/cb|/callback|/)?(\\?x=1)?",
        ) {
            let requested = format!("{scheme}{host}{behind}");
            let without_port = |uri: &str| {
                let authority = uri.find("://").map_or(0, |at| at + 3);
                let host = uri[authority..].find(']').map_or(authority, |at| authority + at);
                match uri[host..].find(':') {
                    Some(at) if authority > 0 => {
                        let rest = uri[host + at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
                        format!("{}{rest}", &uri[..host + at])
                    }
                    _ => uri.to_owned(),
                }
            };
            if resolve(&native(&[uri]), Some(&requested)).is_ok() {
                prop_assert_eq!(without_port(uri), without_port(&requested));
            }
        }

        #[test]
        fn whatever_is_resolved_a_browser_goes_where_it_says(label in "[!-~]{1,8}", rest in "[!-~]{0,8}") {
            let uri = format!("https://{label}.good.com/{rest}");
            let client = with(&["https://*.good.com/", "https://*.good.com/x"]);
            if resolve(&client, Some(&uri)).is_ok() {
                let expected = format!("{label}.good.com");
                let parsed = Url::parse(&uri).unwrap();
                prop_assert_eq!(parsed.host_str(), Some(expected.as_str()));
            }
        }

        #[test]
        fn validation_never_panics(text in any::<String>(), ascii in "[ -~]{0,40}", allows: bool) {
            for text in [text, ascii] {
                let _ = validate_callback(&text, allows);
                let _ = validate_web_origin(&text);
                let _ = shows_nothing_of_its_owner(&text);
                let _ = resolve(&native(&[&text]), Some(&text));
            }
        }
    }
}
