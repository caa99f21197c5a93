//! Logging out at an application's wish (OpenID Connect RP-Initiated Logout 1.0 §2, §3; Auth0's `/v2/logout`).
//!
//! A logout that nobody can have forged, or that ends nothing, is done at once; any other is asked about. The browser is
//! sent on only to an address that is registered, and only where it is certain with whom.

use std::fmt;

use policy::logout::{default_return, may_return_to};
use records::{Client, ClientId, Session, SessionId, TenantSettings, UserId};

use crate::params::decode;

/// The parameters that have a meaning at one of the two endpoints; others are ignored.
///
/// `ui_locales` and `logout_hint` are accepted and change nothing: pages are in English, and a browser has one session.
/// So is `federated`: there are no other servers' sessions to end.
const KNOWN: &[&str] = &[
    "client_id",
    "federated",
    "id_token_hint",
    "logout_hint",
    "post_logout_redirect_uri",
    "returnTo",
    "state",
    "ui_locales",
];

/// The most parameters one request may have, the unknown ones counted.
const MOST: usize = 64;

/// The parameters of a logout request. One without a value is absent.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LogoutParams {
    entries: Vec<(&'static str, String)>,
}

/// Why a logout request is refused: said on a page, never redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutError {
    /// Not percent-encoded UTF-8.
    Malformed,
    /// More than 64 parameters.
    TooManyParameters,
    /// A parameter appears more than once.
    Repeated(&'static str),
    /// No client has this id.
    UnknownClient,
    /// `client_id` names another client than the one that the hint was issued to.
    OtherClient,
    /// The address is not registered.
    ReturnNotAllowed,
}

impl LogoutError {
    /// What a log calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooManyParameters => "too_many_parameters",
            Self::Repeated(_) => "repeated_parameter",
            Self::UnknownClient => "unknown_client",
            Self::OtherClient => "client_mismatch",
            Self::ReturnNotAllowed => "logout_url_mismatch",
        }
    }

    /// The code that the page shows, the same in every profile.
    pub fn code(&self) -> &'static str {
        "invalid_request"
    }
}

impl fmt::Display for LogoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("The request is not well-formed percent-encoded UTF-8."),
            Self::TooManyParameters => f.write_str("The request has more than 64 parameters."),
            Self::Repeated(name) => write!(f, "Parameter {name} appears more than once."),
            Self::UnknownClient => f.write_str("Unknown client."),
            Self::OtherClient => f.write_str(
                "The id_token_hint was issued to another client than the one that client_id names.",
            ),
            Self::ReturnNotAllowed => f.write_str(
                "Logout URL mismatch. The address to return to is not in the list of allowed logout URLs.",
            ),
        }
    }
}

impl std::error::Error for LogoutError {}

impl LogoutParams {
    /// Reads a query, or a form body of the same shape.
    ///
    /// # Errors
    /// [`LogoutError`] where it cannot be read, or says something twice.
    pub fn parse(form: &[u8]) -> Result<Self, LogoutError> {
        let mut params = Self::default();
        let mut seen = Vec::new();
        let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        for (count, pair) in pairs.enumerate() {
            if count >= MOST {
                return Err(LogoutError::TooManyParameters);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let mut half = || decode(halves.next().unwrap_or_default()).ok_or(LogoutError::Malformed);
            let (name, value) = (half()?, half()?);
            let known = KNOWN.iter().find(|known| **known == name.expose());
            let Some(name) = known.copied() else { continue };
            if seen.contains(&name) {
                return Err(LogoutError::Repeated(name));
            }
            seen.push(name);
            if !value.expose().is_empty() {
                params.entries.push((name, value.expose().to_owned()));
            }
        }
        Ok(params)
    }

    /// The value of this parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.entries.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for LogoutParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|(name, _)| name)).finish()
    }
}

/// What the `id_token_hint` proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutHint {
    /// There is none.
    Absent,
    /// It is no ID token of ours, for whatever reason. It proves nothing.
    Refused,
    /// It is an ID token that we issued, however long ago.
    Of {
        /// `aud`
        client: ClientId,
        /// `sub`
        user: UserId,
        /// `sid`
        session: Option<SessionId>,
    },
}

impl LogoutHint {
    /// Whether it names this session, or, having no `sid`, the person whose session it is at an application that got
    /// something by it. A client that signs with its own secret can write a hint about whomever it likes, and only `sid`
    /// is nothing that it could guess.
    fn names(&self, session: &Session) -> bool {
        match self {
            Self::Absent | Self::Refused => false,
            Self::Of { user, session: sid, client } => {
                let is_this = match sid {
                    Some(sid) => *sid == session.id,
                    None => session.clients.contains(client),
                };
                *user == session.user && is_this
            }
        }
    }
}

