//! Which requests are valid, and where the others are answered.

use proptest::prelude::*;

use super::*;

fn rejected(query: &str) -> String {
    Scene { session: None, ..Scene::new() }.step(query)
}

/// The page's request with one parameter replaced, added or (empty value) removed.
fn with(name: &str, value: &str) -> String {
    let kept = TOKEN.split('&').filter(|pair| pair.split('=').next() != Some(name));
    let mut pairs: Vec<String> = kept.map(str::to_owned).collect();
    if !value.is_empty() {
        pairs.push(format!("{name}={value}"));
    }
    pairs.join("&")
}

#[test]
fn az_01_az_02_az_08_ru_01_who_asks_and_where_to_answer_must_be_certain() {
    for (query, expected) in [
        (with("client_id", ""), "page missing_client_id"),
        (with("client_id", "nobody"), "page unknown_client"),
        (with("client_id", "%3Cscript%3E"), "page unknown_client"),
        (format!("{TOKEN}&client_id=geocoding-worker"), "page repeated_parameter"),
        (format!("{TOKEN}&redirect_uri=https%3A%2F%2Fevil.example%2F"), "page repeated_parameter"),
        (with("redirect_uri", "https%3A%2F%2Fevil.example%2F"), "page redirect_uri_mismatch"),
        (with("redirect_uri", "https%3A%2F%2Fapp.example%2FCALLBACK"), "page redirect_uri_mismatch"),
        (with("redirect_uri", "https%3A%2F%2Fapp.example%2Fcallback%23x"), "page redirect_uri_mismatch"),
        // RU-18: the same with an error that would otherwise be redirected.
        (
            with("redirect_uri", "https%3A%2F%2Fevil.example%2F") + "&prompt=none",
            "page redirect_uri_mismatch",
        ),
    ] {
        assert_eq!(rejected(&query), expected, "{query}");
    }
    let one = with("redirect_uri", "");
    assert_eq!(rejected(&one), "login", "the only registered one is meant");
    let mut two = Scene { session: None, ..Scene::new() };
    two.client.callbacks.push("https://app.example/other".to_owned());
    assert_eq!(two.step(&one), "page missing_redirect_uri", "RU-02");
}

#[test]
fn errors_of_a_known_client_are_redirected_by_their_names() {
    for (query, expected) in [
        (with("response_type", ""), "missing_response_type"),
        (with("response_type", "foo"), "unsupported_response_type"),
        (with("response_mode", "foo"), "unknown_response_mode"),
        (with("response_mode", "query"), "tokens_in_query"),
        (format!("{TOKEN}&state=t"), "repeated_parameter"),
        (format!("{TOKEN}&nonce=n"), "repeated_parameter"),
        (format!("{TOKEN}&resource=https%3A%2F%2Fa%2F&resource=https%3A%2F%2Fb%2F"), "several_resources"),
        (with("resource", "https%3A%2F%2Fother%2F"), "audience_and_resource_differ"),
        (with("resource", "relative"), "malformed_resource"),
        (with("scope", "re%22ad"), "malformed_scope"),
        (with("prompt", "none%20login"), "unknown_prompt"),
        (with("prompt", "everything"), "unknown_prompt"),
        (with("max_age", "abc"), "malformed_max_age"),
        (with("max_age", "-1"), "malformed_max_age"),
        (with("claims", "%7B"), "malformed_claims"),
        (with("request", "x"), "request_not_supported"),
        (with("request_uri", "x"), "request_uri_not_supported"),
        (with("registration", "x"), "registration_not_supported"),
        (with("organization", "org_1"), "parameter_not_built"),
        (with("dpop_jkt", "x"), "parameter_not_built"),
        (with("response_type", "code"), "missing_challenge"),
        (with("response_type", "id_token"), "missing_openid"),
        (with("scope", &"x%20".repeat(2600)), "too_large"),
        (with("connection", "no%20such"), "unknown_connection"),
    ] {
        assert_eq!(rejected(&query), format!("redirect {expected}"), "{:.300}", query);
    }
    let hybrid = with("response_type", "code%20id_token").replace("scope=read%20write", "scope=openid");
    let without_nonce = hybrid.replace("&nonce=n", "");
    assert_eq!(
        rejected(&format!("{without_nonce}&code_challenge={CHALLENGE}&code_challenge_method=S256")),
        "redirect missing_nonce"
    );
}

#[test]
fn az_05_a_response_type_needs_its_grant_type() {
    let mut scene = Scene::new();
    scene.client.grant_types = vec![GrantType::AuthorizationCode];
    assert_eq!(scene.step(TOKEN), "redirect grant_type_not_allowed");
    assert_eq!(
        scene.step(&code_query("").replace("response_type=code", "response_type=code%20token")),
        "redirect grant_type_not_allowed"
    );
    scene.client.grant_types = vec![GrantType::Implicit];
    assert_eq!(scene.step(&code_query("")), "redirect grant_type_not_allowed");
}

