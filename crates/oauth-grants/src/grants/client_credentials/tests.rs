//! Client credentials, rule by rule (RFC 6749 §4.4; threat model CC).

use records::{
    ClientId, ClientPolicy, ErrorProfile, Lifetime, ResourceServerId, SigningAlgorithm, SubjectType,
    TokenDialect, UnixTime,
};

use super::*;
use crate::client_auth::authenticate;
use crate::fixtures::{
    AUDIENCE, CLIENT, NOW, SECRET, api_scopes, client, client_grant, digest_key, moment, origin,
    public_client, resource_server,
};
use crate::{Outcome, Presented};

/// Everything a decision depends on, good unless a test says otherwise.
struct Case {
    form: String,
    client: records::Client,
    resource_server: Option<ResourceServer>,
    client_grant: Option<ClientGrant>,
    settings: TenantSettings,
    origin: Origin,
    out_of_grant_scopes: OutOfGrantScopes,
    moment: Moment,
}

impl Case {
    fn asking(more: &str) -> Self {
        Self {
            form: format!("grant_type=client_credentials{more}"),
            client: client(),
            resource_server: Some(resource_server()),
            client_grant: Some(client_grant()),
            settings: TenantSettings::default(),
            origin: origin(),
            out_of_grant_scopes: OutOfGrantScopes::Refuse,
            moment: moment(),
        }
    }

    fn good() -> Self {
        Self::asking(&format!("&audience={AUDIENCE}"))
    }

    /// Decides, and hands back what can outlive the case: claims, algorithm, whether the scope is named.
    fn decide(&self) -> Result<Decided, TokenError> {
        let params = Params::from_form(self.form.as_bytes()).unwrap();
        let TokenRequest::ClientCredentials(request) = TokenRequest::parse(&params)? else {
            panic!("another grant")
        };
        let credentials = match self.client.is_public() {
            true => format!("client_id={CLIENT}"),
            false => format!("client_id={CLIENT}&client_secret={SECRET}"),
        };
        let presented = Presented::parse([], &Params::from_form(credentials.as_bytes()).unwrap()).unwrap();
        let facts = Facts {
            client: authenticate(&presented, Some(&self.client), &digest_key(), NOW).unwrap(),
            resource_server: self.resource_server.as_ref(),
            client_grant: self.client_grant.as_ref(),
            settings: &self.settings,
            origin: &self.origin,
            out_of_grant_scopes: self.out_of_grant_scopes,
        };
        let decision = decide(&request, facts, &self.moment);
        assert_eq!(decision.writes, [], "client credentials leave nothing to remember");
        match decision.outcome {
            Outcome::Granted(granted) => Ok(Decided {
                claims: serde_json::to_value(&granted.access_token).unwrap(),
                json: serde_json::to_string(&granted.access_token).unwrap(),
                algorithm: granted.access_token.signing_algorithm,
                response: crate::TokenResponse::new(&granted, "TOKEN".into()).to_json(),
            }),
            Outcome::Refused(error) => Err(error),
        }
    }

    fn response(&self) -> String {
        self.decide().unwrap().response
    }
}

#[derive(Debug, PartialEq)]
struct Decided {
    claims: serde_json::Value,
    json: String,
    algorithm: SigningAlgorithm,
    response: String,
}

