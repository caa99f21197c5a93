//! `--seed FILE.yaml`: additions to the development tenant, in the format of Auth0's deploy CLI.

mod apply;

use std::path::Path;

use oauth_grants::{Moment, SecretDigestKey};
use records::{
    ApiScope, ApplicationType, ClientId, ConnectionName, Email, ErrorProfile, GrantType, Lifetime,
    RotationType, ScopeSet, ScopeToken, SigningAlgorithm, SubjectType, TenantSettings,
    ThirdPartySecurityMode, TokenDialect, TokenEndpointAuthMethod, UnixTime, Username,
};

pub use apply::apply;

use super::yaml::{Members, Node, load};
use crate::administration::client_grants::Granted;
use crate::administration::clients::{self, NewClient};
use crate::administration::connections;
use crate::administration::resource_servers::{self, NewResourceServer};
use crate::administration::users::{self, NewUser};

/// What a file describes.
#[derive(Debug, Default)]
pub struct Additions {
    tenant: TenantChanges,
    resource_servers: Vec<NewResourceServer>,
    clients: Vec<NewClient>,
    client_grants: Vec<NewClientGrant>,
    databases: Vec<NewDatabase>,
    users: Vec<NewPerson>,
}

#[derive(Debug, Default)]
struct TenantChanges {
    friendly_name: Option<String>,
    default_audience: Option<String>,
    error_profile: Option<ErrorProfile>,
    default_directory: Option<ConnectionName>,
    session_lifetime: Option<Lifetime>,
    idle_session_lifetime: Option<Lifetime>,
    use_scope_descriptions_for_consent: Option<bool>,
    skip_non_verifiable_callback_uri_confirmation_prompt: Option<bool>,
    allowed_logout_urls: Option<Vec<String>>,
}

#[derive(Debug)]
struct NewDatabase {
    line: usize,
    name: ConnectionName,
    /// A `client_id`, or the name of an application, each. `None`: every application.
    enabled_clients: Option<Vec<String>>,
}

#[derive(Debug)]
struct NewPerson {
    line: usize,
    /// `None`: the tenant's default directory.
    connection: Option<ConnectionName>,
    user: NewUser,
}

#[derive(Debug)]
struct NewClientGrant {
    line: usize,
    /// A `client_id`, or the name of an application.
    client: String,
    audience: String,
    subject_type: SubjectType,
    granted: Granted,
}

/// Sections of the format that later parts of this server will take.
const SECTIONS_BUILT_LATER: &[&str] =
    &["roles", "connections", "actions", "branding", "pages", "prompts", "organizations"];

/// Flags of a tenant that later parts of this server will take.
const FLAGS_BUILT_LATER: &[&str] = &[
    "disable_clickjack_protection_headers",
    "enable_apis_section",
    "enable_client_connections",
    "enable_dynamic_client_registration",
    "enable_pipeline2",
    "enable_sso",
    "revoke_refresh_token_grant",
    "universal_login",
];

/// Options of a database that later parts of this server will take.
const DATABASE_OPTIONS_BUILT_LATER: &[&str] = &[
    "customScripts",
    "disable_signup",
    "enabledDatabaseCustomization",
    "import_mode",
    "mfa",
    "password_complexity_options",
    "password_dictionary",
    "password_history",
    "password_no_personal_info",
    "requires_username",
    "validation",
];

/// Fields of an application that later parts of this server will take.
const CLIENT_FIELDS_BUILT_LATER: &[&str] = &[
    "allowed_origins",
    "client_metadata",
    "cross_origin_authentication",
    "oidc_conformant",
    "organization_usage",
    "sso_disabled",
];

/// Reads a file. The error names the file and every mistake with its line.
pub fn read(path: &Path) -> Result<Additions, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    parse(&text).map_err(|errors| format!("{}:\n  {}", path.display(), errors.join("\n  ")))
}