#[test]
fn az_39_az_40_az_41_public_clients_prove_by_s256_who_they_are() {
    let code = with("response_type", "code");
    for (more, expected) in [
        (String::new(), "redirect missing_challenge"),
        (format!("&code_challenge={CHALLENGE}"), "redirect challenge_method"),
        (format!("&code_challenge={CHALLENGE}&code_challenge_method=plain"), "redirect challenge_method"),
        (format!("&code_challenge={CHALLENGE}&code_challenge_method=S512"), "redirect challenge_method"),
        (
            format!("&code_challenge={}&code_challenge_method=S256", &CHALLENGE[1..]),
            "redirect malformed_challenge",
        ),
        (format!("&code_challenge={CHALLENGE}a&code_challenge_method=S256"), "redirect malformed_challenge"),
        (
            format!("&code_challenge={}&code_challenge_method=S256", CHALLENGE.replace('-', "%2B")),
            "redirect malformed_challenge",
        ),
        (format!("&code_challenge={CHALLENGE}&code_challenge_method=S256"), "login"),
    ] {
        assert_eq!(rejected(&(code.clone() + &more)), expected, "{more}");
    }
    let mut confidential = Scene { session: None, ..Scene::new() };
    confidential.client.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretPost;
    assert_eq!(confidential.step(&code), "login", "a secret proves it too");
}

#[test]
fn az_09_az_10_az_14_empty_is_absent_and_unknown_is_ignored() {
    assert_eq!(rejected(&format!("{TOKEN}&max_age=&claims=&prompt=&foo=bar&foo=baz")), "login");
    assert_eq!(rejected(&with("scope", "write%20read%20write")), "login");
}

#[test]
fn a_request_is_as_long_as_the_flow_that_carries_it() {
    let scene = Scene::new();
    let with = |state: &str| format!("{TOKEN}&login_hint={state}");
    assert_eq!(scene.step(&with(&"x".repeat(4900))), "consent read write new read write");
    // Twice and six times as long in JSON.
    for (character, most) in [("%22", 2450), ("%0A", 2450), ("%01", 816), ("%C3%A9", 2450)] {
        let fits = with(&character.repeat(most));
        assert_eq!(scene.step(&fits), "consent read write new read write", "{character}");
        let params = AuthorizeParams::parse(fits.as_bytes()).unwrap();
        let flow = Flow::begin(params, "b".repeat(43), &moment()).unwrap();
        assert!(flow.to_bytes().expose().len() < crate::seal::MOST, "{character}");
        assert_eq!(scene.step(&with(&character.repeat(most + 150))), "redirect too_large", "{character}");
    }
}

#[test]
fn malformed_and_too_many_parameters_are_shown() {
    assert_eq!(AuthorizeParams::parse(b"client_id=%zz"), Err(PageError::Malformed));
    assert_eq!(AuthorizeParams::parse(b"client_id=%ff"), Err(PageError::Malformed));
    assert_eq!(AuthorizeParams::parse("x=1&".repeat(65).as_bytes()), Err(PageError::TooManyParameters));
}

#[test]
fn az_48_the_errors_of_a_strict_third_party_are_shown() {
    let strict = Scene::new().third_party(ThirdPartySecurityMode::Strict);
    assert_eq!(strict.step(&with("scope", "re%22ad")), "page malformed_scope");
    let permissive = Scene::new().third_party(ThirdPartySecurityMode::Permissive);
    assert_eq!(permissive.step(&with("scope", "re%22ad")), "redirect malformed_scope");
}

#[test]
fn a_message_is_only_sent_to_a_registered_web_origin() {
    let message = format!("{TOKEN}&response_mode=web_message");
    let mut scene = Scene { session: None, ..Scene::new() };
    assert_eq!(scene.step(&message), "login");
    scene.client.web_origins = vec!["https://other.example".to_owned()];
    assert_eq!(
        scene.step(&message),
        "page web_origin_not_allowed",
        "a callback's origin alone is not enough"
    );
}

#[test]
fn az_21_an_error_of_the_response_mode_goes_by_the_default_one() {
    for (query, mode) in [
        (with("response_mode", "foo"), ResponseMode::Fragment),
        (with("response_mode", "query"), ResponseMode::Fragment),
        (code_query("&response_mode=foo"), ResponseMode::Query),
        (with("response_type", "foo") + "&response_mode=form_post", ResponseMode::FormPost),
        (with("response_type", ""), ResponseMode::Query),
    ] {
        let (scene, origin) = (Scene::new(), origin());
        let params = AuthorizeParams::parse(query.as_bytes()).unwrap();
        let Err(Rejected::Redirect(target, _)) =
            validate(&params, Some(&scene.client), &scene.settings, &origin)
        else {
            panic!("{query} is redirected")
        };
        assert_eq!(target.mode, mode, "{query}");
        assert_eq!(target.state, Some("s"));
    }
}

