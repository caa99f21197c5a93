//! Who sees which page, and who gets what.

use records::{ConsentFor, ConsentRule};

use super::*;

fn all_granted() -> Scene {
    Scene { granted: Some("read write openid"), ..Scene::new() }
}

fn consented(accepted: bool) -> Option<Answers> {
    let given = ConsentGiven { session: session_id(), accepted };
    Some(Answers { consent: Some(given), ..Answers::default() })
}

fn logged_in() -> Option<Answers> {
    Some(Answers { login: Some(session_id()), ..Answers::default() })
}

#[test]
fn the_pages_story_login_consent_token_and_never_again_until_more_is_wanted() {
    let mut scene = Scene { session: None, ..Scene::new() };
    assert_eq!(scene.calendar(""), "login");
    scene.session = Scene::new().session;
    assert_eq!(scene.step(&TOKEN.replace("read%20write", "read")), "consent read new read");
    scene.granted = Some("read");
    assert_eq!(scene.step(&TOKEN.replace("read%20write", "read")), "respond token(read)");
    assert_eq!(scene.calendar(""), "consent read write new write", "LC-19");
    scene.granted = Some("read write");
    assert_eq!(scene.calendar(""), "respond token(read write)");
    assert_eq!(
        scene.step(&TOKEN.replace("read%20write", "read")),
        "respond token(read)",
        "only what is asked for"
    );
}

#[test]
fn az_24_az_25_without_a_page_there_is_an_error() {
    let nobody = Scene { session: None, ..Scene::new() };
    assert_eq!(nobody.calendar("&prompt=none"), "refuse login_required");
    assert_eq!(Scene::new().calendar("&prompt=none"), "refuse consent_required");
    assert_eq!(all_granted().calendar("&prompt=none"), "respond token(read write)");
    let mut custom = all_granted();
    custom.client.callbacks = vec!["com.example.app:/cb".to_owned()];
    custom.settings.skip_non_verifiable_callback_uri_confirmation_prompt = false;
    let query = TOKEN.replace("https%3A%2F%2Fapp.example%2Fcallback", "com.example.app%3A%2Fcb");
    assert_eq!(custom.step(&query), "confirm");
    assert_eq!(custom.step(&format!("{query}&prompt=none")), "refuse interaction_required");
    custom.flow = Some(Answers { confirmed: Some(true), ..Answers::default() });
    assert_eq!(custom.step(&query), "respond token(read write)");
    custom.flow = Some(Answers { confirmed: Some(false), ..Answers::default() });
    assert_eq!(custom.step(&query), "refuse not_confirmed");
}

#[test]
fn az_27_az_28_a_fresh_login_is_had_when_it_is_asked_for() {
    let mut scene = all_granted();
    assert_eq!(scene.calendar("&prompt=login"), "login");
    assert_eq!(scene.calendar("&max_age=59"), "login");
    assert_eq!(scene.calendar("&max_age=0"), "login");
    assert_eq!(scene.calendar("&max_age=60"), "respond token(read write)");
    assert_eq!(scene.calendar("&max_age=59&prompt=none"), "refuse login_required");
    scene.flow = logged_in();
    assert_eq!(scene.calendar("&prompt=login&max_age=0"), "respond token(read write)");
    scene.flow = Some(Answers { login: Some(SessionId::parse("other").unwrap()), ..Answers::default() });
    assert_eq!(scene.calendar("&prompt=login"), "login", "another session's login answers nothing");
}

