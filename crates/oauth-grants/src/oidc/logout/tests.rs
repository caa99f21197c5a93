//! Logout requests, by the hundred (OpenID Connect RP-Initiated Logout 1.0 §2, §3, §4; threats LO-01 to LO-08).

use records::{AuthenticationMethod, UnixTime};

use super::*;
use crate::fixtures::client;

const BYE: &str = "https://app.example/bye";

fn application() -> Client {
    Client {
        allowed_logout_urls: vec![BYE.to_owned(), "https://app.example/other?x=1".to_owned()],
        ..client()
    }
}

fn session(id: &str, user: &str) -> Session {
    Session {
        id: SessionId::parse(id).unwrap(),
        user: UserId::parse(user).unwrap(),
        authenticated_at: UnixTime(1),
        methods: vec![AuthenticationMethod::Password],
        created_at: UnixTime(1),
        expires_at: UnixTime(100),
        idle_expires_at: UnixTime(100),
        clients: vec![application().id],
    }
}

fn hint(user: &str, session: Option<&str>) -> LogoutHint {
    LogoutHint::Of {
        client: application().id,
        user: UserId::parse(user).unwrap(),
        session: session.map(|id| SessionId::parse(id).unwrap()),
    }
}

fn params(pairs: &[(&str, &str)]) -> LogoutParams {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    LogoutParams::parse(form.extend_pairs(pairs).finish().as_bytes()).unwrap()
}

/// Decides with Ada's session `s1`.
fn decided(pairs: &[(&str, &str)], hint: LogoutHint, client: Option<&Client>) -> LogoutStep {
    let (session, settings) = (session("s1", "auth0|ada"), TenantSettings::default());
    decide(&params(pairs), &Facts { client, hint, session: Some(&session), settings: &settings })
}

fn bye(state: Option<&str>) -> Option<ReturnTo> {
    let state = state.map(str::to_owned);
    Some(ReturnTo { client: Some(application().id), uri: BYE.to_owned(), state })
}

#[test]
fn a_hint_that_names_the_session_ends_it_and_leads_back_with_the_state() {
    let app = application();
    for hint in [hint("auth0|ada", Some("s1")), hint("auth0|ada", None)] {
        let pairs = [("post_logout_redirect_uri", BYE), ("state", "a b&c")];
        let step = decided(&pairs, hint.clone(), Some(&app));
        assert_eq!(step, LogoutStep::End(bye(Some("a b&c"))));
        assert_eq!(decided(&[], hint, Some(&app)), LogoutStep::End(None));
    }
    let settings = TenantSettings::default();
    let address = |to: &ReturnTo| to.address(Some(&app), &settings).unwrap();
    assert_eq!(address(&bye(Some("a b&c")).unwrap()), "https://app.example/bye?state=a+b%26c");
    let other = ReturnTo { uri: "https://app.example/other?x=1".to_owned(), ..bye(Some("s")).unwrap() };
    assert_eq!(address(&other), "https://app.example/other?x=1&state=s");
    assert_eq!(address(&bye(None).unwrap()), BYE);
}

#[test]
fn lo_01_lo_02_an_address_that_is_not_registered_is_refused_and_nothing_is_ended() {
    let app = application();
    let with_query = format!("{BYE}?foo=bar");
    for uri in ["https://evil.example/", with_query.as_str(), "https://app.example/", "javascript:alert(1)"] {
        for hint in [hint("auth0|ada", Some("s1")), LogoutHint::Absent, LogoutHint::Refused] {
            let step = decided(&[("post_logout_redirect_uri", uri)], hint, Some(&app));
            assert_eq!(step, LogoutStep::Refuse(LogoutError::ReturnNotAllowed), "{uri}");
        }
    }
}

#[test]
fn lo_03_a_hint_that_proves_nothing_asks_and_leads_nowhere() {
    let app = application();
    let pairs = [("post_logout_redirect_uri", BYE), ("state", "s"), ("client_id", app.id.as_str())];
    assert_eq!(decided(&pairs, LogoutHint::Refused, Some(&app)), LogoutStep::Ask(None));
    assert_eq!(decided(&pairs[..2], LogoutHint::Refused, None), LogoutStep::Ask(None));
}

#[test]
fn lo_04_without_a_hint_it_is_asked_and_only_a_named_client_leads_back() {
    let app = application();
    let pairs = [("post_logout_redirect_uri", BYE)];
    assert_eq!(decided(&pairs, LogoutHint::Absent, None), LogoutStep::Ask(None));
    let pairs = [("post_logout_redirect_uri", BYE), ("client_id", app.id.as_str())];
    assert_eq!(decided(&pairs, LogoutHint::Absent, Some(&app)), LogoutStep::Ask(bye(None)));
}

#[test]
fn lo_05_lo_06_nothing_or_only_a_state_is_asked_about() {
    for pairs in [&[][..], &[("state", "s")], &[("ui_locales", "de"), ("logout_hint", "ada"), ("x", "y")]] {
        assert_eq!(decided(pairs, LogoutHint::Absent, None), LogoutStep::Ask(None));
    }
}

