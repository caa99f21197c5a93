//! What a token request costs without I/O (RFC 6749 §4.4, §6), step by step and as a whole.
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark whose inputs are wrong must stop")]

#[path = "decide/rotation.rs"]
mod rotation;

use std::hint::black_box;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use criterion::{Criterion, criterion_group, criterion_main};
use jwt_core::{Algorithm, Signer, SigningKey};
use oauth_grants::{
    Decision, Moment, Outcome, Params, Presented, SecretDigestKey, TokenRequest, TokenResponse, authenticate,
    client_credentials, issue,
};
use policy::OutOfGrantScopes;
use records::{
    ApiIdentifier, ApiScope, ApplicationType, Client, ClientGrant, ClientGrantId, ClientId, ClientPolicy,
    ClientSecret, GrantType, Lifetime, Origin, ResourceServer, ResourceServerId, RotationType, ScopeSet,
    ScopeToken, SecretText, SigningAlgorithm, SubjectType, TenantSettings, ThirdPartySecurityMode,
    TokenDialect, TokenEndpointAuthMethod, UnixTime, UserPolicy,
};

const NOW: UnixTime = UnixTime(1_458_785_796);
const SECRET: &str = "geocoding-worker-secret-0123456789abcdef0123456789a";
const FORM: &str = "grant_type=client_credentials&audience=https%3A%2F%2Fapi.example.com%2Fgeocoding%2Fv1%2F";
const FORM_WITH_SECRET: &str = "grant_type=client_credentials&client_id=geocoding-worker\
    &client_secret=geocoding-worker-secret-0123456789abcdef0123456789a\
    &audience=https%3A%2F%2Fapi.example.com%2Fgeocoding%2Fv1%2F";
const JSON: &str = r#"{"grant_type":"client_credentials","client_id":"geocoding-worker",
    "client_secret":"geocoding-worker-secret-0123456789abcdef0123456789a",
    "audience":"https://api.example.com/geocoding/v1/"}"#;

/// What a server would have loaded.
struct Loaded {
    client: Client,
    resource_server: ResourceServer,
    client_grant: ClientGrant,
    settings: TenantSettings,
    origin: Origin,
    digest_key: SecretDigestKey,
    header: String,
}

fn loaded(signing_algorithm: SigningAlgorithm) -> Loaded {
    let digest_key = SecretDigestKey::new(&[9; 32]);
    let id = ClientId::parse("geocoding-worker").expect("a client id");
    let api = ResourceServerId::parse("56f0131ffdf1c311694f4cc7").expect("an id");
    let digest = digest_key.digest(&id, &SecretText::new(SECRET.into()));
    Loaded {
        client: Client {
            id: id.clone(),
            name: String::new(),
            application_type: ApplicationType::NonInteractive,
            is_first_party: true,
            third_party_security_mode: ThirdPartySecurityMode::Strict,
            grant_types: vec![GrantType::ClientCredentials],
            token_endpoint_auth_method: TokenEndpointAuthMethod::ClientSecretBasic,
            secrets: vec![ClientSecret { digest, created_at: NOW, expires_at: None }],
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
            created_at: NOW,
        },
        resource_server: ResourceServer {
            id: api.clone(),
            identifier: ApiIdentifier::parse("https://api.example.com/geocoding/v1/").expect("an identifier"),
            name: String::new(),
            scopes: vec![ApiScope {
                value: ScopeToken::parse("geocode").expect("a scope"),
                description: String::new(),
                is_optional: false,
            }],
            signing_algorithm,
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
            created_at: NOW,
        },
        client_grant: ClientGrant {
            id: ClientGrantId::parse("cgr_0123456789abcdef").expect("an id"),
            client: id,
            resource_server: api,
            scopes: ScopeSet::parse("geocode").expect("a scope"),
            allow_all_scopes: false,
            subject_type: SubjectType::Client,
            created_at: NOW,
        },
        settings: TenantSettings::default(),
        origin: Origin::parse("https://auth.example.com").expect("an origin"),
        digest_key,
        header: format!("Basic {}", STANDARD.encode(format!("geocoding-worker:{SECRET}"))),
    }
}

