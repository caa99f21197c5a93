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

/// The redirect URI that a request means: the one it names where that is registered, else the only registered one.
///
/// Compared byte for byte, with two exceptions: an installed application's `http://127.0.0.1` and `http://[::1]` may
/// have any port (`localhost` may not: it is a name, which may be somebody else's), and `https://*.example.com/…`
/// stands for exactly one label of the host, unless the client is a third party's in strict mode. What could not be
/// registered ([`validate_callback`]) is never resolved to, whatever an imported row holds.
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

fn has_one_label_for_the_wildcard(registered: &str, requested: &str) -> bool {
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

/// Schemes that run scripts, read files, show content of the sender's choice or start programs, in lower case. No list
/// of this kind is complete; what it leaves over is private-use schemes, which open the application that claimed them.
const DANGEROUS_SCHEMES: &[&str] = &[
    "about",
    "blob",
    "chrome",
    "chrome-extension",
    "content",
    "data",
    "feed",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "itms-services",
    "jar",
    "javascript",
    "livescript",
    "mailto",
    "mhtml",
    "mk",
    "mocha",
    "moz-extension",
    "ms-its",
    "ms-msdt",
    "ms-settings",
    "res",
    "resource",
    "safari-extension",
    "search-ms",
    "shell",
    "sms",
    "tel",
    "vbs",
    "vbscript",
    "view-source",
    "vnd.ms.radio",
    "wais",
    "ws",
    "wss",
    "wyciwyg",
];

/// What authorization responses carry (RFC 6749 §4.1.2, §4.2.2; RFC 9207 §2; OpenID Connect; JARM).
const RESERVED_PARAMETERS: &[&str] = &[
    "access_token",
    "code",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "id_token",
    "iss",
    "refresh_token",
    "response",
    "scope",
    "session_state",
    "state",
    "token_type",
];

/// Whether a redirect URI may be registered.
///
/// `http` and `https` with a host, or the application's own scheme (RFC 8252 §7.1). A scheme without a period is
/// accepted, as Auth0 does, though RFC 8252 §8.4 would rather not. `allows_wildcard`: `*` may be the whole first label of
/// the host; how many labels of the rest are everybody's (`co.uk`) is not known here.
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

/// Whether a web origin may be registered: `scheme://host` or `scheme://host:port`, spelled as browsers send it.
///
/// # Errors
/// [`CallbackRefusal::NotAnOrigin`] or [`CallbackRefusal::WildcardNotAllowed`].
pub fn validate_web_origin(text: &str) -> Result<(), CallbackRefusal> {
    if text.contains('*') {
        return Err(CallbackRefusal::WildcardNotAllowed);
    }
    let origin = Origin::parse(text).map_err(|_| CallbackRefusal::NotAnOrigin)?;
    let as_sent = origin.issuer().strip_suffix('/').filter(|as_sent| *as_sent == text);
    let parsed = Url::parse(text).map_err(|_| CallbackRefusal::NotAnOrigin)?;
    if as_sent.is_none() || parsed.origin().ascii_serialization() != text {
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
/// [`VerifiableCallbacks::Era`]: neither is it on this machine or a private-use scheme, nor is any registered callback
/// on `localhost`. [`VerifiableCallbacks::Later`]: the API's setting alone decides, hence always.
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

/// Whether a redirect URI says nothing of whose it is: a private-use scheme, which any application on the machine may
/// claim, or the machine itself, where any application may listen (RFC 8252 §8.6).
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
