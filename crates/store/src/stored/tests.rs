//! Every record comes back from its stored form unchanged, and nothing but it does.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use records::{
    ApiIdentifier, ApiScope, ApplicationType, Client, ClientGrant, ClientGrantId, ClientId, ClientPolicy,
    ClientSecret, ErrorProfile, GrantType, KeyId, KeyState, Lifetime, Origin, ResourceServer,
    ResourceServerId, RotationType, ScopeSet, ScopeToken, SecretBytes, SecretDigest, SecretText, SeenJti,
    SigningAlgorithm, SigningKey, SubjectType, Tenant, TenantId, TenantSettings, ThirdPartySecurityMode,
    TokenDialect, TokenEndpointAuthMethod, UserPolicy,
};

use super::*;
use crate::SealingKeys;

mod people;
mod spelled;

fn sealer() -> Sealer {
    Sealer::new(SealingKeys::new("k1", Zeroizing::new([9; 32])))
}

fn acme() -> Space {
    Space::Tenant(TenantId::parse("acme").unwrap())
}

fn stored<T: Stored>(record: &T) -> (Row, Vec<IndexEntry>, Option<UnixTime>) {
    let key = record.key();
    let becomes = put(&sealer(), &acme(), &key, record).unwrap();
    let Becomes::Put { body, index, drop_at } = becomes else { panic!("a record is put") };
    (Row { key, version: Version(7), body }, index, drop_at)
}

use records::Version;

fn comes_back<T: Stored + PartialEq + fmt::Debug>(record: &T) -> Result<(), TestCaseError> {
    let (row, ..) = stored(record);
    let number = format!("{{\"v\":{},", T::FORM);
    prop_assert!(row.body.starts_with(&number), "{}", row.body);
    let again = read::<T>(&sealer(), &acme(), row).unwrap();
    prop_assert_eq!(&again.record, record);
    prop_assert_eq!(again.version, Version(7));
    Ok(())
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}"
}

fn time() -> impl Strategy<Value = UnixTime> {
    any::<u64>().prop_map(UnixTime)
}

fn id<T: 'static + fmt::Debug>(parse: fn(&str) -> Result<T, Invalid>) -> impl Strategy<Value = T> {
    "[A-Za-z0-9_-]{1,20}".prop_map(move |text| parse(&text).unwrap())
}

fn client_id() -> impl Strategy<Value = ClientId> {
    "[!-~]{1,20}".prop_map(|text| ClientId::parse(&text).unwrap())
}

fn origin() -> impl Strategy<Value = Origin> {
    "https?://[a-z][a-z0-9]{0,9}(:[1-9][0-9]{0,3})?".prop_map(|text| Origin::parse(&text).unwrap())
}