#[test]
fn lo_08_a_hint_of_another_person_or_session_does_not_end_this_one_unasked() {
    let app = application();
    for hint in [
        hint("auth0|bob", Some("s1")),
        hint("auth0|bob", None),
        hint("auth0|ada", Some("s2")),
        hint("auth0|bob", Some("s2")),
    ] {
        let step = decided(&[("post_logout_redirect_uri", BYE)], hint, Some(&app));
        assert_eq!(step, LogoutStep::Ask(bye(None)));
    }
    // Of an application that got nothing by this session, and without the session's id.
    let elsewhere = Client { id: ClientId::parse("elsewhere").unwrap(), ..application() };
    let user = UserId::parse("auth0|ada").unwrap();
    let hint = LogoutHint::Of { client: elsewhere.id.clone(), user, session: None };
    assert_eq!(decided(&[], hint, Some(&elsewhere)), LogoutStep::Ask(None));
}

#[test]
fn the_client_and_the_hint_must_agree() {
    let app = application();
    let other = Client { id: ClientId::parse("other").unwrap(), ..application() };
    let mine = hint("auth0|ada", Some("s1"));
    let step = decided(&[("client_id", "other")], mine.clone(), Some(&other));
    assert_eq!(step, LogoutStep::Refuse(LogoutError::OtherClient));
    let step = decided(&[("client_id", "nobody")], mine.clone(), None);
    assert_eq!(step, LogoutStep::Refuse(LogoutError::UnknownClient));
    assert_eq!(decided(&[("client_id", app.id.as_str())], mine, Some(&app)), LogoutStep::End(None));
}

#[test]
fn where_nobody_is_logged_in_nobody_is_asked() {
    let (app, settings) = (application(), TenantSettings::default());
    let decided = |pairs: &[(&str, &str)], hint: LogoutHint, client| {
        decide(&params(pairs), &Facts { client, hint, session: None, settings: &settings })
    };
    let pairs = [("post_logout_redirect_uri", BYE)];
    assert_eq!(decided(&pairs, hint("auth0|ada", Some("s1")), Some(&app)), LogoutStep::End(bye(None)));
    assert_eq!(decided(&pairs, LogoutHint::Absent, None), LogoutStep::End(None));
    assert_eq!(decided(&pairs, LogoutHint::Refused, Some(&app)), LogoutStep::End(None));
}

#[test]
fn an_address_that_was_carried_is_checked_again() {
    let settings = TenantSettings::default();
    let to = bye(None).unwrap();
    let changed = Client { allowed_logout_urls: vec![], ..application() };
    assert_eq!(to.address(Some(&changed), &settings), None);
    assert_eq!(to.address(None, &settings), None, "the client is gone");
    let listed = TenantSettings { allowed_logout_urls: vec![BYE.to_owned()], ..settings };
    assert_eq!(to.address(None, &listed), None, "the tenant's list is not the client's");
}

#[test]
fn auth0s_logout_returns_to_the_clients_addresses_or_to_the_tenants() {
    let app = application();
    let settings = TenantSettings {
        allowed_logout_urls: vec!["https://portal.example/".to_owned()],
        ..TenantSettings::default()
    };
    let without = client();
    let of = |pairs: &[(&str, &str)], client| return_of_auth0(&params(pairs), client, &settings);
    let id = app.id.as_str();
    assert_eq!(of(&[("client_id", id), ("returnTo", BYE), ("federated", "")], Some(&app)), Ok(bye(None)));
    let portal = ReturnTo { client: None, uri: "https://portal.example/".to_owned(), state: None };
    assert_eq!(of(&[("returnTo", "https://portal.example/")], None), Ok(Some(portal)));
    assert_eq!(of(&[("client_id", id)], Some(&app)), Ok(bye(None)), "the first, as at Auth0");
    assert_eq!(of(&[("client_id", id), ("state", "s")], Some(&without)), Ok(None), "it has none");
    assert_eq!(of(&[], None), Ok(None));
    for (pairs, client) in [
        (&[("client_id", id), ("returnTo", "https://portal.example/")][..], Some(&app)),
        (&[("returnTo", BYE)], None),
        (&[("client_id", id), ("returnTo", "https://app.example/bye?x")], Some(&app)),
    ] {
        assert_eq!(of(pairs, client), Err(LogoutError::ReturnNotAllowed));
    }
    assert_eq!(of(&[("client_id", "nobody"), ("returnTo", BYE)], None), Err(LogoutError::UnknownClient));
}

#[test]
fn what_cannot_be_read_or_says_something_twice_is_refused() {
    let refused = |text: &str| LogoutParams::parse(text.as_bytes()).unwrap_err();
    assert_eq!(refused("state=%ff"), LogoutError::Malformed);
    assert_eq!(refused("state=a&x=1&state=a"), LogoutError::Repeated("state"));
    assert_eq!(refused("returnTo=&returnTo=x"), LogoutError::Repeated("returnTo"));
    assert_eq!(refused(&"x=1&".repeat(65)), LogoutError::TooManyParameters);
    let read = LogoutParams::parse(b"federated&client_id=&state=a%20b+c&x=1&x=2").unwrap();
    assert_eq!(
        (read.text("state"), read.text("client_id"), read.text("federated")),
        (Some("a b c"), None, None)
    );
    assert!(!format!("{read:?}").contains("a b c"));
}
