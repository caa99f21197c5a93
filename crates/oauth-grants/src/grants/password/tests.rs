//! Names and passwords, rule by rule (RFC 6749 §4.3; Auth0; threat model LC, TK).

use records::{
    AttemptsId, ClientGrantId, ClientId, EnabledClients, SubjectType, UnixTime, UserPolicy, Version,
};
use serde_json::{Value, json};

use super::*;
use crate::client_auth::authenticate;
use crate::fixtures::{
    AUDIENCE, CLIENT, NOW, SECRET, client, digest_key, moment, origin, public_client, resource_server, user,
};
use crate::issue::UserToken;
use crate::{Presented, TokenResponse};

const CONNECTION: &str = "Username-Password-Authentication";

fn versioned<T>(record: T) -> Versioned<T> {
    Versioned { record, version: Version(7) }
}

fn scope(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

/// Everything a decision depends on, good unless a test says otherwise.
#[derive(Clone)]
struct Case {
    form: String,
    client: Client,
    connection: Option<Connection>,
    api: Option<ResourceServer>,
    client_grant: Option<ClientGrant>,
    user: Option<Versioned<User>>,
    password_matches: bool,
    account_attempts: Option<Versioned<LoginAttempts>>,
    address_attempts: Option<Versioned<LoginAttempts>>,
    settings: TenantSettings,
}

impl Case {
    fn asking(more: &str) -> Self {
        Self {
            form: format!("grant_type=password&username=ada%40example.com&password=Correct-Horse-9{more}"),
            client: Client { grant_types: vec![GrantType::Password, GrantType::PasswordRealm], ..client() },
            connection: Some(Connection {
                name: ConnectionName::parse(CONNECTION).unwrap(),
                enabled_clients: EnabledClients::All,
                created_at: NOW,
            }),
            api: Some(resource_server()),
            client_grant: None,
            user: Some(versioned(user())),
            password_matches: true,
            account_attempts: None,
            address_attempts: None,
            settings: TenantSettings {
                default_directory: Some(ConnectionName::parse(CONNECTION).unwrap()),
                ..TenantSettings::default()
            },
        }
    }

    fn good() -> Self {
        Self::asking(&format!("&audience={AUDIENCE}"))
    }

    fn run<R>(&self, read: impl FnOnce(Result<Decision<Tokens<'_>>, TokenError>) -> R) -> R {
        let params = Params::from_form(self.form.as_bytes()).unwrap();
        let request = match TokenRequest::parse(&params) {
            Ok(TokenRequest::Password(request)) => request,
            Ok(_) => panic!("another grant"),
            Err(error) => return read(Err(error)),
        };
        let credentials = match self.client.is_public() {
            true => format!("client_id={CLIENT}"),
            false => format!("client_id={CLIENT}&client_secret={SECRET}"),
        };
        let presented = Presented::parse([], &Params::from_form(credentials.as_bytes()).unwrap()).unwrap();
        let origin = origin();
        let facts = CheckFacts {
            client: authenticate(&presented, Some(&self.client), &digest_key(), NOW).unwrap(),
            connection: self.connection.as_ref(),
            api: self.api.as_ref(),
            client_grant: self.client_grant.as_ref(),
            settings: &self.settings,
            origin: &origin,
        };
        let keys = crate::fixtures::refresh_keys();
        read(check(&request, facts).map(|checked| {
            assert_eq!(checked.connection().as_str(), CONNECTION);
            let attempt = Attempt {
                user: self.user.as_ref(),
                password_matches: self.password_matches,
                account_attempts: self.account_attempts.as_ref(),
                address_attempts: self.address_attempts.as_ref(),
                new_family: NewFamily { keys: &keys, oldest: None },
            };
            decide(checked, attempt, &moment())
        }))
    }

    /// The refusal, and whether the password had to be verified for it.
    fn refusal(&self) -> (TokenError, bool) {
        self.run(|result| match result {
            Err(error) => (error, false),
            Ok(decision) => {
                assert_eq!(decision.writes, [], "the attempt was counted before");
                match decision.outcome {
                    Outcome::Refused(error) => (error, true),
                    Outcome::Granted(tokens) => panic!("granted: {tokens:?}"),
                }
            }
        })
    }

    /// Refused without the password having been looked at.
    fn refused_cheaply(&self) -> TokenError {
        let (error, verified) = self.refusal();
        assert!(!verified, "{error:?}");
        error
    }

    fn granted(&self) -> Granted {
        self.run(|result| {
            let decision = result.unwrap_or_else(|error| panic!("refused: {error:?}"));
            let Outcome::Granted(tokens) = decision.outcome else {
                panic!("refused: {:?}", decision.outcome)
            };
            Granted {
                access_token: match &tokens.access_token {
                    UserToken::Api(token) => serde_json::to_value(token).unwrap(),
                    UserToken::UserInfo(_) => Value::Null,
                },
                id_token: tokens.id_token.as_ref().map(|token| serde_json::to_value(token).unwrap()),
                scope: tokens.access_token.scope().to_string(),
                response: TokenResponse::of_tokens(&tokens, "AT".to_owned(), None).to_json(),
                writes: decision.writes,
            }
        })
    }
}

#[derive(Debug)]
struct Granted {
    access_token: Value,
    id_token: Option<Value>,
    scope: String,
    response: String,
    writes: Vec<Write>,
}

#[test]
fn the_right_password_gives_the_persons_tokens() {
    let granted = Case::good().granted();
    let access = &granted.access_token;
    assert_eq!(access["sub"], "auth0|0123456789abcdef01234567");
    assert_eq!(access["gty"], "password");
    assert_eq!(access["azp"], CLIENT);
    assert_eq!(access["aud"], json!([AUDIENCE, "https://localhost:8443/userinfo"]));
    let id = granted.id_token.unwrap();
    assert_eq!(id["email"], "ada@example.com");
    assert_eq!(id["amr"], json!(["pwd"]));
    assert_eq!(id.get("sid"), None, "there is no browser");
    assert_eq!(id.get("nonce"), None);
    assert_eq!(granted.writes, [Write::RelyOnUser(versioned(user().id))]);
}

/// Whoever names no scope of the API gets all of them, whoever names nothing but `openid` the whole profile (Auth0).
#[test]
fn scopes_are_those_that_were_asked_for_or_all() {
    for (asked, granted) in [
        ("", "address email geocode openid phone profile reverse"),
        ("openid", "address email geocode openid phone profile reverse"),
        ("geocode", "geocode"),
        ("openid geocode", "geocode openid"),
        ("openid email", "email geocode openid reverse"),
        ("openid email unknown", "email openid"),
        ("openid geocode offline_access", "geocode offline_access openid"),
    ] {
        let mut case = Case::asking(&format!("&audience={AUDIENCE}&scope={}", asked.replace(' ', "+")));
        case.api.as_mut().unwrap().allow_offline_access = true;
        case.client.grant_types.push(GrantType::RefreshToken);
        assert_eq!(case.granted().scope, granted, "{asked:?}");
        case.settings.always_return_scope = false;
        assert_eq!(
            case.granted().response.contains("\"scope\""),
            !["geocode", "openid geocode", "openid geocode offline_access"].contains(&asked)
        );
    }
}

#[test]
fn without_an_audience_or_with_the_userinfo_endpoints_the_token_is_for_userinfo() {
    for more in [
        "",
        "&audience=https%3A%2F%2Flocalhost%3A8443%2Fuserinfo",
        "&resource=https://localhost:8443/userinfo",
    ] {
        let granted = Case::asking(more).granted();
        assert_eq!(granted.access_token, Value::Null, "{more}");
        assert_eq!(granted.scope, "address email openid phone profile");
    }
    let elsewhere = Case::asking("&audience=http://localhost:8080/userinfo");
    assert!(matches!(elsewhere.refused_cheaply(), TokenError::UnknownApi(_)));
    let mut by_default = Case::asking("");
    by_default.settings.default_audience = Some(AUDIENCE.to_owned());
    assert_eq!(by_default.granted().access_token["aud"][0], AUDIENCE);
}

#[test]
fn lc_09_an_unknown_person_and_a_wrong_password_are_refused_alike() {
    let wrong = Case { password_matches: false, ..Case::good() };
    let unknown = Case { user: None, ..Case::good() };
    let unknown_and_wrong = Case { user: None, password_matches: false, ..Case::good() };
    for case in [wrong, unknown, unknown_and_wrong] {
        assert_eq!(case.refusal(), (TokenError::WrongPassword, true));
    }
}

#[test]
fn only_the_person_who_was_named_is_logged_in() {
    let mut other_name = Case::good();
    other_name.form = other_name.form.replace("ada%40", "eve%40");
    assert_eq!(other_name.refusal(), (TokenError::WrongPassword, true));
    let mut other_connection = Case::good();
    other_connection.user.as_mut().unwrap().record.connection = ConnectionName::parse("another").unwrap();
    assert_eq!(other_connection.refusal(), (TokenError::WrongPassword, true));
    let mut without_password = Case::good();
    without_password.user.as_mut().unwrap().record.password_hash = None;
    assert_eq!(without_password.refusal(), (TokenError::WrongPassword, true));
    let mut nobodys_name = Case::good();
    nobodys_name.form = nobodys_name.form.replace("ada%40example.com", &"x".repeat(300));
    assert_eq!(nobodys_name.refusal(), (TokenError::WrongPassword, true));
    for name in ["ADA%40Example.COM", "+ada%40example.com+", "ada", "Ada"] {
        let mut case = Case::good();
        case.form = case.form.replace("ada%40example.com", name);
        case.granted();
    }
}

#[test]
fn a_blocked_person_learns_it_only_with_the_right_password() {
    let mut case = Case::good();
    case.user.as_mut().unwrap().record.is_blocked = true;
    assert_eq!(case.refusal(), (TokenError::UserBlocked, true));
    case.password_matches = false;
    assert_eq!(case.refusal(), (TokenError::WrongPassword, true));
}

#[test]
fn lc_10_a_success_forgets_the_accounts_failures_and_gives_the_address_one_attempt_back() {
    let attempts = |id: &str, failures| {
        versioned(LoginAttempts {
            id: AttemptsId::parse(id).unwrap(),
            failures,
            last_at: NOW,
            forgotten_at: UnixTime(NOW.0 + 3600),
        })
    };
    let (account, address) = (attempts("account", 4), attempts("address", 9));
    let case = Case {
        account_attempts: Some(account.clone()),
        address_attempts: Some(address.clone()),
        ..Case::good()
    };
    let given_back = LoginAttempts { failures: 8, ..address.record.clone() };
    assert_eq!(
        case.granted().writes,
        [
            Write::RelyOnUser(versioned(user().id)),
            Write::ClearAttempts(account),
            Write::ReserveAttempt(Some(address), given_back),
        ]
    );
    // Nothing is given back for a wrong password: `refusal` shows that nothing is written.
    assert_eq!(Case { password_matches: false, ..case }.refusal(), (TokenError::WrongPassword, true));
}

#[test]
fn tk_07_the_grant_is_for_first_party_clients_that_list_it() {
    for (form, name) in [
        ("grant_type=password", "password"),
        (
            "grant_type=http://auth0.com/oauth/grant-type/password-realm&realm=Username-Password-Authentication",
            "http://auth0.com/oauth/grant-type/password-realm",
        ),
    ] {
        let mut case = Case::good();
        case.form = case.form.replace("grant_type=password", form);
        case.granted();
        case.client.is_first_party = false;
        assert_eq!(case.refused_cheaply(), TokenError::ClientIsThirdParty(name));
        case.client.is_first_party = true;
        for (grant_type, listed) in GrantType::ALL.iter().filter(|(_, listed)| *listed != name) {
            case.client.grant_types = vec![*grant_type];
            assert_eq!(case.refused_cheaply(), TokenError::GrantTypeNotAllowed(name), "{listed}");
        }
    }
    let grant_types = Case::good().client.grant_types;
    let public = Case { client: Client { grant_types, ..public_client() }, ..Case::good() };
    public.granted();
}

#[test]
fn the_realm_or_the_default_directory_names_the_connection() {
    let realm = |realm: &str| {
        let mut case = Case::good();
        let grant = format!("grant_type=http://auth0.com/oauth/grant-type/password-realm&realm={realm}");
        case.form = case.form.replace("grant_type=password", &grant);
        case.settings.default_directory = None;
        case
    };
    realm(CONNECTION).granted();
    for unknown in ["another", "a%20b", "username-password-authentication", &"x".repeat(200)] {
        assert_eq!(realm(unknown).refused_cheaply(), TokenError::UnknownConnection, "{unknown}");
    }
    assert_eq!(realm("").refused_cheaply(), TokenError::MissingParameter("realm"));
    let gone = Case { connection: None, ..Case::good() };
    assert_eq!(gone.refused_cheaply(), TokenError::UnknownConnection);
    let mut without = Case::good();
    without.settings.default_directory = None;
    assert_eq!(without.refused_cheaply(), TokenError::NoDefaultDirectory);
    // The standard's grant knows no realm.
    let mut case = Case::asking("&realm=another");
    case.granted();
    case.settings.default_directory = None;
    assert_eq!(case.refused_cheaply(), TokenError::NoDefaultDirectory);
}

#[test]
fn a_connection_is_open_to_its_clients_alone() {
    let mut case = Case::good();
    let someone = ClientId::parse("someone-else").unwrap();
    case.connection.as_mut().unwrap().enabled_clients = EnabledClients::Only(vec![someone.clone()]);
    assert_eq!(case.refused_cheaply(), TokenError::ConnectionNotEnabled);
    let both = EnabledClients::Only(vec![someone, case.client.id.clone()]);
    case.connection.as_mut().unwrap().enabled_clients = both;
    case.granted();
}

#[test]
fn the_apis_owner_decides_about_people() {
    let mut case = Case::good();
    case.api.as_mut().unwrap().user_policy = UserPolicy::DenyAll;
    assert_eq!(case.refused_cheaply(), TokenError::ApiRefusesPeople(Echo::of(AUDIENCE)));
    case.api.as_mut().unwrap().user_policy = UserPolicy::RequireClientGrant;
    assert_eq!(case.refused_cheaply(), TokenError::NoClientGrant(Echo::of(AUDIENCE)));
    case.client_grant = Some(ClientGrant {
        id: ClientGrantId::parse("cgr_0123456789abcdef").unwrap(),
        client: case.client.id.clone(),
        resource_server: resource_server().id,
        scopes: scope("reverse"),
        allow_all_scopes: false,
        subject_type: SubjectType::User,
        created_at: NOW,
    });
    assert_eq!(case.granted().scope, "address email openid phone profile reverse");
    case.api = None;
    assert_eq!(case.refused_cheaply(), TokenError::UnknownApi(Echo::of(AUDIENCE)));
}

#[test]
fn malformed_requests_are_refused_by_name() {
    for (form, expected) in [
        ("grant_type=password", TokenError::MissingParameter("username")),
        ("grant_type=password&username=a", TokenError::MissingParameter("password")),
        ("grant_type=password&username=a&password=", TokenError::MissingParameter("password")),
        ("grant_type=password&username=a&password=b&scope=%22", TokenError::MalformedScope),
        (
            "grant_type=password&username=a&password=b&organization=x",
            TokenError::ParameterNotBuilt("organization"),
        ),
        (
            "grant_type=password&username=a&password=b&audience=a&resource=urn:b",
            TokenError::AudienceAndResourceDiffer,
        ),
        ("grant_type=password&username=a&password=b&resource=b", TokenError::MalformedResource),
    ] {
        let case = Case { form: form.to_owned(), ..Case::good() };
        assert_eq!(case.refused_cheaply(), expected, "{form}");
    }
}

#[test]
fn what_is_to_be_loaded_follows_from_the_request() {
    let with = |form: &str, default_audience: Option<&str>| {
        let form = format!("grant_type=password&username=a&password=b{form}");
        let params = Params::from_form(form.as_bytes()).unwrap();
        let TokenRequest::Password(request) = TokenRequest::parse(&params).unwrap() else { panic!() };
        let default_audience = default_audience.map(str::to_owned);
        let settings = TenantSettings { default_audience, ..TenantSettings::default() };
        resource_server(&request, &settings, &origin())
    };
    let fixed = |text| ApiIdentifier::parse(text).ok();
    use super::resource_server;
    assert_eq!(with("&audience=urn:a", None), fixed("urn:a"));
    assert_eq!(with("&resource=urn:a", Some("urn:d")), fixed("urn:a"));
    assert_eq!(with("", Some("urn:d")), fixed("urn:d"));
    assert_eq!(with("&audience=https://localhost:8443/api/v2/", None), Some(ApiIdentifier::Management));
    for nothing in
        ["", "&audience=https://localhost:8443/userinfo", "&audience=a&resource=urn:b", "&audience=a%0Ab"]
    {
        assert_eq!(with(nothing, None), None, "{nothing}");
    }
}

#[test]
fn a_request_prints_neither_name_nor_password() {
    let params = Params::from_form(b"grant_type=password&username=ada&password=hush").unwrap();
    let text = format!("{:?}", TokenRequest::parse(&params));
    assert!(!text.contains("hush") && !text.contains("ada"), "{text}");
}