/// From the bytes of a request to the bytes of its answer.
fn whole(loaded: &Loaded, signer: &Signer) -> String {
    let moment = Moment::new(NOW, [7; 32]);
    let params = Params::from_form(FORM.as_bytes()).expect("a form");
    let presented = Presented::parse([loaded.header.as_bytes()], &params).expect("credentials");
    let TokenRequest::ClientCredentials(request) = TokenRequest::parse(&params).expect("a request") else {
        panic!("another grant")
    };
    let decision = decide(loaded, &request, &presented, &moment);
    let Outcome::Granted(granted) = decision.outcome else { panic!("refused") };
    let token = issue::access_token(&granted.access_token, signer).expect("a signature");
    TokenResponse::new(&granted, token).to_json()
}

fn decide<'l>(
    loaded: &'l Loaded,
    request: &client_credentials::Request<'_>,
    presented: &Presented,
    moment: &Moment,
) -> Decision<issue::Granted<'l>> {
    let client =
        authenticate(presented, Some(&loaded.client), &loaded.digest_key, moment.now).expect("the secret");
    let facts = client_credentials::Facts {
        client,
        resource_server: Some(&loaded.resource_server),
        client_grant: Some(&loaded.client_grant),
        settings: &loaded.settings,
        origin: &loaded.origin,
        out_of_grant_scopes: OutOfGrantScopes::Refuse,
    };
    client_credentials::decide(request, facts, moment)
}

fn signer(algorithm: Algorithm) -> Signer {
    let key = match algorithm {
        Algorithm::Hs256 => SigningKey::from_secret(algorithm, &[7; 32]).expect("a secret"),
        _ => SigningKey::generate(algorithm).expect("a key").key().clone(),
    };
    Signer::new(
        key,
        issue::token_type(TokenDialect::Auth0),
        Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
    )
    .expect("a signer")
}

fn steps(c: &mut Criterion) {
    let loaded = loaded(SigningAlgorithm::Es256);
    let moment = Moment::new(NOW, [7; 32]);
    c.bench_function("parse/form", |b| b.iter(|| Params::from_form(black_box(FORM_WITH_SECRET.as_bytes()))));
    c.bench_function("parse/json", |b| b.iter(|| Params::from_json(black_box(JSON.as_bytes()))));

    let params = Params::from_form(FORM.as_bytes()).expect("a form");
    c.bench_function("parse/request", |b| b.iter(|| TokenRequest::parse(black_box(&params)).is_ok()));
    c.bench_function("present/basic", |b| {
        b.iter(|| Presented::parse([black_box(loaded.header.as_bytes())], &params));
    });
    let presented = Presented::parse([loaded.header.as_bytes()], &params).expect("credentials");
    for (name, client) in [("authenticate/known", Some(&loaded.client)), ("authenticate/unknown", None)] {
        c.bench_function(name, |b| {
            b.iter(|| authenticate(black_box(&presented), client, &loaded.digest_key, NOW).is_ok());
        });
    }
    let TokenRequest::ClientCredentials(request) = TokenRequest::parse(&params).expect("a request") else {
        panic!("another grant")
    };
    c.bench_function("decide/with_authentication", |b| {
        b.iter(|| decide(&loaded, black_box(&request), &presented, &moment));
    });
}

fn requests(c: &mut Criterion) {
    for (name, algorithm, signing_algorithm) in [
        ("request/HS256", Algorithm::Hs256, SigningAlgorithm::Hs256),
        ("request/ES256", Algorithm::Es256, SigningAlgorithm::Es256),
        ("request/EdDSA", Algorithm::EdDsa, SigningAlgorithm::EdDsa),
    ] {
        let (loaded, signer) = (loaded(signing_algorithm), signer(algorithm));
        c.bench_function(name, |b| b.iter(|| whole(black_box(&loaded), &signer)));
    }
}

criterion_group!(benches, steps, requests, rotation::rotations);
criterion_main!(benches);