fn one_of<T: Clone + fmt::Debug + 'static>(all: &'static [(T, &'static str)]) -> impl Strategy<Value = T> {
    select(all).prop_map(|(value, _)| value)
}

fn tenant() -> impl Strategy<Value = Tenant> {
    let settings = (text(), option::of(text()), any::<[bool; 3]>());
    ("[a-z0-9-]{1,63}", vec(origin(), 0..4), settings, time()).prop_map(
        |(id, origins, settings, created_at)| {
            let (friendly_name, default_audience, [auth0, always, skip]) = settings;
            Tenant {
                id: TenantId::parse(&id).unwrap(),
                origins,
                settings: TenantSettings {
                    friendly_name,
                    default_audience,
                    error_profile: if auth0 { ErrorProfile::Auth0 } else { ErrorProfile::Rfc6749 },
                    always_return_scope: always,
                    skip_non_verifiable_callback_uri_confirmation_prompt: skip,
                    allowed_logout_urls: if skip { vec!["https://x.example/".to_owned()] } else { vec![] },
                    ..TenantSettings::default()
                },
                created_at,
            }
        },
    )
}

fn secret() -> impl Strategy<Value = ClientSecret> {
    (any::<[u8; 32]>(), time(), option::of(time())).prop_map(|(digest, created_at, expires_at)| {
        ClientSecret { digest: SecretDigest(digest), created_at, expires_at }
    })
}

fn client() -> impl Strategy<Value = Client> {
    let kinds = (
        select(&[
            ApplicationType::Native,
            ApplicationType::SinglePage,
            ApplicationType::RegularWeb,
            ApplicationType::NonInteractive,
        ]),
        select(&[ThirdPartySecurityMode::Strict, ThirdPartySecurityMode::Permissive]),
        select(&[
            TokenEndpointAuthMethod::None,
            TokenEndpointAuthMethod::ClientSecretPost,
            TokenEndpointAuthMethod::ClientSecretBasic,
        ]),
        select(&[RotationType::Rotating, RotationType::NonRotating]),
        any::<bool>(),
        any::<u32>(),
    );
    let lists = (vec(one_of(GrantType::ALL), 0..8), vec(secret(), 0..3), [(); 3].map(|()| vec(text(), 0..3)));
    (client_id(), text(), kinds, lists, time()).prop_map(|(id, name, kinds, lists, created_at)| {
        let (application_type, mode, method, rotation, is_first_party, leeway) = kinds;
        let (grant_types, secrets, [callbacks, web_origins, allowed_logout_urls]) = lists;
        Client {
            id,
            name,
            application_type,
            is_first_party,
            third_party_security_mode: mode,
            grant_types,
            token_endpoint_auth_method: method,
            secrets,
            callbacks,
            web_origins,
            allowed_logout_urls,
            backchannel_logout_uri: (leeway % 3 == 0).then(|| "https://app.example/logout".to_owned()),
            refresh_token_rotation: rotation,
            refresh_token_leeway: Lifetime(leeway),
            id_token_algorithm: SigningAlgorithm::Hs256,
            id_token_lifetime: Lifetime(leeway),
            refresh_token_lifetime: (leeway % 5 == 0).then_some(Lifetime(leeway)),
            refresh_token_idle_lifetime: (leeway % 7 != 0).then_some(Lifetime(leeway)),
            id_token_secret: (leeway % 2 == 0).then(|| SecretText::new("a client's secret".to_owned())),
            skip_non_verifiable_callback_uri_confirmation_prompt: [None, Some(true), Some(false)]
                [leeway as usize % 3],
            logo_uri: (leeway % 2 == 1).then(|| "https://example.com/logo.png".to_owned()),
            created_at,
        }
    })
}

fn identifier() -> impl Strategy<Value = ApiIdentifier> {
    prop_oneof![
        Just(ApiIdentifier::Management),
        "[a-z:/.%é-]{1,30}".prop_map(|text| ApiIdentifier::parse(&text).unwrap())
    ]
}

fn scope() -> impl Strategy<Value = ScopeToken> {
    "[a-z:]{1,9}".prop_map(|text| ScopeToken::parse(&text).unwrap())
}

fn resource_server() -> impl Strategy<Value = ResourceServer> {
    let scope = (scope(), text(), any::<bool>()).prop_map(|(value, description, is_optional)| ApiScope {
        value,
        description,
        is_optional,
    });
    let policies = (
        select(&[ClientPolicy::DenyAll, ClientPolicy::RequireClientGrant]),
        select(&[UserPolicy::AllowAll, UserPolicy::DenyAll, UserPolicy::RequireClientGrant]),
    );
    let signing = (one_of(SigningAlgorithm::ALL), option::of(text()), one_of(TokenDialect::ALL));
    let flags = (any::<[bool; 4]>(), any::<[u32; 2]>());
    let names = (id(ResourceServerId::parse), identifier(), text());
    (names, vec(scope, 0..4), signing, policies, flags, time()).prop_map(
        |((id, identifier, name), scopes, signing, policies, (flags, lifetimes), created_at)| {
            ResourceServer {
                id,
                identifier,
                name,
                scopes,
                signing_algorithm: signing.0,
                signing_secret: signing.1.map(SecretText::new),
                token_lifetime: Lifetime(lifetimes[0]),
                token_lifetime_for_web: Lifetime(lifetimes[1]),
                token_dialect: signing.2,
                allow_offline_access: flags[0],
                skip_consent_for_verifiable_first_party_clients: flags[1],
                enforce_policies: flags[2],
                client_policy: policies.0,
                user_policy: policies.1,
                is_system: flags[3],
                created_at,
            }
        },
    )
}

fn client_grant() -> impl Strategy<Value = ClientGrant> {
    (
        (id(ClientGrantId::parse), client_id(), id(ResourceServerId::parse)),
        vec(scope(), 0..4),
        any::<bool>(),
        select(&[SubjectType::Client, SubjectType::User]),
        time(),
    )
        .prop_map(|((id, client, resource_server), scopes, all, subject_type, created_at)| ClientGrant {
            id,
            client,
            resource_server,
            scopes: ScopeSet::from_iter(scopes),
            allow_all_scopes: all,
            subject_type,
            created_at,
        })
}

fn signing_key() -> impl Strategy<Value = SigningKey> {
    (
        id(KeyId::parse),
        one_of(SigningAlgorithm::ALL),
        vec(any::<u8>(), 0..64),
        one_of(KeyState::ALL),
        time(),
        time(),
    )
        .prop_map(|(id, algorithm, private_key, state, created_at, state_since)| SigningKey {
            id,
            algorithm,
            private_key: SecretBytes::new(private_key),
            state,
            created_at,
            state_since,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_tenant_comes_back_unchanged(record in tenant()) {
        comes_back(&record)?;
        for origin in &record.origins {
            let owner = OriginOwner::new(origin, &record);
            let again = read::<OriginOwner>(&sealer(), &acme(), stored(&owner).0).unwrap().record;
            prop_assert_eq!((&again.origin, &again.tenant), (origin, &record.id));
        }
    }

    #[test]
    fn an_application_comes_back_unchanged(record in client()) {
        comes_back(&record)?;
    }

    #[test]
    fn an_api_comes_back_unchanged(record in resource_server()) {
        comes_back(&record)?;
        let owner = IdentifierOwner::new(&record);
        let again = read::<IdentifierOwner>(&sealer(), &acme(), stored(&owner).0).unwrap().record;
        prop_assert_eq!((again.identifier, again.id), (record.identifier, record.id));
    }

    #[test]
    fn a_client_grant_comes_back_unchanged_and_is_indexed(record in client_grant()) {
        comes_back(&record)?;
        let (_, index, drop_at) = stored(&record);
        prop_assert_eq!(index, vec![
            IndexEntry::of(BY_CLIENT, &[record.client.as_str()]),
            IndexEntry::of(BY_RESOURCE_SERVER, &[record.resource_server.as_str()]),
        ]);
        prop_assert_eq!(drop_at, None);
        let owner = GrantOwner::new(&record);
        let again = read::<GrantOwner>(&sealer(), &acme(), stored(&owner).0).unwrap().record;
        prop_assert_eq!(again.id, record.id);
    }

    #[test]
    fn a_signing_key_comes_back_unchanged(record in signing_key()) {
        comes_back(&record)?;
    }

    #[test]
    fn a_seen_assertion_comes_back_unchanged_and_ends(client in client_id(), jti in text(), end in time()) {
        let record = SeenJti { client, jti, expires_at: end };
        comes_back(&record)?;
        prop_assert_eq!(stored(&record).2, Some(end));
    }
}

fn api() -> ResourceServer {
    ResourceServer {
        id: ResourceServerId::parse("rs1").unwrap(),
        identifier: ApiIdentifier::parse("https://api.example.com/").unwrap(),
        name: "API".into(),
        scopes: Vec::new(),
        signing_algorithm: SigningAlgorithm::Hs256,
        signing_secret: Some(SecretText::new("hush-hush".into())),
        token_lifetime: Lifetime::DAY,
        token_lifetime_for_web: Lifetime::DAY,
        token_dialect: TokenDialect::Auth0,
        allow_offline_access: false,
        skip_consent_for_verifiable_first_party_clients: false,
        enforce_policies: false,
        client_policy: ClientPolicy::RequireClientGrant,
        user_policy: UserPolicy::AllowAll,
        is_system: false,
        created_at: UnixTime(1),
    }
}

fn refusal(row: Row, space: &Space) -> String {
    read::<ResourceServer>(&sealer(), space, row).unwrap_err().to_string()
}

#[test]
fn a_form_of_another_version_is_refused_by_its_number() {
    let (row, ..) = stored(&api());
    for number in [0, 3] {
        let body = row.body.replace("{\"v\":2,", &format!("{{\"v\":{number},"));
        let why = refusal(Row { body, ..row.clone() }, &acme());
        assert!(why.contains("resource_server rs1") && why.contains(&format!("form {number}")), "{why}");
    }
}

#[test]
fn a_row_of_the_form_before_is_read_with_defaults() {
    let mut record = api();
    record.scopes = vec![ApiScope {
        value: ScopeToken::parse("read").unwrap(),
        description: "Read".to_owned(),
        is_optional: false,
    }];
    let (row, ..) = stored(&record);
    let body = row.body.replace("{\"v\":2,", "{\"v\":1,").replace(",\"is_optional\":false", "");
    assert!(!body.contains("is_optional"));
    let again = read::<ResourceServer>(&sealer(), &acme(), Row { body, ..row }).unwrap().record;
    assert_eq!(again, record);
    let row =
        |name: &str, body: &str| Row { key: Key::of(&[name]), version: Version(1), body: body.to_owned() };
    let old = row(
        "acme",
        r#"{"v":1,"id":"acme","origins":[],"settings":{"friendly_name":"Acme","default_audience":null,
            "error_profile":"auth0","always_return_scope":true,
            "skip_non_verifiable_callback_uri_confirmation_prompt":false},"created_at":1}"#,
    );
    let tenant = read::<Tenant>(&sealer(), &Space::Directory, old).unwrap().record;
    let expected = TenantSettings { friendly_name: "Acme".to_owned(), ..TenantSettings::default() };
    assert_eq!(tenant.settings, expected);
    let old = row(
        "c",
        r#"{"v":1,"id":"c","name":"C","application_type":"native","is_first_party":true,
            "third_party_security_mode":"strict","grant_types":[],"token_endpoint_auth_method":"none",
            "secrets":[],"callbacks":[],"web_origins":[],"allowed_logout_urls":[],
            "refresh_token_rotation":"rotating","refresh_token_leeway":0,"created_at":1}"#,
    );
    let client = read::<Client>(&sealer(), &acme(), old).unwrap().record;
    assert_eq!(client.id_token_algorithm, SigningAlgorithm::Rs256);
    assert_eq!(client.id_token_lifetime, Lifetime(36_000));
}