#[test]
fn az_37_every_answer_names_the_issuer_unless_the_tenant_says_otherwise() {
    let (mut scene, origin) = (Scene::new(), origin());
    let params = AuthorizeParams::parse(TOKEN.as_bytes()).unwrap();
    let issuer = |scene: &Scene| {
        let request = validate(&params, Some(&scene.client), &scene.settings, &origin).unwrap();
        let Delivery::Redirect(to) = request.target.deliver(vec![]) else { panic!("a redirect") };
        to.contains("iss=https%3A%2F%2Flocalhost%3A8443%2F")
    };
    assert!(issuer(&scene));
    scene.settings.authorization_response_iss_parameter_supported = false;
    assert!(!issuer(&scene));
}

#[test]
fn another_client_than_the_one_named_opens_no_door() {
    let (scene, origin) = (Scene::new(), origin());
    let params = AuthorizeParams::parse(with("client_id", "another").as_bytes()).unwrap();
    let rejected = validate(&params, Some(&scene.client), &scene.settings, &origin).unwrap_err();
    assert!(matches!(rejected, Rejected::Page(PageError::UnknownClient(_))));
}

proptest! {
    #[test]
    fn no_request_panics_and_what_is_redirected_goes_to_a_registered_address(
        query in "(client_id|redirect_uri|scope|response_type|state|prompt|claims|nonce|max_age|resource|%|&|=|\\+|#|code|token|openid|none|geocoding-worker|https:|/|é|\u{0}){0,40}",
    ) {
        let (scene, origin) = (Scene::new(), origin());
        let query = format!("{query}&{TOKEN}");
        if let Ok(params) = AuthorizeParams::parse(query.as_bytes()) {
            let target = match validate(&params, Some(&scene.client), &scene.settings, &origin) {
                Ok(request) => Some(request.target),
                Err(Rejected::Redirect(target, _)) => Some(target),
                Err(Rejected::Page(_)) => None,
            };
            if let Some(target) = target {
                prop_assert_eq!(target.redirect_uri, CALLBACK);
            }
        }
    }

    #[test]
    fn az_46_a_flow_comes_back_as_it_was_sealed(
        state in "\\PC{0,80}", login in any::<bool>(), accepted in proptest::option::of(any::<bool>()),
        confirmed in proptest::option::of(any::<bool>()), asked in any::<bool>(),
    ) {
        let entries = [("client_id", "c"), ("state", state.as_str())];
        let params = AuthorizeParams::of_entries(entries.into_iter()).unwrap();
        let begun = Flow::begin(params, "browser".to_owned(), &moment()).unwrap();
        let answers = Answers {
            login: login.then(session_id),
            consent: accepted.map(|accepted| ConsentGiven { session: session_id(), accepted }),
            confirmed,
        };
        let flow = if asked {
            Flow { answers, ..begun.asking(Some(session_id()), Some("shown".to_owned())) }
        } else {
            begun.answered(answers, NOW)
        };
        let again = Flow::from_bytes(flow.to_bytes().expose()).unwrap();
        prop_assert!(again == flow);
        prop_assert_eq!(again.may_resume(NOW), !asked);
    }
}

#[test]
fn az_47_a_flow_ends() {
    let params = AuthorizeParams::parse(TOKEN.as_bytes()).unwrap();
    let flow = Flow::begin(params, "browser".to_owned(), &moment()).unwrap();
    assert!(!flow.is_over(UnixTime(NOW.0 + FLOW_LIFETIME - 1)));
    assert!(flow.is_over(UnixTime(NOW.0 + FLOW_LIFETIME)));
    let back = flow.with_login(session_id(), NOW);
    assert!(back.may_resume(UnixTime(NOW.0 + RESUME_WITHIN - 1)));
    assert!(!back.may_resume(UnixTime(NOW.0 + RESUME_WITHIN)));
    let late = flow.with_login(session_id(), UnixTime(NOW.0 + FLOW_LIFETIME - 1));
    assert!(!late.may_resume(UnixTime(NOW.0 + FLOW_LIFETIME)), "a return does not outlive its flow");
    assert!(Flow::from_bytes(b"{}").is_none());
}

#[test]
fn a_second_login_forgets_what_somebody_else_allowed() {
    let params = AuthorizeParams::parse(TOKEN.as_bytes()).unwrap();
    let flow = Flow::begin(params, "browser".to_owned(), &moment()).unwrap();
    let given = ConsentGiven { session: session_id(), accepted: true };
    let answered = flow.answered(Answers { consent: Some(given), ..Answers::default() }, NOW);
    assert_eq!(answered.with_login(SessionId::parse("b").unwrap(), NOW).answers.consent, None);
}