/// Reads a file's text; finds every mistake, not just the first.
pub fn parse(text: &str) -> Result<Additions, Vec<String>> {
    let Some(document) = load(text).map_err(|error| vec![error])? else { return Ok(Additions::default()) };
    let mut additions = Additions::default();
    let mut errors = Vec::new();
    let mut sections = Node::root(&document).members("the file").map_err(|error| vec![error])?;
    if let Some(node) = sections.member("tenant") {
        match tenant(node) {
            Ok(changes) => additions.tenant = changes,
            Err(found) => errors.extend(found),
        }
    }
    each(&mut sections, "resourceServers", &mut errors, &mut additions.resource_servers, resource_server);
    each(&mut sections, "clients", &mut errors, &mut additions.clients, client);
    each(&mut sections, "clientGrants", &mut errors, &mut additions.client_grants, client_grant);
    each(&mut sections, "databases", &mut errors, &mut additions.databases, database);
    each(&mut sections, "users", &mut errors, &mut additions.users, user);
    if let Err(found) = sections.finish(SECTIONS_BUILT_LATER) {
        errors.extend(found);
    }
    if errors.is_empty() { Ok(additions) } else { Err(errors) }
}

/// Reads every item of a section, collecting what is wrong with each.
fn each<'y, T>(
    sections: &mut Members<'y>,
    name: &str,
    errors: &mut Vec<String>,
    found: &mut Vec<T>,
    read: fn(Node<'y>) -> Result<T, Vec<String>>,
) {
    let Some(node) = sections.member(name) else { return };
    match node.items(name) {
        Ok(items) => {
            for item in items {
                match read(item) {
                    Ok(value) => found.push(value),
                    Err(mistakes) => errors.extend(mistakes),
                }
            }
        }
        Err(error) => errors.push(error),
    }
}

fn one(error: String) -> Vec<String> {
    vec![error]
}

fn at(line: usize, error: &dyn std::fmt::Display) -> Vec<String> {
    vec![format!("line {line}: {error}")]
}

/// A moment for things that are made to see whether they may be, and thrown away.
fn dry_run() -> Moment {
    Moment::new(UnixTime(0), [0; 32])
}

fn tenant(node: Node<'_>) -> Result<TenantChanges, Vec<String>> {
    let mut members = node.members("tenant").map_err(one)?;
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let default_directory = connection_name(node, members.text("default_directory").map_err(one)?)?;
    let mut use_scope_descriptions_for_consent = None;
    if let Some(flags) = members.member("flags") {
        let mut flags = flags.members("tenant: flags").map_err(one)?;
        use_scope_descriptions_for_consent =
            flags.boolean("use_scope_descriptions_for_consent").map_err(one)?;
        flags.finish(FLAGS_BUILT_LATER)?;
    }
    let changes = TenantChanges {
        default_directory,
        use_scope_descriptions_for_consent,
        session_lifetime: members.hours("session_lifetime").map_err(one)?.map(Lifetime),
        idle_session_lifetime: members.hours("idle_session_lifetime").map_err(one)?.map(Lifetime),
        skip_non_verifiable_callback_uri_confirmation_prompt: members
            .boolean("skip_non_verifiable_callback_uri_confirmation_prompt")
            .map_err(one)?,
        allowed_logout_urls: members.texts("allowed_logout_urls").map_err(one)?,
        friendly_name: owned(members.text("friendly_name").map_err(one)?),
        default_audience: owned(members.text("default_audience").map_err(one)?),
        error_profile: members
            .one_of(
                "oauth_error_status",
                &[("auth0", ErrorProfile::Auth0), ("rfc6749", ErrorProfile::Rfc6749)],
            )
            .map_err(one)?,
    };
    members.finish(&["support_email", "support_url", "picture_url", "enabled_locales", "sandbox_version"])?;
    Ok(changes)
}

fn connection_name(node: Node<'_>, text: Option<&str>) -> Result<Option<ConnectionName>, Vec<String>> {
    text.map(ConnectionName::parse).transpose().map_err(|invalid| at(node.line(), &invalid))
}

