//! Codes, rule by rule (RFC 6749 §4.1.3; RFC 7636 §4.6; threat model CG).

use records::{
    ApiIdentifier, Audience, AuthenticationMethod, Client, ClientId, Connection, ErrorProfile, Lifetime,
    ResourceServer, ResourceServerId, ScopeSet, SessionId, SigningAlgorithm, UnixTime, UpdatedAt, User,
    UserGrant, UserGrantId, UserId, Version,
};
use serde_json::{Value, json};

use super::*;
use crate::client_auth::authenticate;
use crate::fixtures::{
    AUDIENCE, CLIENT, NOW, SECRET, client, digest_key, moment, origin, public_client, resource_server, user,
};
use crate::issue::UserToken;
use crate::{Presented, TokenResponse};

const CALLBACK: &str = "http://localhost:3000/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn versioned<T>(record: T) -> Versioned<T> {
    Versioned { record, version: Version(7) }
}

/// Everything a decision depends on, good unless a test says otherwise.
#[derive(Clone)]
struct Case {
    code_text: String,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    client: Client,
    code: Option<Versioned<AuthorizationCode>>,
    user: Option<Versioned<User>>,
    api: Option<ResourceServer>,
    user_grant: Option<Versioned<UserGrant>>,
    home: Option<Connection>,
    consent_still_holds: bool,
    settings: TenantSettings,
    origin: Origin,
    moment: Moment,
}

impl Case {
    /// A single-page application with its challenge.
    fn public() -> Self {
        let (code, id) = new_code(&Moment::new(NOW, [3; 32])).unwrap();
        let client = Client { grant_types: vec![GrantType::AuthorizationCode], ..public_client() };
        Self {
            code_text: code.expose().to_owned(),
            redirect_uri: Some(CALLBACK.to_owned()),
            code_verifier: Some(VERIFIER.to_owned()),
            code: Some(versioned(AuthorizationCode {
                id,
                state: CodeState::Unused,
                client: client.id.clone(),
                redirect_uri: CALLBACK.to_owned(),
                redirect_uri_was_sent: true,
                code_challenge: Some(Challenge::parse(CHALLENGE, Some("S256")).unwrap().to_bytes()),
                origin: origin(),
                user: user().id,
                session: SessionId::parse("session-1").unwrap(),
                authenticated_at: UnixTime(NOW.0 - 100),
                methods: vec![AuthenticationMethod::Password],
                audience: Audience::Api(resource_server().id),
                scopes: scope("openid profile geocode"),
                is_as_requested: true,
                nonce: Some("n-1".to_owned()),
                names_auth_time: false,
                claims: None,
                issued_at: UnixTime(NOW.0 - 10),
                expires_at: UnixTime(NOW.0 + 50),
            })),
            client,
            user: Some(versioned(user())),
            api: Some(resource_server()),
            user_grant: None,
            home: Some(Connection {
                name: user().connection,
                enabled_clients: records::EnabledClients::All,
                created_at: UnixTime(0),
            }),
            consent_still_holds: true,
            settings: TenantSettings::default(),
            origin: origin(),
            moment: moment(),
        }
    }

    /// A web application with its secret and no challenge.
    fn confidential() -> Self {
        let mut case = Self::public();
        case.client = Client { grant_types: vec![GrantType::AuthorizationCode], ..client() };
        case.code_verifier = None;
        case.code().code_challenge = None;
        case
    }

    fn code(&mut self) -> &mut AuthorizationCode {
        &mut self.code.as_mut().unwrap().record
    }

    fn user(&mut self) -> &mut User {
        &mut self.user.as_mut().unwrap().record
    }

    fn api(&mut self) -> &mut ResourceServer {
        self.api.as_mut().unwrap()
    }

