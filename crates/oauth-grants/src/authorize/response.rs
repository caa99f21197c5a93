//! What is answered, and how it gets to the client (OAuth 2.0 Multiple Response Type Encoding Practices; RFC 9207).

use std::fmt::Write as _;

use url::Url;

/// What the client asked for: any combination of three, in any order of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseType {
    /// `code`
    pub code: bool,
    /// `token`: an access token.
    pub token: bool,
    /// `id_token`
    pub id_token: bool,
}

impl ResponseType {
    /// Every combination, as it is spelled in metadata.
    pub const NAMES: &'static [&'static str] = &[
        "code",
        "token",
        "id_token",
        "id_token token",
        "code id_token",
        "code token",
        "code id_token token",
    ];

    /// Reads the words; `None` for none, an unknown or a repeated one.
    pub fn parse(text: &str) -> Option<Self> {
        //= RFC 6749 §3.1.1
        // "where the order of values does not matter"
        let mut response_type = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let part = match word {
                "code" => &mut response_type.code,
                "token" => &mut response_type.token,
                "id_token" => &mut response_type.id_token,
                _ => return None,
            };
            if std::mem::replace(part, true) {
                return None;
            }
        }
        (response_type != Self::default()).then_some(response_type)
    }

    /// Whether a token goes through the browser.
    pub fn is_front_channel(self) -> bool {
        self.token || self.id_token
    }

    /// How the answer travels where the request does not say.
    pub fn default_mode(self) -> ResponseMode {
        if self.is_front_channel() { ResponseMode::Fragment } else { ResponseMode::Query }
    }
}

/// How an answer travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseMode {
    /// In the query of the redirect URI.
    Query,
    /// In its fragment.
    Fragment,
    /// As a form that the browser posts (OAuth 2.0 Form Post Response Mode).
    FormPost,
    /// As a message to the window that opened or frames ours (Auth0; draft-sakimura-oauth-wmrm).
    WebMessage,
}

impl ResponseMode {
    /// Each mode and its name.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Query, "query"),
        (Self::Fragment, "fragment"),
        (Self::FormPost, "form_post"),
        (Self::WebMessage, "web_message"),
    ];

    /// The mode of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(mode, _)| *mode)
    }
}

/// What is answered: names and values, in order.
pub type Fields = Vec<(&'static str, String)>;

/// Where and how a client is answered. Exists only for a client and a redirect URI that were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseTarget<'r> {
    pub(super) redirect_uri: &'r str,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<&'r str>,
    /// `iss` (RFC 9207), where the tenant says it.
    pub(super) issuer: Option<&'r str>,
    /// Errors are shown, not sent: nobody vouched for the client's redirect URIs.
    pub(super) shows_errors: bool,
}

/// An answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// To this address, by a redirect.
    Redirect(String),
    /// To this address, by a form that the browser posts.
    FormPost {
        /// The redirect URI.
        action: String,
        /// Its inputs.
        fields: Fields,
    },
    /// To a window of this origin, by a message.
    WebMessage {
        /// The only origin whose window may read it.
        target_origin: String,
        /// The message's members.
        fields: Fields,
    },
}

impl ResponseTarget<'_> {
    /// Adds `state` and `iss` and puts it where the request wants it.
    pub fn deliver(&self, mut fields: Fields) -> Delivery {
        //= RFC 6749 §4.1.2
        // "REQUIRED if the "state" parameter was present in the client authorization request. The exact value."
        fields.extend(self.state.map(|state| ("state", state.to_owned())));
        //= RFC 9207 §2
        fields.extend(self.issuer.map(|issuer| ("iss", issuer.to_owned())));
        match self.mode {
            ResponseMode::Query => {
                let separator = if self.redirect_uri.contains('?') { '&' } else { '?' };
                Delivery::Redirect(format!("{}{separator}{}", self.redirect_uri, encode(&fields)))
            }
            ResponseMode::Fragment => {
                Delivery::Redirect(format!("{}#{}", self.redirect_uri, encode(&fields)))
            }
            ResponseMode::FormPost => Delivery::FormPost { action: self.redirect_uri.to_owned(), fields },
            ResponseMode::WebMessage => {
                let target_origin = origin_of(self.redirect_uri).unwrap_or_default();
                Delivery::WebMessage { target_origin, fields }
            }
        }
    }
}