fn scope(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn echo(text: &str) -> Echo {
    Echo::of(text)
}

#[test]
fn a_granted_client_gets_a_token_for_a_day() {
    let decided = Case::good().decide().unwrap();
    assert_eq!(
        decided.response,
        r#"{"access_token":"TOKEN","token_type":"Bearer","expires_in":86400,"scope":"geocode"}"#
    );
    assert_eq!(decided.claims["exp"], 1_458_872_196);
}

#[test]
fn without_scopes_the_answer_has_exactly_three_members() {
    let mut case = Case::good();
    case.client_grant.as_mut().unwrap().scopes = scope("");
    let decided = case.decide().unwrap();
    assert_eq!(decided.response, r#"{"access_token":"TOKEN","token_type":"Bearer","expires_in":86400}"#);
    assert!(decided.claims.get("scope").is_none());
}

#[test]
fn tk_06_a_grant_type_that_is_not_listed_is_refused() {
    for (listed, name) in GrantType::ALL {
        let case =
            Case { client: records::Client { grant_types: vec![*listed], ..client() }, ..Case::good() };
        let got = case.decide().map(|_| ());
        if *listed == GrantType::ClientCredentials {
            assert_eq!(got, Ok(()));
        } else {
            assert_eq!(got, Err(TokenError::GrantTypeNotAllowed("client_credentials")), "{name}");
        }
    }
    let none = Case { client: records::Client { grant_types: vec![], ..client() }, ..Case::good() };
    assert_eq!(none.decide(), Err(TokenError::GrantTypeNotAllowed("client_credentials")));
}

//= RFC 6749 §4.4
#[test]
fn cc_01_a_public_client_is_refused_even_where_its_record_lists_the_grant() {
    let case = Case { client: public_client(), ..Case::good() };
    let error = case.decide().unwrap_err();
    assert_eq!(error, TokenError::ClientIsPublic("client_credentials"));
    assert_eq!(error.answer(ErrorProfile::Rfc6749).error, "unauthorized_client");
}

#[test]
fn cc_02_without_a_client_grant_the_api_is_closed() {
    let case = Case { client_grant: None, ..Case::good() };
    assert_eq!(case.decide(), Err(TokenError::NoClientGrant(echo(AUDIENCE))));
}

#[test]
fn cc_02_a_grant_of_another_client_api_or_subject_opens_nothing() {
    let good = client_grant();
    for grant in [
        ClientGrant { client: ClientId::parse("someone-else").unwrap(), ..good.clone() },
        ClientGrant {
            resource_server: ResourceServerId::parse("000000000000000000000000").unwrap(),
            ..good.clone()
        },
        ClientGrant { subject_type: SubjectType::User, ..good },
    ] {
        let case = Case { client_grant: Some(grant), ..Case::good() };
        assert_eq!(case.decide(), Err(TokenError::NoClientGrant(echo(AUDIENCE))));
    }
}

#[test]
fn cc_02_an_api_that_refuses_clients_does_so_over_existing_grants() {
    for client_grant in [None, Some(client_grant())] {
        let mut case = Case { client_grant, ..Case::good() };
        case.resource_server.as_mut().unwrap().client_policy = ClientPolicy::DenyAll;
        assert_eq!(case.decide(), Err(TokenError::ApiRefusesClients(echo(AUDIENCE))));
    }
}

#[test]
fn cc_02_an_unknown_api_has_an_answer_of_its_own() {
    let case = Case { resource_server: None, client_grant: None, ..Case::good() };
    assert_eq!(case.decide(), Err(TokenError::UnknownApi(echo(AUDIENCE))));
    let long = "x".repeat(700);
    let case = Case { resource_server: None, ..Case::asking(&format!("&audience={long}")) };
    assert_eq!(case.decide(), Err(TokenError::UnknownApi(echo(&long))));
    let case = Case { resource_server: None, ..Case::asking("&audience=a%0Ab") };
    assert_eq!(case.decide(), Err(TokenError::UnknownApi(echo("a?b"))));
}

#[test]
fn an_audience_is_compared_byte_for_byte() {
    // Whatever was loaded, it is used only when it is what was asked for.
    for audience in [
        "https://api.example.com/geocoding/v1",
        "https://api.example.com/geocoding/v1//",
        "https://API.example.com/geocoding/v1/",
        "https://api.example.com:443/geocoding/v1/",
        "https://api.example.com/geocoding/v1/ ",
        "https://api.example.com/geocoding/v1/ https://other.example/",
        "http://api.example.com/geocoding/v1/",
        "https://api.example.com/geocoding%2Fv1/",
    ] {
        let encoded: String = url::form_urlencoded::byte_serialize(audience.as_bytes()).collect();
        let case = Case::asking(&format!("&audience={encoded}"));
        assert_eq!(case.decide(), Err(TokenError::UnknownApi(echo(audience))), "{audience}");
    }
}

struct ScopeRow {
    requested: &'static str,
    granted: &'static str,
    refuse: Result<&'static str, &'static str>,
    filter: Result<&'static str, &'static str>,
}

#[test]
fn cc_03_scopes_beyond_the_grant_are_refused_or_filtered() {
    #[rustfmt::skip]
    let rows = [
        ScopeRow { requested: "",                granted: "geocode",         refuse: Ok("geocode"),            filter: Ok("geocode") },
        ScopeRow { requested: "",                granted: "geocode reverse", refuse: Ok("geocode reverse"),    filter: Ok("geocode reverse") },
        ScopeRow { requested: "geocode",         granted: "geocode reverse", refuse: Ok("geocode"),            filter: Ok("geocode") },
        ScopeRow { requested: "reverse",         granted: "geocode",         refuse: Err("reverse"),           filter: Err("reverse") },
        ScopeRow { requested: "reverse+geocode", granted: "geocode",         refuse: Err("reverse"),           filter: Ok("geocode") },
        ScopeRow { requested: "z+a+geocode",     granted: "geocode",         refuse: Err("a, z"),              filter: Ok("geocode") },
        ScopeRow { requested: "geocode",         granted: "",                refuse: Err("geocode"),           filter: Err("geocode") },
        // The grant names a scope that the API no longer defines.
        ScopeRow { requested: "",                granted: "geocode old",     refuse: Ok("geocode"),            filter: Ok("geocode") },
        ScopeRow { requested: "",                granted: "old",             refuse: Ok(""),                   filter: Ok("") },
        ScopeRow { requested: "old",             granted: "geocode old",     refuse: Err("old"),               filter: Err("old") },
        // What means something to people's logins means nothing here.
        ScopeRow { requested: "openid",          granted: "geocode",         refuse: Err("openid"),            filter: Err("openid") },
        ScopeRow { requested: "offline_access",  granted: "geocode",         refuse: Err("offline_access"),    filter: Err("offline_access") },
        ScopeRow { requested: "openid+geocode",  granted: "geocode",         refuse: Err("openid"),            filter: Ok("geocode") },
        ScopeRow { requested: "Geocode",         granted: "geocode",         refuse: Err("Geocode"),           filter: Err("Geocode") },
    ];
    for row in &rows {
        for (switch, expected) in
            [(OutOfGrantScopes::Refuse, row.refuse), (OutOfGrantScopes::Filter, row.filter)]
        {
            let mut case = Case::asking(&format!("&audience={AUDIENCE}&scope={}", row.requested));
            case.client_grant.as_mut().unwrap().scopes = scope(row.granted);
            case.out_of_grant_scopes = switch;
            let got =
                case.decide().map(|decided| decided.claims["scope"].as_str().unwrap_or_default().to_owned());
            let expected =
                expected.map(str::to_owned).map_err(|words| TokenError::ScopesNotGranted(echo(words)));
            assert_eq!(got, expected, "{} of {} ({switch:?})", row.requested, row.granted);
        }
    }
}

#[test]
fn a_grant_of_all_scopes_follows_the_api() {
    let mut case = Case::good();
    case.client_grant.as_mut().unwrap().allow_all_scopes = true;
    case.client_grant.as_mut().unwrap().scopes = scope("");
    assert_eq!(case.decide().unwrap().claims["scope"], "geocode reverse");
    case.resource_server.as_mut().unwrap().scopes = api_scopes("brand-new geocode");
    assert_eq!(case.decide().unwrap().claims["scope"], "brand-new geocode");
}

//= RFC 6749 §4.4.3
#[test]
fn cc_04_cc_05_neither_refresh_token_nor_id_token_is_answered() {
    let mut case = Case::asking(&format!("&audience={AUDIENCE}&scope=openid+offline_access+geocode"));
    case.resource_server.as_mut().unwrap().scopes = api_scopes("openid offline_access geocode");
    case.resource_server.as_mut().unwrap().allow_offline_access = true;
    case.client_grant.as_mut().unwrap().scopes = scope("openid offline_access geocode");
    let response: serde_json::Value = serde_json::from_str(&case.response()).unwrap();
    let members: Vec<_> = response.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"]);
}

#[test]
fn cc_06_the_subject_is_the_client_in_a_form_that_no_user_has() {
    for dialect in [TokenDialect::Auth0, TokenDialect::Rfc9068] {
        let mut case = Case::good();
        case.resource_server.as_mut().unwrap().token_dialect = dialect;
        assert_eq!(case.decide().unwrap().claims["sub"], "geocoding-worker@clients");
    }
}

#[test]
fn cc_07_a_missing_audience_has_an_answer_of_its_own() {
    for form in ["", "&audience=", "&resource="] {
        assert_eq!(Case::asking(form).decide(), Err(TokenError::MissingAudience), "{form:?}");
        let mut case = Case::asking(form);
        case.settings.default_audience = Some(String::new());
        assert_eq!(case.decide(), Err(TokenError::MissingAudience), "{form:?}");
    }
}

#[test]
fn cc_07_the_tenants_default_stands_in_for_a_missing_audience_only() {
    let mut case = Case::asking("");
    case.settings.default_audience = Some(AUDIENCE.into());
    assert_eq!(case.decide().unwrap().claims["aud"], AUDIENCE);

    let mut case = Case::asking("&audience=urn:other");
    case.settings.default_audience = Some(AUDIENCE.into());
    assert_eq!(case.decide(), Err(TokenError::UnknownApi(echo("urn:other"))));

    let mut case = Case::asking("&resource=urn:other");
    case.settings.default_audience = Some(AUDIENCE.into());
    assert_eq!(case.decide(), Err(TokenError::UnknownApi(echo("urn:other"))));
}

//= RFC 8707 §2
#[test]
fn resource_means_the_same_as_audience() {
    let case = Case::asking(&format!("&resource={AUDIENCE}"));
    assert_eq!(case.decide().unwrap().claims["aud"], AUDIENCE);
    let case = Case::asking(&format!("&resource={AUDIENCE}&audience={AUDIENCE}"));
    assert_eq!(case.decide().unwrap().claims["aud"], AUDIENCE);
    let case = Case::asking(&format!("&resource=urn:other&audience={AUDIENCE}"));
    assert_eq!(case.decide(), Err(TokenError::AudienceAndResourceDiffer));
    for resource in ["api.calendar", "/v1", "https://a/%23x", "%20https://a/"] {
        let case = Case::asking(&format!("&resource={resource}"));
        assert_eq!(case.decide(), Err(TokenError::MalformedResource), "{resource}");
    }
}

#[test]
fn the_management_api_is_the_one_of_the_origin_that_was_called() {
    let management = || {
        let mut case = Case::asking("&audience=https://localhost:8443/api/v2/");
        case.resource_server.as_mut().unwrap().identifier = ApiIdentifier::Management;
        case
    };
    let decided = management().decide().unwrap();
    assert_eq!(decided.claims["aud"], "https://localhost:8443/api/v2/");
    assert_eq!(decided.claims["iss"], "https://localhost:8443/");

    let elsewhere = Case { origin: Origin::parse("http://localhost:8080").unwrap(), ..management() };
    assert_eq!(elsewhere.decide(), Err(TokenError::UnknownApi(echo("https://localhost:8443/api/v2/"))));
    let without_slash = Case {
        form: "grant_type=client_credentials&audience=https://localhost:8443/api/v2".into(),
        ..management()
    };
    assert_eq!(without_slash.decide(), Err(TokenError::UnknownApi(echo("https://localhost:8443/api/v2"))));
}

#[test]
fn the_api_to_load_is_the_one_that_is_decided_about() {
    let load = |form: &str, default_audience: Option<&str>| {
        let form = format!("grant_type=client_credentials{form}");
        let params = Params::from_form(form.as_bytes()).unwrap();
        let TokenRequest::ClientCredentials(request) = TokenRequest::parse(&params).unwrap() else {
            panic!("another grant")
        };
        let settings = TenantSettings {
            default_audience: default_audience.map(Into::into),
            ..TenantSettings::default()
        };
        super::resource_server(&request, &settings, &origin())
    };
    let fixed = |text| Some(ApiIdentifier::parse(text).unwrap());
    assert_eq!(load("&audience=urn:a", None), fixed("urn:a"));
    assert_eq!(load("&resource=urn:a", None), fixed("urn:a"));
    assert_eq!(load("", Some("urn:d")), fixed("urn:d"));
    assert_eq!(load("&audience=urn:a", Some("urn:d")), fixed("urn:a"));
    assert_eq!(load("&audience=https://localhost:8443/api/v2/", None), Some(ApiIdentifier::Management));
    assert_eq!(load("&audience=http://localhost:8080/api/v2/", None), fixed("http://localhost:8080/api/v2/"));
    for nothing in ["", "&audience=a&resource=urn:b", "&resource=b", "&audience=a%0Ab"] {
        assert_eq!(load(nothing, None), None, "{nothing}");
    }
    assert_eq!(load(&format!("&audience={}", "x".repeat(601)), None), None);
}

#[test]
fn each_api_sets_the_lifetime_of_its_tokens() {
    for (set, lives) in [(60, 60), (0, 0), (86_400, 86_400), (2_592_000, 2_592_000), (u32::MAX, 2_592_000)] {
        let mut case = Case::good();
        case.resource_server.as_mut().unwrap().token_lifetime = Lifetime(set);
        let decided = case.decide().unwrap();
        assert_eq!(decided.claims["exp"], NOW.0 + lives, "{set}");
        assert_eq!(decided.claims["iat"], NOW.0);
        assert!(decided.response.contains(&format!("\"expires_in\":{lives},")), "{}", decided.response);
    }
}

//= RFC 6749 §5.1
#[test]
fn the_scope_is_left_out_only_where_the_client_can_tell_it() {
    for (requested, granted, always, answered) in [
        ("", "geocode", true, Some("geocode")),
        ("", "geocode", false, Some("geocode")),
        ("geocode", "geocode", true, Some("geocode")),
        ("geocode", "geocode", false, None),
        ("reverse+geocode", "geocode reverse", false, None),
        ("geocode", "geocode reverse", false, None),
        ("geocode+more", "geocode", false, Some("geocode")),
        ("", "", true, None),
        ("", "", false, None),
    ] {
        let mut case = Case::asking(&format!("&audience={AUDIENCE}&scope={requested}"));
        case.client_grant.as_mut().unwrap().scopes = scope(granted);
        case.settings.always_return_scope = always;
        case.out_of_grant_scopes = OutOfGrantScopes::Filter;
        let response: serde_json::Value = serde_json::from_str(&case.response()).unwrap();
        let got = response.get("scope").and_then(|scope| scope.as_str());
        assert_eq!(got, answered, "{requested:?} of {granted:?}, always {always}");
    }
}

#[test]
fn the_apis_algorithm_is_handed_on() {
    for (algorithm, name) in SigningAlgorithm::ALL {
        let mut case = Case::good();
        case.resource_server.as_mut().unwrap().signing_algorithm = *algorithm;
        assert_eq!(case.decide().unwrap().algorithm, *algorithm, "{name}");
    }
}

#[test]
fn a_decision_repeats_exactly_and_each_moment_names_another_token() {
    let decided = Case::good().decide().unwrap();
    assert_eq!(decided, Case::good().decide().unwrap());
    let other = Case { moment: Moment::new(NOW, [8; 32]), ..Case::good() }.decide().unwrap();
    assert_ne!(decided.claims["jti"], other.claims["jti"]);
    let later = Case { moment: Moment::new(UnixTime(NOW.0 + 1), [7; 32]), ..Case::good() }.decide().unwrap();
    assert_eq!(later.claims["iat"], NOW.0 + 1);
}

#[test]
fn checks_come_in_an_order_that_tells_no_stranger_about_apis() {
    // A client that may not use the grant at all learns nothing about the API, its grants or its scopes.
    let mut case = Case::asking("&audience=urn:unknown&scope=nope");
    case.client.grant_types = vec![];
    case.resource_server = None;
    assert_eq!(case.decide(), Err(TokenError::GrantTypeNotAllowed("client_credentials")));
    // Without a client grant, nothing about scopes.
    let mut case = Case::asking(&format!("&audience={AUDIENCE}&scope=nope"));
    case.client_grant = None;
    assert_eq!(case.decide(), Err(TokenError::NoClientGrant(echo(AUDIENCE))));
}

#[test]
fn the_claims_are_those_of_the_dialect_in_their_order() {
    let mut case = Case::good();
    let auth0 = case.decide().unwrap().json;
    let jti = crate::generate::TokenId::of_access_token(&moment());
    assert_eq!(
        auth0,
        format!(
            r#"{{"iss":"https://localhost:8443/","sub":"geocoding-worker@clients","aud":"{AUDIENCE}","iat":1458785796,"exp":1458872196,"scope":"geocode","azp":"geocoding-worker","gty":"client-credentials","jti":"{}"}}"#,
            jti.as_str()
        )
    );
    case.resource_server.as_mut().unwrap().token_dialect = TokenDialect::Rfc9068;
    assert_eq!(
        case.decide().unwrap().json,
        format!(
            r#"{{"iss":"https://localhost:8443/","sub":"geocoding-worker@clients","aud":"{AUDIENCE}","iat":1458785796,"exp":1458872196,"scope":"geocode","client_id":"geocoding-worker","jti":"{}"}}"#,
            jti.as_str()
        )
    );
}
