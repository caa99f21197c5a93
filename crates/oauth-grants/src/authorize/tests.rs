//! What the authorization endpoint decides, rule by rule, on a fake clock.

mod decisions;
mod requests;

use records::{
    AdministrativeConsent, ApiIdentifier, Audience, Client, ClientGrant, Connection, EnabledClients,
    GrantType, ResourceServer, ScopeSet, Session, SessionId, TenantSettings, ThirdPartySecurityMode,
    TokenEndpointAuthMethod, UnixTime, User, UserGrant, UserGrantId, Version, Versioned, Write,
};

use super::*;
use crate::fixtures::{NOW, api_scopes, moment, origin, resource_server, user};

pub(super) const CALLBACK: &str = "https://app.example/callback";
/// RFC 7636 Appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Everything that a decision reads, to be changed by a test.
struct Scene {
    client: Client,
    settings: TenantSettings,
    api: Option<ResourceServer>,
    client_grant: Option<ClientGrant>,
    connection: Option<Connection>,
    session: Option<Session>,
    user: User,
    home: Option<Connection>,
    granted: Option<&'static str>,
    left_out: &'static str,
    administrative: Option<AdministrativeConsent>,
    hint: Hint,
    flow: Option<Answers>,
}

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn session_id() -> SessionId {
    SessionId::parse("the-session").unwrap()
}

fn calendar() -> ResourceServer {
    ResourceServer {
        identifier: ApiIdentifier::parse("api.calendar").unwrap(),
        scopes: api_scopes("read write"),
        allow_offline_access: true,
        ..resource_server()
    }
}

impl Scene {
    /// The Calendar client and API; a person who logged in a minute ago and allowed nothing yet.
    fn new() -> Self {
        let client = Client {
            callbacks: vec![CALLBACK.to_owned()],
            web_origins: vec!["https://app.example".to_owned()],
            grant_types: vec![GrantType::AuthorizationCode, GrantType::Implicit, GrantType::RefreshToken],
            token_endpoint_auth_method: TokenEndpointAuthMethod::None,
            secrets: Vec::new(),
            ..crate::fixtures::client()
        };
        let settings = TenantSettings {
            default_directory: Some(user().connection),
            skip_non_verifiable_callback_uri_confirmation_prompt: true,
            ..TenantSettings::default()
        };
        let session = Session {
            id: session_id(),
            user: user().id,
            authenticated_at: UnixTime(NOW.0 - 60),
            methods: vec![records::AuthenticationMethod::Password],
            created_at: UnixTime(NOW.0 - 60),
            expires_at: UnixTime(NOW.0 + 100_000),
            idle_expires_at: UnixTime(NOW.0 + 100_000),
            clients: vec![client.id.clone()],
        };
        let connection = Connection {
            name: user().connection,
            enabled_clients: EnabledClients::All,
            created_at: UnixTime(0),
        };
        Self {
            client,
            settings,
            api: Some(calendar()),
            client_grant: None,
            connection: Some(connection.clone()),
            session: Some(session),
            user: user(),
            home: Some(connection),
            granted: None,
            left_out: "",
            administrative: None,
            hint: Hint::Absent,
            flow: None,
        }
    }

    fn third_party(mut self, mode: ThirdPartySecurityMode) -> Self {
        self.client.is_first_party = false;
        self.client.third_party_security_mode = mode;
        self
    }

    fn grant(&self) -> Option<Versioned<UserGrant>> {
        let audience = self.api.as_ref().map_or(Audience::UserInfo, |api| Audience::Api(api.id.clone()));
        let record = UserGrant {
            id: UserGrantId::parse("g").unwrap(),
            user: self.user.id.clone(),
            client: self.client.id.clone(),
            audience,
            scopes: scopes(self.granted?),
            left_out: scopes(self.left_out),
            created_at: UnixTime(1),
            updated_at: UnixTime(1),
        };
        Some(Versioned { record, version: Version(3) })
    }

    /// Decides a query and shows what happened in a few words, and what is written.
    fn decide(&self, query: &str) -> (String, Vec<Write>) {
        let params = AuthorizeParams::parse(query.as_bytes()).unwrap();
        let origin = origin();
        let request = match validate(&params, Some(&self.client), &self.settings, &origin) {
            Ok(request) => request,
            Err(Rejected::Page(error)) => return (format!("page {}", error.name()), Vec::new()),
            Err(Rejected::Redirect(_, error)) => return (format!("redirect {}", error.name()), Vec::new()),
        };
        let flow = self.flow.clone().map(|answers| Flow {
            answers,
            ..Flow::begin(params.clone(), "browser".to_owned(), &moment()).unwrap()
        });
        let session = self.session.clone().map(|record| Versioned { record, version: Version(1) });
        let user = Versioned { record: self.user.clone(), version: Version(2) };
        let grant = self.grant();
        let facts = Facts {
            settings: &self.settings,
            origin: &origin,
            api: self.api.as_ref().filter(|api| request.api(&origin).as_ref() == Some(&api.identifier)),
            client_grant: self.client_grant.as_ref(),
            connection: self.connection.as_ref(),
            session: session.as_ref(),
            user: Some(&user),
            home: self.home.as_ref(),
            grant: grant.as_ref(),
            administrative: self.administrative.as_ref(),
            hint: &self.hint,
            flow: flow.as_ref(),
        };
        let decision = decide(&request, facts, &moment());
        let step = match decision.step {
            Step::Login(_) => "login".to_owned(),
            Step::Consent(asked) => format!("consent {} new {}", asked.scopes, asked.missing),
            Step::ConfirmCallback => "confirm".to_owned(),
            Step::Refuse(error) => format!("refuse {}", error.name()),
            Step::Respond(issue) => {
                let mut words = vec!["respond".to_owned()];
                words.extend(issue.code.as_ref().map(|_| "code".to_owned()));
                words.extend(issue.access_token.as_ref().map(|token| format!("token({})", token.scope())));
                words.extend(issue.id_token(Some("at")).map(|_| "id_token".to_owned()));
                words.join(" ")
            }
        };
        (step, decision.writes)
    }

    fn step(&self, query: &str) -> String {
        self.decide(query).0
    }

    /// Appends to the page's own request.
    fn calendar(&self, more: &str) -> String {
        self.step(&format!("{TOKEN}{more}"))
    }
}

/// The page's request: an access token for the Calendar API.
const TOKEN: &str = "client_id=geocoding-worker&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback&audience=api.calendar\
    &scope=read%20write&response_type=token&nonce=n&state=s";

/// The same by a code.
fn code_query(more: &str) -> String {
    format!(
        "{}&code_challenge={CHALLENGE}&code_challenge_method=S256{more}",
        TOKEN.replace("response_type=token", "response_type=code")
    )
}