/// What must be known to decide.
#[derive(Clone, Debug)]
pub struct Facts<'f> {
    /// The client that `client_id` names, or, where there is no `client_id`, the one that the hint was issued to.
    pub client: Option<&'f Client>,
    /// What the hint proves.
    pub hint: LogoutHint,
    /// The browser's session, if it has one that still holds.
    pub session: Option<&'f Session>,
    /// What the tenant's administrator chose.
    pub settings: &'f TenantSettings,
}

/// Where the browser goes after a logout. What it says was checked; when it is carried through a page it is checked
/// again, with [`ReturnTo::address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReturnTo {
    /// On whose list the address stands; `None`: on the tenant's.
    pub client: Option<ClientId>,
    /// The address.
    pub uri: String,
    /// `state`, which is handed back.
    pub state: Option<String>,
}

/// What to do with a logout request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutStep {
    /// End the session, if there is one; then go on, or say that it is done.
    End(Option<ReturnTo>),
    /// Ask the person first.
    Ask(Option<ReturnTo>),
    /// Change nothing, and say why.
    Refuse(LogoutError),
}

impl ReturnTo {
    /// The address with the `state`, if it may be returned to as things are now. `client` is the client that
    /// [`ReturnTo::client`] names, if it still exists.
    pub fn address(&self, client: Option<&Client>, settings: &TenantSettings) -> Option<String> {
        if client.map(|client| &client.id) != self.client.as_ref() {
            return None;
        }
        may_return_to(client, settings, &self.uri).then(|| match &self.state {
            //= OpenID Connect RP-Initiated Logout 1.0 §2
            // "If included in the logout request, the OP passes this value back to the RP using the state parameter."
            Some(state) => {
                let separator = if self.uri.contains('?') { '&' } else { '?' };
                let encoded: String = url::form_urlencoded::byte_serialize(state.as_bytes()).collect();
                format!("{}{separator}state={encoded}", self.uri)
            }
            None => self.uri.clone(),
        })
    }
}

/// What to do with a request to `/oidc/logout`.
pub fn decide(params: &LogoutParams, facts: &Facts<'_>) -> LogoutStep {
    //= OpenID Connect RP-Initiated Logout 1.0 §2
    // "When both client_id and id_token_hint are present, the OP MUST verify that the Client Identifier matches the one
    // used when issuing the ID Token."
    if params.text("client_id").is_some() {
        match (facts.client, &facts.hint) {
            (None, _) => return LogoutStep::Refuse(LogoutError::UnknownClient),
            (Some(named), LogoutHint::Of { client, .. }) if named.id != *client => {
                return LogoutStep::Refuse(LogoutError::OtherClient);
            }
            _ => {}
        }
    }
    let mut after = None;
    if let (Some(uri), Some(client)) = (params.text("post_logout_redirect_uri"), facts.client) {
        //= OpenID Connect RP-Initiated Logout 1.0 §3
        if !may_return_to(Some(client), facts.settings, uri) {
            return LogoutStep::Refuse(LogoutError::ReturnNotAllowed);
        }
        // A hint that was tampered with makes the whole request suspicious: it leads nowhere.
        if facts.hint != LogoutHint::Refused {
            let state = params.text("state").map(str::to_owned);
            after = Some(ReturnTo { client: Some(client.id.clone()), uri: uri.to_owned(), state });
        }
    }
    //= OpenID Connect RP-Initiated Logout 1.0 §2
    // "the OP MUST ask the End-User this question if an id_token_hint was not provided or if the supplied ID Token does
    // not belong to the current OP session"
    match facts.session {
        Some(session) if !facts.hint.names(session) => LogoutStep::Ask(after),
        // Nothing is left to be ended: nobody is harmed by not being asked.
        Some(_) | None => LogoutStep::End(after),
    }
}

/// Where a request to `/v2/logout` leads after the session was ended, which it is whatever this says.
///
/// # Errors
/// [`LogoutError`] where it leads nowhere, though it wants to.
pub fn return_of_auth0(
    params: &LogoutParams,
    client: Option<&Client>,
    settings: &TenantSettings,
) -> Result<Option<ReturnTo>, LogoutError> {
    if params.text("client_id").is_some() && client.is_none() {
        return Err(LogoutError::UnknownClient);
    }
    let id = client.map(|client| client.id.clone());
    let to = |uri: &str| ReturnTo { client: id.clone(), uri: uri.to_owned(), state: None };
    match params.text("returnTo") {
        Some(uri) if may_return_to(client, settings, uri) => Ok(Some(to(uri))),
        Some(_) => Err(LogoutError::ReturnNotAllowed),
        None => Ok(client.and_then(default_return).map(to)),
    }
}

#[cfg(test)]
mod tests;