    fn run<R>(&self, read: impl FnOnce(Decision<Tokens<'_>>) -> R) -> R {
        let credentials = match self.client.is_public() {
            true => format!("client_id={CLIENT}"),
            false => format!("client_id={CLIENT}&client_secret={SECRET}"),
        };
        let presented = Presented::parse([], &Params::from_form(credentials.as_bytes()).unwrap()).unwrap();
        let keys = crate::fixtures::refresh_keys();
        let facts = Facts {
            client: authenticate(&presented, Some(&self.client), &digest_key(), NOW).unwrap(),
            code: self.code.as_ref(),
            still: StillFacts {
                user: self.user.as_ref(),
                api: self.api.as_ref(),
                client_grant: None,
                home: self.home.as_ref(),
                user_grant: self.user_grant.as_ref(),
                consent_still_holds: self.consent_still_holds,
            },
            settings: &self.settings,
            origin: &self.origin,
            family: None,
            new_family: NewFamily { keys: &keys, oldest: None },
        };
        let request = Request {
            code: &self.code_text,
            redirect_uri: self.redirect_uri.as_deref(),
            code_verifier: self.code_verifier.as_deref(),
        };
        read(decide(&request, facts, &self.moment))
    }

    /// The refusal, which never writes: the code is as good as before (CG-12).
    fn refusal(&self) -> TokenError {
        self.run(|decision| {
            assert_eq!(decision.writes, [], "a refusal leaves the code as it was");
            match decision.outcome {
                Outcome::Refused(error) => error,
                Outcome::Granted(tokens) => panic!("granted: {tokens:?}"),
            }
        })
    }

    fn refused_as(&self, refusal: CodeRefusal, what: &str) {
        assert_eq!(self.refusal(), TokenError::Code(refusal), "{what}");
    }

    fn granted(&self) -> Granted {
        self.run(|decision| match decision.outcome {
            Outcome::Refused(error) => panic!("refused: {error:?}"),
            Outcome::Granted(tokens) => {
                let (access_token, user_info) = match &tokens.access_token {
                    UserToken::Api(token) => (serde_json::to_value(token).unwrap(), None),
                    UserToken::UserInfo(token) => (Value::Null, Some(token.clone())),
                };
                let signed = tokens.id_token.is_some().then(|| "ID".to_owned());
                Granted {
                    access_token,
                    user_info,
                    id_token: tokens.id_token.as_ref().map(|token| serde_json::to_value(token).unwrap()),
                    id_token_algorithm: tokens.id_token.as_ref().map(|token| token.signing_algorithm),
                    response: TokenResponse::of_tokens(&tokens, "AT".to_owned(), signed).to_json(),
                    writes: decision.writes,
                }
            }
        })
    }
}

#[derive(Debug, PartialEq)]
struct Granted {
    access_token: Value,
    user_info: Option<crate::issue::UserInfoToken>,
    id_token: Option<Value>,
    id_token_algorithm: Option<SigningAlgorithm>,
    response: String,
    writes: Vec<Write>,
}

fn scope(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

//= RFC 6749 §4.1.4
#[test]
fn a_code_becomes_an_access_token_and_an_id_token() {
    for case in [Case::public(), Case::confidential()] {
        let granted = case.granted();
        assert_eq!(
            granted.response,
            r#"{"access_token":"AT","token_type":"Bearer","expires_in":86400,"scope":"geocode openid profile","id_token":"ID"}"#
        );
        let access = &granted.access_token;
        assert_eq!(access["sub"], "auth0|0123456789abcdef01234567");
        assert_eq!(access["aud"], json!([AUDIENCE, "https://localhost:8443/userinfo"]));
        assert_eq!(access["azp"], CLIENT);
        assert_eq!(access["scope"], "geocode openid profile");
        assert_eq!(access.get("gty"), None, "Auth0 names none for a code");
        let id = granted.id_token.unwrap();
        assert_eq!(id["aud"], CLIENT);
        assert_eq!(id["sub"], access["sub"]);
        assert_eq!(id["iss"], access["iss"]);
        assert_eq!(id["nonce"], "n-1");
        assert_eq!(id["sid"], "session-1");
        assert_eq!(id["amr"], json!(["pwd"]));
        assert_eq!(id["exp"], NOW.0 + 36_000);
        assert_eq!(id["name"], "Ada Lovelace");
        for absent in ["auth_time", "at_hash", "c_hash", "email", "acr", "azp"] {
            assert_eq!(id.get(absent), None, "{absent}");
        }
    }
}

#[test]
fn cg_02_a_success_uses_the_code_up_and_relies_on_what_it_saw() {
    let mut case = Case::public();
    let used = AuthorizationCode { state: CodeState::Used { at: NOW, family: None }, ..case.code().clone() };
    let redeemed = Write::RedeemCode(case.code.clone().unwrap(), used);
    let relied = Write::RelyOnUser(case.user.as_ref().unwrap().map(|user| user.id.clone()));
    assert_eq!(case.granted().writes, [redeemed.clone(), relied.clone()]);

    let grant = versioned(UserGrant {
        id: UserGrantId::parse("0123456789abcdef01234567").unwrap(),
        user: user().id,
        client: case.client.id.clone(),
        audience: Audience::Api(resource_server().id),
        scopes: scope("geocode"),
        left_out: ScopeSet::default(),
        created_at: NOW,
        updated_at: NOW,
    });
    case.user_grant = Some(grant.clone());
    assert_eq!(case.granted().writes, [redeemed, relied, Write::RelyOnUserGrant(grant.map(UserGrant::key))]);
}

//= RFC 6749 §4.1.2
#[test]
fn cg_01_a_code_that_was_used_is_refused() {
    for at in [NOW, UnixTime(NOW.0 - 30), UnixTime(NOW.0 + 30)] {
        let mut case = Case::public();
        case.code().state = CodeState::Used { at, family: None };
        case.refused_as(CodeRefusal::Used, "used");
    }
}

#[test]
fn cg_03_a_code_is_refused_from_the_second_it_expires() {
    for (seconds, good) in [(-10_i64, true), (0, true), (49, true), (50, false), (51, false), (3600, false)] {
        let mut case = Case::public();
        case.moment = Moment::new(UnixTime(NOW.0.checked_add_signed(seconds).unwrap()), [7; 32]);
        if good {
            case.granted();
        } else {
            case.refused_as(CodeRefusal::Expired, "expired");
        }
    }
}

//= RFC 6749 §4.1.3
#[test]
fn cg_04_a_code_of_another_client_is_refused() {
    for other in ["someone-else", "Geocoding-Worker", "geocoding-worke"] {
        for mut case in [Case::public(), Case::confidential()] {
            case.code().client = ClientId::parse(other).unwrap();
            case.refused_as(CodeRefusal::OfAnotherClient, other);
            // Not even with everything else wrong is more said.
            case.code_verifier = Some("x".repeat(43));
            case.redirect_uri = Some("https://evil.example/".to_owned());
            case.refused_as(CodeRefusal::OfAnotherClient, other);
        }
    }
}

#[test]
fn az_38_a_code_of_another_origin_is_refused() {
    for other in ["http://localhost:8080", "https://localhost:8444", "https://localhost"] {
        let mut case = Case::public();
        case.origin = Origin::parse(other).unwrap();
        case.refused_as(CodeRefusal::OfAnotherOrigin, other);
    }
}

#[test]
fn cg_05_a_code_that_was_altered_is_unknown() {
    let good = Case::public();
    for position in 0..good.code_text.len() {
        let mut altered = good.code_text.clone().into_bytes();
        altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        assert_ne!(code_id(&altered), code_id(&good.code_text));
        Case { code_text: altered, ..good.clone() }.refused_as(CodeRefusal::Unknown, "altered");
    }
    let text = &good.code_text;
    let mut forms = vec![
        String::new(),
        text[..42].to_owned(),
        format!("{text}A"),
        format!("{text}="),
        format!(" {text}"),
        format!("{text}\n"),
        text.to_lowercase(),
        "A".repeat(10_000),
        "\u{e9}".to_owned(),
    ];
    // Another spelling of the same bytes: the last character has two bits to spare.
    let last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".find(&text[42..]).unwrap();
    assert_eq!(last % 4, 0);
    for spare in 1..4 {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        forms.push(format!("{}{}", &text[..42], &alphabet[last + spare..=last + spare]));
    }
    for form in forms {
        assert_eq!(code_id(&form), None, "{form}");
        Case { code_text: form, ..good.clone() }.refused_as(CodeRefusal::Unknown, "another form");
    }
    Case { code: None, ..good }.refused_as(CodeRefusal::Unknown, "unknown");
}

#[test]
fn cg_06_a_request_without_a_code_is_refused() {
    for form in ["grant_type=authorization_code", "grant_type=authorization_code&code="] {
        let params = Params::from_form(form.as_bytes()).unwrap();
        assert_eq!(TokenRequest::parse(&params), Err(TokenError::MissingParameter("code")));
        assert_eq!(parse(&params), Err(TokenError::MissingParameter("code")));
    }
    let form = "grant_type=authorization_code&code=abc&redirect_uri=https%3A%2F%2Fa%2F&code_verifier=v";
    let params = Params::from_form(form.as_bytes()).unwrap();
    let expected = Request { code: "abc", redirect_uri: Some("https://a/"), code_verifier: Some("v") };
    assert_eq!(TokenRequest::parse(&params), Ok(TokenRequest::AuthorizationCode(expected)));
    assert!(!format!("{expected:?}").contains("abc"), "a code is not printed");
}

//= RFC 6749 §4.1.3
#[test]
fn cg_07_the_redirect_uri_is_required_where_it_was_sent_and_equal_where_it_is() {
    let mut case = Case::public();
    case.redirect_uri = None;
    case.refused_as(CodeRefusal::RedirectUriMissing, "missing");
    case.code().redirect_uri_was_sent = false;
    case.granted();
    for was_sent in [true, false] {
        case.code().redirect_uri_was_sent = was_sent;
        case.redirect_uri = Some(CALLBACK.to_owned());
        case.granted();
        for other in [
            "http://localhost:3000/callback/",
            "http://localhost:3000/CALLBACK",
            "http://localhost:3000/callback?",
            "http://localhost:3000/callback#",
            "http://LOCALHOST:3000/callback",
            "http://127.0.0.1:3000/callback",
            "https://evil.example/",
            " http://localhost:3000/callback",
        ] {
            case.redirect_uri = Some(other.to_owned());
            case.refused_as(CodeRefusal::RedirectUriDiffers, other);
        }
    }
}

//= RFC 7636 §4.6
#[test]
fn cg_08_a_missing_verifier_is_refused() {
    let mut case = Case::public();
    case.code_verifier = None;
    case.refused_as(CodeRefusal::VerifierMissing, "public");
    let mut case = Case::confidential();
    case.code().code_challenge = Case::public().code().code_challenge;
    case.refused_as(CodeRefusal::VerifierMissing, "confidential");
    case.code_verifier = Some(VERIFIER.to_owned());
    case.granted();
}

#[test]
fn cg_09_a_wrong_verifier_is_refused() {
    let lower = VERIFIER.to_lowercase();
    for wrong in ["x".repeat(43).as_str(), CHALLENGE, &lower, &VERIFIER[..42], &format!("{VERIFIER}a")] {
        let mut case = Case::public();
        case.code_verifier = Some(wrong.to_owned());
        case.refused_as(CodeRefusal::VerifierWrong, wrong);
        let mut case = Case { client: Case::confidential().client, ..case };
        case.code().client = case.client.id.clone();
        case.refused_as(CodeRefusal::VerifierWrong, wrong);
    }
}

//= RFC 9700 §2.1.1
#[test]
fn cg_10_a_verifier_without_a_challenge_is_refused() {
    let mut case = Case::confidential();
    case.code_verifier = Some(VERIFIER.to_owned());
    case.refused_as(CodeRefusal::VerifierUnexpected, "confidential");
    let mut case = Case::public();
    case.code().code_challenge = None;
    case.refused_as(CodeRefusal::VerifierUnexpected, "public");
}

//= RFC 9700 §2.1.1
#[test]
fn a_public_clients_code_without_a_challenge_is_never_redeemed() {
    let mut case = Case::public();
    case.code().code_challenge = None;
    case.code_verifier = None;
    case.refused_as(CodeRefusal::NoChallenge, "public");
}

#[test]
fn cg_11_a_malformed_verifier_is_refused() {
    for bad in
        ["a".repeat(42), "a".repeat(129), format!("{}+", "a".repeat(43)), format!("{}\u{e9}", "a".repeat(43))]
    {
        let mut case = Case::public();
        case.code().code_challenge = Some(crypto::sha256(&[bad.as_bytes()]));
        case.code_verifier = Some(bad.clone());
        case.refused_as(CodeRefusal::VerifierWrong, &bad);
    }
}

#[test]
fn cg_12_whatever_is_refused_the_code_can_still_be_redeemed() {
    // `refusal` shows that nothing is written; so the same row answers the right request afterwards.
    let mut case = Case::public();
    case.code_verifier = Some("x".repeat(43));
    case.refusal();
    case.code_verifier = Some(VERIFIER.to_owned());
    case.granted();
}

#[test]
fn cg_14_codes_have_256_random_bits_and_are_unique() {
    let mut seen = std::collections::BTreeSet::new();
    for number in 0..10_000_u32 {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let (code, id) = new_code(&Moment::new(NOW, seed)).unwrap();
        assert_eq!(code.expose().len(), 43);
        assert_eq!(code_id(code.expose()), Some(id.clone()));
        assert!(!id.as_str().contains(&code.expose()[..20]), "the id says nothing about the code");
        assert!(seen.insert(code.expose().to_owned()));
    }
}

#[test]
fn lc_12_a_blocked_or_deleted_person_gets_nothing() {
    let mut case = Case::public();
    case.user().is_blocked = true;
    assert_eq!(case.refusal(), TokenError::UserBlocked);
    assert_eq!(case.refusal().answer(ErrorProfile::Rfc6749).error, "invalid_grant");
    case.user = None;
    case.refused_as(CodeRefusal::Withdrawn(Withdrawn::UserGone), "deleted");
    let mut case = Case::public();
    case.user().id = UserId::parse("auth0|somebody-else").unwrap();
    case.refused_as(CodeRefusal::Withdrawn(Withdrawn::UserGone), "another person");
}

#[test]
fn a_withdrawn_consent_and_a_removed_api_end_a_code() {
    for home in [
        None,
        Case::public()
            .home
            .map(|home| Connection { enabled_clients: records::EnabledClients::Only(Vec::new()), ..home }),
    ] {
        let case = Case { home, ..Case::public() };
        assert_eq!(case.refusal(), CodeRefusal::Withdrawn(Withdrawn::ConnectionDisabled).into());
    }
    let case = Case { consent_still_holds: false, ..Case::public() };
    case.refused_as(CodeRefusal::Withdrawn(Withdrawn::ConsentWithdrawn), "withdrawn");
    let case = Case { api: None, ..Case::public() };
    case.refused_as(CodeRefusal::Withdrawn(Withdrawn::ApiGone), "removed");
    let mut case = Case::public();
    case.api().id = ResourceServerId::parse("000000000000000000000000").unwrap();
    case.refused_as(CodeRefusal::Withdrawn(Withdrawn::ApiGone), "another API");
}

#[test]
fn tk_06_a_client_that_may_not_use_codes_is_refused_before_anything_else() {
    let refused = TokenError::GrantTypeNotAllowed("authorization_code");
    for (grant_type, name) in
        GrantType::ALL.iter().filter(|(grant_type, _)| *grant_type != GrantType::AuthorizationCode)
    {
        for mut case in [Case::public(), Case::confidential()] {
            case.client.grant_types = vec![*grant_type];
            assert_eq!(case.refusal(), refused, "{name}");
            case.code = None;
            assert_eq!(case.refusal(), refused, "{name}");
        }
    }
}

#[test]
fn the_id_token_comes_with_openid_alone() {
    for (scopes, expected) in
        [("openid", true), ("openid geocode", true), ("geocode profile", false), ("", false)]
    {
        let mut case = Case::public();
        case.code().scopes = scope(scopes);
        let granted = case.granted();
        assert_eq!(granted.id_token.is_some(), expected, "{scopes}");
        assert_eq!(granted.response.contains("id_token"), expected);
    }
}

//= OpenID Connect Core 1.0 §3.1.2.1
#[test]
fn auth_time_is_named_where_the_request_wanted_it() {
    let mut case = Case::public();
    case.code().names_auth_time = true;
    assert_eq!(case.granted().id_token.unwrap()["auth_time"], NOW.0 - 100);
    case.code().nonce = None;
    assert_eq!(case.granted().id_token.unwrap().get("nonce"), None);
}

#[test]
fn the_id_token_is_signed_and_lives_as_the_client_says() {
    let mut case = Case::confidential();
    case.client.id_token_algorithm = SigningAlgorithm::Hs256;
    case.client.id_token_lifetime = Lifetime(60);
    let granted = case.granted();
    assert_eq!(granted.id_token_algorithm, Some(SigningAlgorithm::Hs256));
    assert_eq!(granted.id_token.unwrap()["exp"], NOW.0 + 60);
}

#[test]
fn without_an_api_the_token_is_for_userinfo_and_knows_the_single_claims() {
    let mut case = Case::public();
    case.api = None;
    case.code().audience = Audience::UserInfo;
    case.code().scopes = scope("openid email");
    case.code().claims =
        Some(r#"{"userinfo":{"name":null,"acr":null},"id_token":{"picture":null}}"#.to_owned());
    let granted = case.granted();
    let token = granted.user_info.unwrap();
    assert_eq!(token.claims, ["name"]);
    assert_eq!(token.lifetime, Lifetime::DAY);
    assert_eq!(token.session.unwrap().as_str(), "session-1");
    let id = granted.id_token.unwrap();
    assert_eq!(id["picture"], "https://example.com/ada.png");
    assert_eq!(id["email"], "ada@example.com");
    assert_eq!(id.get("name"), None);
    assert!(granted.response.contains("\"expires_in\":86400"));
    // A row that cannot be read tells nothing more than the scopes do.
    case.code().claims = Some("{".to_owned());
    assert_eq!(case.granted().id_token.unwrap().get("picture"), None);
}

#[test]
fn an_api_that_was_loaded_without_need_changes_nothing() {
    let mut case = Case::public();
    case.code().audience = Audience::UserInfo;
    assert!(case.granted().user_info.is_some());
}

//= RFC 6749 §5.1
#[test]
fn the_scope_is_left_out_only_where_the_client_can_tell_it() {
    for (always, as_requested, scopes, named) in [
        (true, true, "openid", true),
        (true, false, "openid", true),
        (false, false, "openid", true),
        (false, true, "openid", false),
        (true, false, "", false),
        (false, false, "", false),
    ] {
        let mut case = Case::public();
        case.settings.always_return_scope = always;
        case.code().is_as_requested = as_requested;
        case.code().scopes = scope(scopes);
        assert_eq!(
            case.granted().response.contains("\"scope\""),
            named,
            "{always} {as_requested} {scopes:?}"
        );
    }
}

#[test]
fn the_tokens_are_those_of_the_origin_and_spelled_as_the_tenant_wants() {
    let mut case = Case::public();
    let there = Origin::parse("http://localhost:8080").unwrap();
    case.code().origin = there.clone();
    case.origin = there;
    case.api().identifier = ApiIdentifier::Management;
    case.settings.updated_at = UpdatedAt::Iso8601;
    let granted = case.granted();
    assert_eq!(granted.access_token["aud"][0], "http://localhost:8080/api/v2/");
    let id = granted.id_token.unwrap();
    assert_eq!(id["iss"], "http://localhost:8080/");
    assert_eq!(id["updated_at"], "2017-03-30T15:13:40.000Z");
}

#[test]
fn the_answer_follows_the_person_as_they_are_now() {
    let mut case = Case::public();
    case.user().profile.name = Some("Ada King".to_owned());
    assert_eq!(case.granted().id_token.unwrap()["name"], "Ada King");
}

#[test]
fn a_decision_repeats_exactly_and_each_moment_names_another_token() {
    let case = Case::public();
    assert_eq!(case.granted(), case.granted());
    let other = Case { moment: Moment::new(NOW, [8; 32]), ..case.clone() };
    assert_ne!(case.granted().access_token["jti"], other.granted().access_token["jti"]);
}