#[test]
fn az_29_az_33_nobody_gets_a_token_of_somebody_else() {
    let mut scene = all_granted();
    let other = records::UserId::parse("auth0|other").unwrap();
    scene.hint = Hint::Of(other);
    assert_eq!(scene.calendar("&prompt=none"), "refuse login_required");
    assert_eq!(scene.calendar(""), "login");
    scene.flow = logged_in();
    assert_eq!(scene.calendar(""), "refuse login_required", "the same person would be asked for ever");
    scene.hint = Hint::Of(user().id);
    assert_eq!(scene.calendar("&prompt=none"), "respond token(read write)");
    scene.hint = Hint::Refused;
    assert_eq!(scene.calendar(""), "refuse malformed_hint", "AZ-30");

    let sub =
        |id: &str| format!("&claims=%7B%22id_token%22%3A%7B%22sub%22%3A%7B%22value%22%3A%22{id}%22%7D%7D%7D");
    let scene = all_granted();
    assert_eq!(scene.calendar(&sub("auth0%7Cother")), "login");
    assert_eq!(scene.calendar(&sub("nobody")), "refuse login_required");
    assert_eq!(scene.calendar(&sub("auth0%7C0123456789abcdef01234567")), "respond token(read write)");
}

#[test]
fn az_31_an_essential_acr_that_cannot_be_reached_is_refused() {
    let acr = "&claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22values%22%3A%5B%22mfa%22%5D%7D%7D%7D";
    assert_eq!(all_granted().calendar(acr), "refuse essential_acr");
}

#[test]
fn az_36_whoever_declines_gets_access_denied_and_the_flow_is_over() {
    let scene = Scene { flow: consented(false), ..Scene::new() };
    let (step, writes) = scene.decide(TOKEN);
    assert_eq!(step, "refuse declined");
    assert!(matches!(&writes[..], [Write::ConsumeHandle(_)]), "{writes:?}");
    let mut other = scene;
    other.session = other.session.map(|session| Session { id: SessionId::parse("new").unwrap(), ..session });
    assert_eq!(other.calendar(""), "consent read write new read write", "somebody else's answer is none");
}

#[test]
fn prompt_consent_asks_again_once() {
    let mut scene = all_granted();
    assert_eq!(scene.calendar("&prompt=consent"), "consent read write new ");
    scene.flow = consented(true);
    assert_eq!(scene.calendar("&prompt=consent"), "respond token(read write)");
    scene.granted = None;
    assert_eq!(
        scene.calendar("&prompt=consent"),
        "consent read write new read write",
        "consent is believed from the store"
    );
}

#[test]
fn az_44_a_blocked_person_and_a_deleted_one() {
    let mut scene = all_granted();
    scene.user.is_blocked = true;
    assert_eq!(scene.calendar(""), "refuse user_blocked");
    let mut gone = all_granted();
    gone.user.id = records::UserId::parse("auth0|somebody-else").unwrap();
    assert_eq!(gone.calendar(""), "login");
}

#[test]
fn lc_05_a_session_that_ended_is_none() {
    let mut scene = all_granted();
    scene.session = scene.session.map(|session| Session { idle_expires_at: NOW, ..session });
    assert_eq!(scene.calendar(""), "login");
}

#[test]
fn a_connection_that_is_asked_for_must_exist_be_enabled_and_be_the_persons() {
    let mut scene = all_granted();
    assert_eq!(scene.calendar("&connection=Username-Password-Authentication"), "respond token(read write)");
    assert_eq!(scene.calendar("&connection=staff"), "refuse unknown_connection");
    let staff = records::ConnectionName::parse("staff").unwrap();
    scene.connection = scene.connection.map(|connection| Connection { name: staff, ..connection });
    assert_eq!(scene.calendar("&connection=staff"), "login", "the person is known elsewhere");
    scene.connection = scene
        .connection
        .map(|connection| Connection { enabled_clients: EnabledClients::Only(vec![]), ..connection });
    assert_eq!(scene.calendar("&connection=staff"), "refuse connection_not_enabled");
}

#[test]
fn a_session_opens_only_applications_to_which_its_people_have_a_way() {
    let mut scene = all_granted();
    let only = |clients| move |home| Connection { enabled_clients: EnabledClients::Only(clients), ..home };
    scene.home = scene.home.map(only(vec![scene.client.id.clone()]));
    assert_eq!(scene.calendar(""), "respond token(read write)");
    scene.home = scene.home.map(only(vec![]));
    assert_eq!(scene.calendar(""), "login");
    assert_eq!(scene.calendar("&prompt=none"), "refuse login_required");
    scene.connection = scene.home.clone();
    assert_eq!(scene.calendar(""), "refuse connection_not_enabled", "nor can they log in");
    scene.home = None;
    assert_eq!(scene.calendar("&prompt=none"), "refuse login_required");
}

