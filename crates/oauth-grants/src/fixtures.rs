//! Records for this crate's tests.

use records::{
    ApiIdentifier, ApiScope, ApplicationType, Client, ClientGrant, ClientGrantId, ClientId, ClientPolicy,
    ClientSecret, ConnectionName, Email, GrantType, Lifetime, Origin, PasswordHash, Profile, ResourceServer,
    ResourceServerId, RotationType, ScopeSet, SecretText, SigningAlgorithm, SubjectType,
    ThirdPartySecurityMode, TokenDialect, TokenEndpointAuthMethod, UnixTime, User, UserId, UserPolicy,
    Username,
};

use crate::{Moment, SecretDigestKey};

pub(crate) const NOW: UnixTime = UnixTime(1_458_785_796);
pub(crate) const CLIENT: &str = "geocoding-worker";
pub(crate) const SECRET: &str = "geocoding-worker-secret-0123456789abcdef0123456789a";
pub(crate) const AUDIENCE: &str = "https://api.example.com/geocoding/v1/";

pub(crate) fn moment() -> Moment {
    Moment::new(NOW, [7; 32])
}

pub(crate) fn digest_key() -> SecretDigestKey {
    SecretDigestKey::new(&[9; 32])
}

pub(crate) fn refresh_keys() -> crate::RefreshKeys {
    crate::RefreshKeys::new(&[1; 32], &[2; 32])
}

pub(crate) fn origin() -> Origin {
    Origin::parse("https://localhost:8443").unwrap()
}

pub(crate) fn kept(client: &str, secret: &str, expires_at: Option<UnixTime>) -> ClientSecret {
    let digest = digest_key().digest(&ClientId::parse(client).unwrap(), &SecretText::new(secret.to_owned()));
    ClientSecret { digest, created_at: UnixTime(0), expires_at }
}

pub(crate) fn client() -> Client {
    Client {
        id: ClientId::parse(CLIENT).unwrap(),
        name: "Geocoding Worker".into(),
        application_type: ApplicationType::NonInteractive,
        is_first_party: true,
        third_party_security_mode: ThirdPartySecurityMode::Strict,
        grant_types: vec![GrantType::ClientCredentials],
        token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretPost,
        secrets: vec![kept(CLIENT, SECRET, None)],
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

pub(crate) fn public_client() -> Client {
    Client { token_endpoint_auth_method: TokenEndpointAuthMethod::None, secrets: vec![], ..client() }
}

/// A person of whom everything is known.
pub(crate) fn user() -> User {
    let text = |text: &str| Some(text.to_owned());
    User {
        id: UserId::parse("auth0|0123456789abcdef01234567").unwrap(),
        connection: ConnectionName::parse("Username-Password-Authentication").unwrap(),
        email: Some(Email::parse("ada@example.com").unwrap()),
        email_verified: true,
        username: Some(Username::parse("ada").unwrap()),
        password_hash: Some(PasswordHash::New(SecretText::new("$argon2id$".into()))),
        profile: Profile {
            name: text("Ada Lovelace"),
            given_name: text("Ada"),
            family_name: text("Lovelace"),
            middle_name: text("Augusta"),
            nickname: text("ada"),
            preferred_username: text("ada"),
            profile: text("https://example.com/ada"),
            picture: text("https://example.com/ada.png"),
            website: text("https://ada.example.com/"),
            gender: text("female"),
            birthdate: text("1815-12-10"),
            zoneinfo: text("Europe/London"),
            locale: text("en-GB"),
            phone_number: text("+442071838750"),
            phone_number_verified: true,
            address: text("12 St James's Square, London"),
        },
        credentials_changed_at: UnixTime(0),
        is_blocked: false,
        created_at: UnixTime(0),
        updated_at: UnixTime(1_490_886_820),
    }
}

pub(crate) fn resource_server() -> ResourceServer {
    ResourceServer {
        id: ResourceServerId::parse("56f0131ffdf1c311694f4cc7").unwrap(),
        identifier: ApiIdentifier::parse(AUDIENCE).unwrap(),
        name: "Geocoding API".into(),
        scopes: api_scopes("geocode reverse"),
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

pub(crate) fn api_scopes(scopes: &str) -> Vec<ApiScope> {
    let scopes = ScopeSet::parse(scopes).unwrap();
    let scope = |value: &records::ScopeToken| ApiScope {
        value: value.clone(),
        description: String::new(),
        is_optional: false,
    };
    scopes.iter().map(scope).collect()
}

pub(crate) fn client_grant() -> ClientGrant {
    ClientGrant {
        id: ClientGrantId::parse("cgr_0123456789abcdef").unwrap(),
        client: client().id,
        resource_server: resource_server().id,
        scopes: ScopeSet::parse("geocode").unwrap(),
        allow_all_scopes: false,
        subject_type: SubjectType::Client,
        created_at: UnixTime(0),
    }
}