#[test]
fn a_member_that_is_unknown_missing_or_ill_typed_is_refused_without_being_quoted() {
    let (row, ..) = stored(&api());
    for (from, to) in [
        ("{\"v\":2,", "{\"v\":2,\"sesame\":1,"),
        ("\"name\":\"API\",", ""),
        ("\"name\":\"API\",", "\"name\":{\"sesame\":1},"),
        ("\"signing_algorithm\":\"HS256\"", "\"signing_algorithm\":\"sesame\""),
        ("\"client_policy\":\"require_client_grant\"", "\"client_policy\":\"allow_all\""),
        ("\"signing_secret\":\"s1.k1.", "\"signing_secret\":\"sesame."),
        ("https://api.example.com/", "sesame\\n"),
        ("\"id\":\"rs1\"", "\"id\":\"sesame\""),
        ("{\"v\":2,", "{\"v\":\"sesame\","),
        ("{\"v\":2,", "{"),
        ("}", ""),
    ] {
        assert!(row.body.contains(from), "{from} in {}", row.body);
        let why = refusal(Row { body: row.body.replacen(from, to, 1), ..row.clone() }, &acme());
        assert!(why.contains("resource_server rs1") && !why.contains("sesame"), "{to}: {why}");
    }
}

#[test]
fn a_body_copied_to_another_row_or_another_tenant_does_not_open() {
    let (row, ..) = stored(&api());
    let other = Space::Tenant(TenantId::parse("other").unwrap());
    assert!(refusal(row.clone(), &other).contains("signing_secret"));
    let body = row.body.replace("\"id\":\"rs1\"", "\"id\":\"rs2\"");
    let moved = Row { key: Key::of(&["rs2"]), body, ..row };
    assert!(refusal(moved, &acme()).contains("signing_secret"));
}