#[test]
fn oidc_core_11_offline_access_is_heard_where_a_code_is_answered() {
    let mut scene = all_granted();
    scene.granted = Some("read write offline_access");
    let more = |query: &str| query.replace("read%20write", "read%20offline_access");
    assert_eq!(scene.step(&more(TOKEN)), "respond token(read)");
    let hybrid = code_query("").replace("response_type=code", "response_type=code%20token");
    assert_eq!(scene.step(&more(&hybrid)), "respond code token(offline_access read)");
}

#[test]
fn an_unknown_api_and_one_that_refuses_people() {
    let mut scene = all_granted();
    assert_eq!(scene.step(&TOKEN.replace("api.calendar", "api.unknown")), "refuse unknown_api");
    scene.api = scene.api.map(|api| ResourceServer { user_policy: records::UserPolicy::DenyAll, ..api });
    assert_eq!(scene.calendar(""), "refuse api_refuses_people");
    scene.api =
        scene.api.map(|api| ResourceServer { user_policy: records::UserPolicy::RequireClientGrant, ..api });
    assert_eq!(scene.calendar(""), "refuse no_client_grant");
}

#[test]
fn without_an_audience_a_first_party_needs_no_consent_and_a_third_party_does() {
    let query = TOKEN.replace("&audience=api.calendar", "").replace("read%20write", "openid%20read");
    let first = Scene { api: None, ..Scene::new() };
    assert_eq!(first.step(&query), "respond token(openid)");
    assert_eq!(
        first.step(&format!("{query}&audience=https%3A%2F%2Flocalhost%3A8443%2Fuserinfo")),
        "respond token(openid)"
    );
    let third = Scene { api: None, ..Scene::new() }.third_party(ThirdPartySecurityMode::Permissive);
    assert_eq!(third.step(&query), "consent openid new openid");
}

#[test]
fn what_an_administrator_allowed_is_not_asked_for() {
    let rule = |users, text: &str| ConsentRule { users, scopes: scopes(text) };
    let mut scene = Scene::new();
    let consent = |rules| {
        Some(AdministrativeConsent {
            client: Scene::new().client.id,
            resource_server: calendar().id,
            rules,
            created_at: UnixTime(1),
            updated_at: UnixTime(1),
        })
    };
    scene.administrative = consent(vec![rule(ConsentFor::Everybody, "read write")]);
    assert_eq!(scene.calendar("&prompt=none"), "respond token(read write)");
    assert_eq!(scene.calendar("&prompt=consent"), "consent read write new ");
    scene.administrative = consent(vec![rule(ConsentFor::Users(vec![user().id]), "read")]);
    assert_eq!(scene.calendar(""), "consent read write new write");
    let other = records::UserId::parse("auth0|other").unwrap();
    scene.administrative = consent(vec![rule(ConsentFor::Users(vec![other]), "read write")]);
    assert_eq!(scene.calendar(""), "consent read write new read write");
}

#[test]
fn an_optional_scope_that_was_left_out_is_not_asked_for_again() {
    let mut scene = Scene { granted: Some("read"), left_out: "write", ..Scene::new() };
    assert_eq!(scene.calendar(""), "consent read write new write", "it is required by now");
    if let Some(api) = &mut scene.api {
        api.scopes.iter_mut().for_each(|scope| scope.is_optional = scope.value.as_str() == "write");
    }
    assert_eq!(scene.calendar(""), "respond token(read)");
    assert_eq!(scene.calendar("&prompt=consent"), "consent read write new write");
}

#[test]
fn a_grant_to_an_earlier_client_of_the_same_id_is_none() {
    let mut scene = all_granted();
    scene.client.created_at = UnixTime(2);
    assert_eq!(scene.calendar(""), "consent read write new read write");
    let mut scene = all_granted();
    scene.api = scene.api.map(|api| ResourceServer { created_at: UnixTime(2), ..api });
    assert_eq!(scene.calendar(""), "consent read write new read write");
}