fn database(node: Node<'_>) -> Result<NewDatabase, Vec<String>> {
    let mut members = node.members("a database").map_err(one)?;
    let name = members.required("name").map_err(one)?;
    members.called(name);
    let name = ConnectionName::parse(name).map_err(|invalid| at(node.line(), &invalid))?;
    members.one_of("strategy", &[("auth0", ())]).map_err(one)?;
    let enabled_clients = members.texts("enabled_clients").map_err(one)?;
    if let Some(options) = members.member("options") {
        let mut options = options.members("a database: options").map_err(one)?;
        // What holds here anyway may stand in the file; anything else would be believed and not done.
        options.one_of("passwordPolicy", &[("good", ())]).map_err(one)?;
        if options.boolean("brute_force_protection").map_err(one)? == Some(false) {
            return Err(at(node.line(), &"brute_force_protection cannot be switched off"));
        }
        options.finish(DATABASE_OPTIONS_BUILT_LATER)?;
    }
    members.finish(&["is_domain_connection", "realms", "display_name", "metadata"])?;
    Ok(NewDatabase { line: node.line(), name, enabled_clients })
}

fn user(node: Node<'_>) -> Result<NewPerson, Vec<String>> {
    let mut members = node.members("a user").map_err(one)?;
    let text = members.required("email").map_err(one)?;
    members.called(text);
    let invalid = |invalid: records::Invalid| at(node.line(), &invalid);
    let email = Email::parse(text).map_err(invalid)?;
    let connection = connection_name(node, members.text("connection").map_err(one)?)?;
    // Replaced when it is known which connection is meant.
    let anywhere = ConnectionName::parse(connections::DEFAULT).map_err(invalid)?;
    let mut new = NewUser::with_email(connection.clone().unwrap_or(anywhere), email);
    let mut read = || -> Result<Option<String>, String> {
        let mut owned = |name: &str| Ok::<_, String>(members.text(name)?.map(str::to_owned));
        new.profile.name = owned("name")?;
        new.profile.given_name = owned("given_name")?;
        new.profile.family_name = owned("family_name")?;
        new.profile.nickname = owned("nickname")?;
        new.profile.picture = owned("picture")?;
        let username = owned("username")?;
        new.email_verified = members.boolean("email_verified")?.unwrap_or(false);
        new.password = members.secret("password")?;
        Ok(username)
    };
    let username = read().map_err(one)?;
    new.username = username.as_deref().map(Username::parse).transpose().map_err(invalid)?;
    members.finish(&["roles", "user_id", "user_metadata", "app_metadata", "blocked", "phone_number"])?;
    users::validate(new.clone(), &dry_run()).map_err(|refusal| at(node.line(), &refusal))?;
    Ok(NewPerson { line: node.line(), connection, user: new })
}

fn resource_server(node: Node<'_>) -> Result<NewResourceServer, Vec<String>> {
    let mut members = node.members("an API").map_err(one)?;
    let name = members.required("name").map_err(one)?;
    members.called(name);
    let identifier = members.required("identifier").map_err(one)?;
    let mut new = NewResourceServer::named(name, identifier);
    if let Some(node) = members.member("scopes") {
        for item in node.items("scopes").map_err(one)? {
            new.scopes.push(api_scope(item)?);
        }
    }
    let algorithms: Vec<_> = SigningAlgorithm::ALL.iter().map(|(value, name)| (*name, *value)).collect();
    let dialects: Vec<_> = TokenDialect::ALL.iter().map(|(value, name)| (*name, *value)).collect();
    let mut read = || -> Result<(), String> {
        new.signing_algorithm = members.one_of("signing_alg", &algorithms)?.unwrap_or(new.signing_algorithm);
        new.token_dialect = members.one_of("token_dialect", &dialects)?.unwrap_or(new.token_dialect);
        new.signing_secret = members.secret("signing_secret")?;
        new.token_lifetime = members.seconds("token_lifetime")?.map_or(new.token_lifetime, Lifetime);
        new.token_lifetime_for_web = members.seconds("token_lifetime_for_web")?.map(Lifetime);
        new.allow_offline_access = members.boolean("allow_offline_access")?.unwrap_or(false);
        new.skip_consent_for_verifiable_first_party_clients =
            members.boolean("skip_consent_for_verifiable_first_party_clients")?.unwrap_or(false);
        Ok(())
    };
    read().map_err(one)?;
    members.finish(&["enforce_policies", "token_encryption", "subject_type_authorization"])?;
    // Made once for its errors, so that they have a line and come before anything is written.
    resource_servers::validate(new.clone(), &dry_run()).map_err(|refusal| at(node.line(), &refusal))?;
    Ok(new)
}

