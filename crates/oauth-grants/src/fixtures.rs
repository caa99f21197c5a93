//! Records for this crate's tests.

use records::{
    ApiIdentifier, ApiScope, ApplicationType, Client, ClientGrant, ClientGrantId, ClientId, ClientPolicy,
    ClientSecret, GrantType, Lifetime, Origin, ResourceServer, ResourceServerId, RotationType, ScopeSet,
    SecretText, SigningAlgorithm, SubjectType, ThirdPartySecurityMode, TokenDialect, TokenEndpointAuthMethod,
    UnixTime, UserPolicy,
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
        refresh_token_rotation: RotationType::Rotating,
        refresh_token_leeway: Lifetime(0),
        created_at: UnixTime(0),
    }
}

pub(crate) fn public_client() -> Client {
    Client { token_endpoint_auth_method: TokenEndpointAuthMethod::None, secrets: vec![], ..client() }
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
    scopes.iter().map(|value| ApiScope { value: value.clone(), description: String::new() }).collect()
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