#[test]
fn secrets_stand_in_no_body() {
    let (row, ..) = stored(&api());
    assert!(!row.body.contains("hush"), "{}", row.body);
    let key = SigningKey {
        id: KeyId::parse("kid").unwrap(),
        algorithm: SigningAlgorithm::Es256,
        private_key: SecretBytes::new(b"hush".to_vec()),
        state: KeyState::Current,
        created_at: UnixTime(1),
        state_since: UnixTime(1),
    };
    let (row, ..) = stored(&key);
    for spelled in ["hush", "aHVzaA", "68757368", "104,117"] {
        assert!(!row.body.contains(spelled), "{}", row.body);
    }
}

/// What is said of a body, by its number and its whole form: whichever of the two is looked at first.
#[test]
fn what_is_wrong_with_a_body_is_said_in_the_same_words_wherever_its_number_stands() {
    let session = |body: &str| {
        let row = Row { key: Key::of(&["s"]), version: Version(1), body: body.to_owned() };
        match read::<records::Session>(&sealer(), &acme(), row) {
            Ok(_) => "is a session".to_owned(),
            Err(Unavailable::Unreadable { why, .. } | Unavailable::Backend(why)) => why,
        }
    };
    let rest = r#""id":"s","user":"a|b","authenticated_at":1,"methods":[],"created_at":1,"expires_at":2,
        "idle_expires_at":2,"clients":[]"#
        .replace("\n        ", "");
    let (none, newer) =
        ("is not a JSON object with a form number", "was written by a newer version of authd");
    for (body, expected) in [
        (format!(r#"{{"v":1,{rest}}}"#), "is a session"),
        (format!(r#"{{{rest},"v":1}}"#), "is a session"),
        (format!(r#" {{ "v" : 1 , {rest} }} "#), "is a session"),
        (format!(r#"{{"\u0076":1,{rest}}}"#), "is a session"),
        (format!(r#"{{"v":1,{rest}}}x"#), none),
        (format!(r#"{{"v":1,{rest}"#), none),
        (format!(r#"{{"v":1,"v":1,{rest}}}"#), none),
        (format!(r#"{{"v":1,{rest},"v":1}}"#), none),
        (format!(r#"{{"v":1x,{rest}}}"#), none),
        (format!(r#"{{"v":01,{rest}}}"#), none),
        (format!(r#"{{"v":+1,{rest}}}"#), none),
        (format!(r#"{{"v":-1,{rest}}}"#), none),
        (format!(r#"{{"v":1.0,{rest}}}"#), none),
        (format!(r#"{{"v":"1",{rest}}}"#), none),
        (format!(r#"{{"v":,{rest}}}"#), none),
        (format!(r#"{{"v":4294967297,{rest}}}"#), none),
        (format!(r#"{{{rest}}}"#), none),
        ("".to_owned(), none),
        ("{\"v\":".to_owned(), none),
        ("{\"v\":1".to_owned(), none),
        ("{\"v\":1}".to_owned(), "does not have the form 1 (column 7)"),
        ("{\"v\":2}".to_owned(), newer),
        ("{\"v\":2".to_owned(), none),
        (format!(r#"{{"v":0,{rest}}}"#), newer),
        (format!(r#"{{"v":10,{rest}}}"#), newer),
        (format!(r#"{{"v":4294967295,{rest}}}"#), newer),
        (format!(r#"{{"v":2,"later":1,{rest}}}"#), newer),
        (format!(r#"{{"v":1,"later":1,{rest}}}"#), "does not have the form 1 (column 14)"),
        (format!(r#"{{"v":1,{rest}}}"#).replace("\"id\":\"s\"", "\"id\":\"t\""), "that is not its own"),
    ] {
        let said = session(&body);
        assert!(said.ends_with(expected), "{body}: {said}");
    }
}
