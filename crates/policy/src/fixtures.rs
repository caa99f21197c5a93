//! Records for this crate's tests.

use records::{
    ApiIdentifier, ApiScope, ApplicationType, Client, ClientGrant, ClientGrantId, ClientId, ClientPolicy,
    ConnectionName, GrantType, Lifetime, Profile, ResourceServer, ResourceServerId, RotationType, ScopeSet,
    Session, SessionId, SigningAlgorithm, SubjectType, ThirdPartySecurityMode, TokenDialect,
    TokenEndpointAuthMethod, UnixTime, User, UserId, UserPolicy,
};

pub(crate) fn client() -> Client {
    Client {
        id: ClientId::parse("geocoding-worker").unwrap(),
        name: "Geocoding Worker".into(),
        application_type: ApplicationType::NonInteractive,
        is_first_party: true,
        third_party_security_mode: ThirdPartySecurityMode::Strict,
        grant_types: vec![GrantType::ClientCredentials],
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretPost,
        secrets: vec![],
        callbacks: vec![],
        web_origins: vec![],
        allowed_logout_urls: vec![],
        backchannel_logout_uri: None,
        refresh_token_rotation: RotationType::Rotating,
        refresh_token_leeway: Lifetime(0),
        refresh_token_lifetime: None,
        refresh_token_idle_lifetime: None,
        id_token_algorithm: SigningAlgorithm::Rs256,
        id_token_lifetime: Lifetime(36_000),
        id_token_secret: None,
        skip_non_verifiable_callback_uri_confirmation_prompt: None,
        logo_uri: None,
        created_at: UnixTime(0),
    }
}

pub(crate) fn resource_server(scopes: &str) -> ResourceServer {
    ResourceServer {
        id: ResourceServerId::parse("56f0131ffdf1c311694f4cc7").unwrap(),
        identifier: ApiIdentifier::parse("https://api.example.com/geocoding/v1/").unwrap(),
        name: "Geocoding API".into(),
        scopes: ScopeSet::parse(scopes)
            .unwrap()
            .iter()
            .map(|value| ApiScope { value: value.clone(), description: String::new(), is_optional: false })
            .collect(),
        signing_algorithm: SigningAlgorithm::Rs256,
        signing_secret: None,
        token_lifetime: Lifetime::DAY,
        token_lifetime_for_web: Lifetime(7200),
        token_dialect: TokenDialect::Auth0,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        enforce_policies: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        is_system: false,
        created_at: UnixTime(0),
    }
}

pub(crate) fn client_grant(scopes: &str) -> ClientGrant {
    ClientGrant {
        id: ClientGrantId::parse("cgr_0123456789abcdef").unwrap(),
        client: client().id,
        resource_server: resource_server("").id,
        scopes: ScopeSet::parse(scopes).unwrap(),
        allow_all_scopes: false,
        subject_type: SubjectType::Client,
        created_at: UnixTime(0),
    }
}

pub(crate) fn user() -> User {
    User {
        id: UserId::parse("auth0|0123456789abcdef01234567").unwrap(),
        connection: ConnectionName::parse("Username-Password-Authentication").unwrap(),
        email: None,
        email_verified: false,
        username: None,
        password_hash: None,
        profile: Profile::default(),
        credentials_changed_at: UnixTime(0),
        is_blocked: false,
        created_at: UnixTime(0),
        updated_at: UnixTime(0),
    }
}

/// A session that began at `now` and lives for an hour.
pub(crate) fn session(now: UnixTime) -> Session {
    Session {
        id: SessionId::parse("session-one").unwrap(),
        user: user().id,
        authenticated_at: now,
        methods: vec![],
        created_at: now,
        expires_at: now.after(Lifetime(3600)),
        idle_expires_at: now.after(Lifetime(3600)),
        clients: vec![],
    }
}