fn api_scope(node: Node<'_>) -> Result<ApiScope, Vec<String>> {
    let mut members = node.members("a scope").map_err(one)?;
    let value = members.required("value").map_err(one)?;
    let scope = ApiScope {
        value: ScopeToken::parse(value).map_err(|invalid| at(node.line(), &invalid))?,
        description: members.text("description").map_err(one)?.unwrap_or_default().to_owned(),
        is_optional: members.boolean("is_optional").map_err(one)?.unwrap_or(false),
    };
    members.finish(&[])?;
    Ok(scope)
}

fn client(node: Node<'_>) -> Result<NewClient, Vec<String>> {
    const TYPES: &[(&str, ApplicationType)] = &[
        ("native", ApplicationType::Native),
        ("spa", ApplicationType::SinglePage),
        ("regular_web", ApplicationType::RegularWeb),
        ("non_interactive", ApplicationType::NonInteractive),
    ];
    const METHODS: &[(&str, TokenEndpointAuthMethod)] = &[
        ("none", TokenEndpointAuthMethod::None),
        ("client_secret_post", TokenEndpointAuthMethod::ClientSecretPost),
        ("client_secret_basic", TokenEndpointAuthMethod::ClientSecretBasic),
    ];
    const MODES: &[(&str, ThirdPartySecurityMode)] =
        &[("strict", ThirdPartySecurityMode::Strict), ("permissive", ThirdPartySecurityMode::Permissive)];
    let mut members = node.members("an application").map_err(one)?;
    let name = members.required("name").map_err(one)?;
    members.called(name);
    let application_type =
        members.one_of("app_type", TYPES).map_err(one)?.unwrap_or(ApplicationType::RegularWeb);
    let mut new = NewClient::of_type(application_type, name);
    let id = members.text("client_id").map_err(one)?.map(ClientId::parse).transpose();
    new.id = id.map_err(|invalid| at(node.line(), &invalid))?;
    let mut read = || -> Result<(), String> {
        new.secret = members.secret("client_secret")?;
        new.is_first_party = members.boolean("is_first_party")?.unwrap_or(true);
        new.token_endpoint_auth_method = members.one_of("token_endpoint_auth_method", METHODS)?;
        new.third_party_security_mode =
            members.one_of("third_party_security_mode", MODES)?.unwrap_or(new.third_party_security_mode);
        new.callbacks = members.texts("callbacks")?.unwrap_or_default();
        new.web_origins = members.texts("web_origins")?.unwrap_or_default();
        new.allowed_logout_urls = members.texts("allowed_logout_urls")?.unwrap_or_default();
        new.logo_uri = members.text("logo_uri")?.map(str::to_owned);
        new.skip_non_verifiable_callback_uri_confirmation_prompt =
            members.boolean("skip_non_verifiable_callback_uri_confirmation_prompt")?;
        Ok(())
    };
    read().map_err(one)?;
    if let Some(names) = members.texts("grant_types").map_err(one)? {
        let mut grant_types = Vec::new();
        for name in names {
            let known = GrantType::from_name(&name);
            grant_types.push(known.ok_or_else(|| at(node.line(), &format!("no such grant type: {name:?}")))?);
        }
        new.grant_types = Some(grant_types);
    }
    if let Some(node) = members.member("refresh_token") {
        refresh_token(node, &mut new)?;
    }
    if let Some(node) = members.member("oidc_logout") {
        let mut members = node.members("oidc_logout").map_err(one)?;
        if let Some(urls) = members.texts("backchannel_logout_urls").map_err(one)? {
            new.backchannel_logout_uri = match <[String; 1]>::try_from(urls) {
                Ok([url]) => Some(url),
                Err(urls) if urls.is_empty() => None,
                Err(_) => return Err(at(node.line(), &"backchannel_logout_urls takes one address")),
            };
        }
        members.finish(&["backchannel_logout_initiators", "backchannel_logout_session_metadata"])?;
    }
    if let Some(node) = members.member("jwt_configuration") {
        let algorithms = [("RS256", SigningAlgorithm::Rs256), ("HS256", SigningAlgorithm::Hs256)];
        let mut members = node.members("jwt_configuration").map_err(one)?;
        new.id_token_algorithm =
            members.one_of("alg", &algorithms).map_err(one)?.unwrap_or(new.id_token_algorithm);
        members.finish(&["lifetime_in_seconds", "secret_encoded", "scopes"])?;
    }
    members.finish(CLIENT_FIELDS_BUILT_LATER)?;
    // As the tenant is at first; where it became strict meanwhile, adding says so.
    clients::validate(new.clone(), &TenantSettings::default(), &SecretDigestKey::new(&[0; 32]), &dry_run())
        .map_err(|refusal| at(node.line(), &refusal))?;
    Ok(new)
}