#[test]
fn an_answer_uses_up_its_flow_and_relies_on_what_it_read() {
    let (step, writes) = all_granted().decide(TOKEN);
    assert_eq!(step, "respond token(read write)");
    assert_eq!(writes, [], "silent renewal writes nothing");

    let scene = Scene { flow: logged_in(), ..all_granted() };
    let (step, writes) = scene.decide(&code_query(""));
    assert_eq!(step, "respond code");
    assert!(writes.iter().any(|write| matches!(write, Write::ConsumeHandle(_))));
    assert!(writes.iter().any(|write| matches!(write, Write::IssueCode(_))));
    assert!(writes.iter().any(|write| matches!(write, Write::RelyOnUser(_))));
    assert!(writes.iter().any(|write| matches!(write, Write::RelyOnSession(_))));
    assert!(writes.iter().any(|write| matches!(write, Write::RelyOnUserGrant(_))));
}

#[test]
fn a_code_is_bound_to_everything_that_was_decided() {
    let query = code_query("&max_age=1000").replace("read%20write", "openid%20read%20unknown");
    let (_, writes) = all_granted().decide(&query);
    let code = writes
        .into_iter()
        .find_map(|write| match write {
            Write::IssueCode(code) => Some(code),
            _ => None,
        })
        .unwrap();
    assert_eq!(code.client, Scene::new().client.id);
    assert_eq!((code.redirect_uri.as_str(), code.redirect_uri_was_sent), (CALLBACK, true));
    assert_eq!(code.scopes, scopes("openid read"), "AZ-12: an unknown scope is left out");
    assert!(!code.is_as_requested && code.names_auth_time);
    assert_eq!(code.origin, origin());
    assert_eq!(code.user, user().id);
    assert_eq!(code.session, session_id());
    assert_eq!(code.authenticated_at, UnixTime(NOW.0 - 60));
    assert_eq!(code.audience, Audience::Api(calendar().id));
    assert_eq!(code.nonce.as_deref(), Some("n"));
    assert_eq!(code.expires_at, UnixTime(NOW.0 + 60));
    assert!(code.code_challenge.is_some());
}

#[test]
fn every_response_type_gives_what_it_names() {
    let query = code_query("").replace("read%20write", "openid%20read");
    for (response_type, expected) in [
        ("code", "respond code"),
        ("token", "respond token(openid read)"),
        ("id_token", "respond id_token"),
        ("token%20id_token", "respond token(openid read) id_token"),
        ("code%20id_token", "respond code id_token"),
        ("code%20token", "respond code token(openid read)"),
        ("id_token%20token%20code", "respond code token(openid read) id_token"),
    ] {
        let query = query.replace("response_type=code", &format!("response_type={response_type}"));
        assert_eq!(all_granted().step(&query), expected, "{response_type}");
    }
}

#[test]
fn a_first_use_by_a_client_and_an_old_use_are_noted_in_the_session() {
    let mut scene = all_granted();
    if let Some(session) = &mut scene.session {
        session.clients.clear();
    }
    let (_, writes) = scene.decide(TOKEN);
    let noted = writes.iter().find_map(|write| match write {
        Write::ReplaceSession(_, next) => Some(next.clone()),
        _ => None,
    });
    assert_eq!(noted.unwrap().clients, [Scene::new().client.id]);
}

#[test]
fn consent_for_claims_that_are_asked_for_one_by_one_is_asked_for_too() {
    let claims = "&claims=%7B%22userinfo%22%3A%7B%22email%22%3Anull%7D%7D";
    let query = TOKEN.replace("read%20write", "openid%20read");
    assert_eq!(all_granted().step(&format!("{query}{claims}")), "consent email openid read new email");
}

mod dialogs {
    use super::*;
    use crate::authorize::consent::{Facts as ConsentFacts, answer};
    use records::{ConsentAnswer, UserGrant};