/// The origin of a redirect URI as browsers compare it; `None` where it has none, as with a custom scheme.
pub(super) fn origin_of(redirect_uri: &str) -> Option<String> {
    let origin = Url::parse(redirect_uri).ok()?.origin();
    origin.is_tuple().then(|| origin.ascii_serialization())
}

/// Form encoding with `%20` for a space: query parsers take it like `+`, and those that only undo percent signs do too.
fn encode(fields: &Fields) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                    text.push(char::from(byte))
                }
                // Writing to a string cannot fail.
                other => drop(write!(text, "%{other:02X}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(mode: ResponseMode) -> ResponseTarget<'static> {
        ResponseTarget {
            redirect_uri: "https://app.example/cb",
            mode,
            state: Some("a b&c=d#é\r\n\""),
            issuer: Some("https://first.example/"),
            shows_errors: false,
        }
    }

    #[test]
    fn az_06_the_order_of_the_words_does_not_matter() {
        for name in ResponseType::NAMES {
            let mut words: Vec<_> = name.split(' ').collect();
            let parsed = ResponseType::parse(name).unwrap();
            words.reverse();
            assert_eq!(ResponseType::parse(&words.join(" ")), Some(parsed));
        }
        for text in ["", " ", "foo", "code code", "code foo", "CODE", "none", "code,token"] {
            assert_eq!(ResponseType::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn az_16_a_state_cannot_leave_its_place_in_the_address() {
        let Delivery::Redirect(to) = target(ResponseMode::Query).deliver(vec![("code", "x".to_owned())])
        else {
            panic!("a query is a redirect")
        };
        assert_eq!(
            to,
            "https://app.example/cb?code=x&state=a%20b%26c%3Dd%23%C3%A9%0D%0A%22&iss=https%3A%2F%2Ffirst.example%2F"
        );
        let with_query =
            ResponseTarget { redirect_uri: "https://app.example/cb?a=1", ..target(ResponseMode::Query) };
        let Delivery::Redirect(to) = with_query.deliver(Vec::new()) else { panic!("a query is a redirect") };
        assert!(to.starts_with("https://app.example/cb?a=1&state="), "{to}");
    }

    #[test]
    fn a_message_goes_to_the_origin_of_the_redirect_uri_alone() {
        let Delivery::WebMessage { target_origin, fields } =
            target(ResponseMode::WebMessage).deliver(Vec::new())
        else {
            panic!("a message")
        };
        assert_eq!(target_origin, "https://app.example");
        assert_eq!(fields[0].1, "a b&c=d#é\r\n\"");
        assert_eq!(origin_of("http://127.0.0.1:9999/cb").as_deref(), Some("http://127.0.0.1:9999"));
        assert_eq!(origin_of("com.example.app:/cb"), None);
    }

    proptest! {
        #[test]
        fn az_15_a_state_comes_back_byte_for_byte(state in "\\PC{1,60}", mode in 0..2) {
            let mode = if mode == 0 { ResponseMode::Query } else { ResponseMode::Fragment };
            let target = ResponseTarget { state: Some(&state), issuer: None, ..target(mode) };
            let Delivery::Redirect(to) = target.deliver(vec![("code", "x".to_owned())]) else { panic!("a redirect") };
            let url = Url::parse(&to).unwrap();
            let carried = if mode == ResponseMode::Query { url.query() } else { url.fragment() }.unwrap();
            let pairs: Vec<_> = url::form_urlencoded::parse(carried.as_bytes()).collect();
            prop_assert_eq!(&pairs[1], &("state".into(), state.as_str().into()));
        }
    }
}