fn refresh_token(node: Node<'_>, new: &mut NewClient) -> Result<(), Vec<String>> {
    let mut members = node.members("refresh_token").map_err(one)?;
    let types = [("rotating", RotationType::Rotating), ("non-rotating", RotationType::NonRotating)];
    if let Some(rotation) = members.one_of("rotation_type", &types).map_err(one)? {
        new.refresh_token_rotation = rotation;
    }
    new.refresh_token_leeway = Lifetime(members.seconds("leeway").map_err(one)?.unwrap_or(0));
    members.finish(&[
        "expiration_type",
        "token_lifetime",
        "infinite_token_lifetime",
        "idle_token_lifetime",
        "infinite_idle_token_lifetime",
    ])
}

fn client_grant(node: Node<'_>) -> Result<NewClientGrant, Vec<String>> {
    let mut members = node.members("a client grant").map_err(one)?;
    let line = node.line();
    let client = members.required("client_id").map_err(one)?.to_owned();
    let audience = members.required("audience").map_err(one)?.to_owned();
    let types = [("client", SubjectType::Client), ("user", SubjectType::User)];
    let subject_type = members.one_of("subject_type", &types).map_err(one)?.unwrap_or(SubjectType::Client);
    let everything = members.boolean("allow_all_scopes").map_err(one)?.unwrap_or(false);
    let scopes = members.texts("scope").map_err(one)?.unwrap_or_default();
    let mut set = Vec::new();
    for scope in &scopes {
        set.push(ScopeToken::parse(scope).map_err(|invalid| at(line, &invalid))?);
    }
    members.finish(&["organization_usage", "allow_any_organization"])?;
    let granted =
        if everything { Granted::Everything } else { Granted::Scopes(set.into_iter().collect::<ScopeSet>()) };
    Ok(NewClientGrant { line, client, audience, subject_type, granted })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
tenant:
  friendly_name: Example
  oauth_error_status: rfc6749
resourceServers:
  - name: Weather API
    identifier: https://weather.example/
    signing_alg: ES256
    token_dialect: rfc9068_profile
    token_lifetime: 60
    scopes:
      - value: read:weather
        description: Read the weather
clients:
  - name: Weather Robot
    client_id: weather-robot
    client_secret: weather-robot-secret-0123456789
    app_type: non_interactive
    grant_types: [client_credentials]
clientGrants:
  - client_id: Weather Robot
    audience: https://weather.example/
    scope: [read:weather]
"#;

    #[test]
    fn a_tenant_file_is_read() {
        let additions = parse(FILE).unwrap();
        assert_eq!(additions.tenant.error_profile, Some(ErrorProfile::Rfc6749));
        assert_eq!(additions.resource_servers[0].token_lifetime, Lifetime(60));
        assert_eq!(additions.resource_servers[0].signing_algorithm, SigningAlgorithm::Es256);
        assert_eq!(additions.clients[0].grant_types, Some(vec![GrantType::ClientCredentials]));
        assert_eq!(additions.client_grants[0].client, "Weather Robot");
        assert!(parse("").unwrap().clients.is_empty());
    }

    #[test]
    fn unknown_keys_are_reported_by_name_and_line_all_of_them() {
        let errors = parse("tenant:\n  freindly_name: x\nresourceServers:\n  - name: a\n    identifier: b\n    colour: red\nnonsense: 1\nroles: []\n").unwrap_err();
        let text = errors.join("\n");
        assert!(text.contains("line 2: tenant: `freindly_name` is not a known key"), "{text}");
        assert!(text.contains("line 6: an API \"a\": `colour` is not a known key"), "{text}");
        assert!(text.contains("line 7: the file: `nonsense` is not a known key"), "{text}");
        assert!(text.contains("line 8: the file: `roles` is not built yet"), "{text}");
    }

    #[test]
    fn wrong_kinds_of_value_are_reported_with_their_line() {
        for (file, expected) in [
            ("clients: 7", "line 1: clients must be a list"),
            ("clients:\n  - name: 7", "line 2: an application: `name` must be a text"),
            ("clients:\n  - client_id: x", "line 2: an application: `name` is missing"),
            ("clients:\n  - name: a\n    grant_types: [magic]", "no such grant type"),
            ("resourceServers:\n  - name: a\n    identifier: b\n    token_lifetime: -1", "line 4"),
            ("resourceServers:\n  - name: a\n    identifier: b\n    signing_alg: none", "use one of HS256"),
            ("- 1", "line 1: the file must be a mapping"),
            ("a: 1\na: 2", "line 2"),
            ("a: [", "line"),
            (
                "clients:\n  - name: a\n    client_secret: short",
                "line 2: a client secret must have at least 16",
            ),
            (
                "resourceServers:\n  - name: a\n    identifier: b\n    token_lifetime: 2592001",
                "line 2: the token lifetime",
            ),
            ("a: 1\n---\nb: 2", "more than one document"),
            ("users:\n  - email: nobody", "line 2: email must be"),
            ("users:\n  - email: a@b\n    password: weak", "line 2: The password must"),
            ("users:\n  - email: a@b\n    roles: []", "`roles` is not built yet"),
            ("databases:\n  - name: a b", "line 2: connection must be"),
            ("databases:\n  - name: a\n    strategy: ldap", "use one of auth0"),
            (
                "databases:\n  - name: a\n    options: {disable_signup: true}",
                "`disable_signup` is not built yet",
            ),
            (
                "databases:\n  - name: a\n    options: {brute_force_protection: false}",
                "cannot be switched off",
            ),
            ("tenant:\n  session_lifetime: 0.5", "a whole number of hours"),
            ("tenant:\n  flags: {enable_sso: true}", "`enable_sso` is not built yet"),
            ("clients:\n  - name: a\n    callbacks: ['javascript:1']", "line 2: the callback"),
            ("clients:\n  - name: a\n    jwt_configuration: {alg: none}", "use one of RS256, HS256"),
        ] {
            let errors = parse(file).unwrap_err().join("\n");
            assert!(errors.contains(expected), "{file:?}: {errors}");
        }
    }
}