    fn asked() -> Asked {
        Asked {
            audience: Audience::Api(calendar().id),
            scopes: scopes("read write"),
            missing: scopes("write"),
        }
    }

    fn answered(scene: &Scene, chosen: Option<&str>) -> (Vec<Write>, ConsentGiven) {
        let session = Versioned { record: scene.session.clone().unwrap(), version: Version(1) };
        let user = Versioned { record: scene.user.clone(), version: Version(2) };
        let grant = scene.grant();
        let facts = ConsentFacts {
            settings: &scene.settings,
            client: &scene.client,
            api: scene.api.as_ref(),
            session: &session,
            user: &user,
            grant: grant.as_ref(),
        };
        let params = AuthorizeParams::parse(TOKEN.as_bytes()).unwrap();
        let flow = Flow::begin(params, "browser".to_owned(), &moment()).unwrap();
        answer(&asked(), &facts, chosen.map(scopes).as_ref(), &flow, &moment()).unwrap()
    }

    fn granted(writes: &[Write]) -> Option<UserGrant> {
        writes.iter().find_map(|write| match write {
            Write::CreateUserGrant(grant) | Write::ReplaceUserGrant(_, grant) => Some(grant.clone()),
            _ => None,
        })
    }

    #[test]
    fn an_accepted_dialog_grants_what_was_asked_for_and_nothing_else() {
        let (writes, given) = answered(&Scene::new(), Some("admin openid"));
        assert!(given.accepted);
        let grant = granted(&writes).unwrap();
        assert_eq!(grant.scopes, scopes("read write"), "LC-17: the form cannot add a scope");
        assert_eq!(grant.id.as_str().len(), 24);
    }

    #[test]
    fn grants_grow_by_union() {
        let scene = Scene { granted: Some("openid read"), ..Scene::new() };
        let grant = granted(&answered(&scene, Some("")).0).unwrap();
        assert_eq!(grant.scopes, scopes("openid read write"));
        assert_eq!((grant.created_at, grant.updated_at), (UnixTime(1), NOW));
        let mut newer = Scene { granted: Some("openid"), ..Scene::new() };
        newer.client.created_at = UnixTime(2);
        assert_eq!(
            granted(&answered(&newer, Some("")).0).unwrap().scopes,
            scopes("read write"),
            "of this client alone"
        );
    }

    #[test]
    fn an_optional_scope_is_granted_where_it_is_ticked_and_taken_back_where_it_is_not() {
        let mut scene = Scene { granted: Some("read write"), ..Scene::new() };
        if let Some(api) = &mut scene.api {
            api.scopes.iter_mut().for_each(|scope| scope.is_optional = scope.value.as_str() == "write");
        }
        let without = granted(&answered(&scene, Some("")).0).unwrap();
        assert_eq!((without.scopes, without.left_out), (scopes("read"), scopes("write")));
        scene.granted = Some("read");
        scene.left_out = "write";
        let with = granted(&answered(&scene, Some("write")).0).unwrap();
        assert_eq!((with.scopes, with.left_out), (scopes("read write"), scopes("")));
    }

    #[test]
    fn what_was_shown_and_chosen_is_kept_whatever_was_chosen() {
        for (chosen, expected) in
            [(None, ConsentAnswer::Declined), (Some(""), ConsentAnswer::Accepted(scopes("read write")))]
        {
            let (writes, _) = answered(&Scene::new(), chosen);
            let record = writes.iter().find_map(|write| match write {
                Write::RecordConsent(record) => Some(record.clone()),
                _ => None,
            });
            let record = record.unwrap();
            assert_eq!(record.answer, expected);
            assert_eq!(record.decided_at, NOW);
            let values: Vec<_> =
                record.shown.iter().map(|shown| (shown.value.as_str(), shown.is_new)).collect();
            assert_eq!(values, [("read", false), ("write", true)]);
            assert_eq!(granted(&writes).is_some(), chosen.is_some());
        }
    }
}
