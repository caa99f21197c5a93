//! The `claims` parameter, read and refused (OpenID Connect Core 1.0 §5.5; threat model AZ).

use proptest::prelude::*;

use super::*;
use crate::fixtures::user;

fn parse(text: &str) -> ClaimsRequest {
    ClaimsRequest::parse(text).unwrap_or_else(|refusal| panic!("{refusal:?}: {text}"))
}

//= OpenID Connect Core 1.0 §5.5
#[test]
fn the_standards_own_example_is_understood() {
    let request = parse(
        r#"{"userinfo":
             {"given_name": {"essential": true},
              "nickname": null,
              "email": {"essential": true},
              "email_verified": {"essential": true},
              "picture": null,
              "http://example.info/claims/groups": null},
            "id_token":
             {"auth_time": {"essential": true},
              "acr": {"values": ["urn:mace:incommon:iap:silver"]}}}"#,
    );
    let mut names = request.of_user_info();
    names.sort_unstable();
    assert_eq!(names, ["email", "email_verified", "given_name", "nickname", "picture"]);
    assert!(request.names_auth_time());
    assert!(!request.demands_unknown_acr(), "voluntary");
    assert_eq!(request.covering_scopes().to_string(), "email profile");
    assert!(request.allows_subject(&user().id));
    assert_eq!(parse(&request.to_json()), request);
}

#[test]
fn what_is_not_understood_is_ignored() {
    for text in [
        "{}",
        " {} ",
        r#"{"userinfo":null,"id_token":null}"#,
        r#"{"userinfo":{}}"#,
        r#"{"verified_claims":{"x":[1,2.5,-3,true,{"y":null}]}}"#,
        r#"{"id_token":{"https://example.com/groups":{"essential":"maybe"},"name#ja":null,"password_hash":null}}"#,
    ] {
        let request = parse(text);
        assert!(request.is_empty(), "{text}");
        assert_eq!(request.to_json(), "{}");
    }
    // Members of a claim that are not understood.
    assert!(!parse(r#"{"userinfo":{"name":{"purpose":"greeting","essential":false}}}"#).is_empty());
}

#[test]
fn az_32_what_is_malformed_too_long_or_too_deep_is_refused() {
    use ClaimsRefusal::{Malformed, NotJsonObject, TooDeep, TooLong};
    let deep = format!("{}{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let deep_but_short = format!(r#"{{"x":{}1{}}}"#, "[".repeat(8), "]".repeat(8));
    let megabyte = format!(r#"{{"x":"{}"}}"#, "x".repeat(1 << 20));
    let longest = format!(r#"{{"x":"{}"}}"#, "x".repeat(LONGEST - 8));
    assert_eq!(longest.len(), LONGEST);
    assert!(ClaimsRequest::parse(&longest).is_ok());
    for (text, refusal) in [
        (deep.as_str(), TooLong),
        (&megabyte, TooLong),
        (&format!("{longest} "), TooLong),
        (&deep_but_short, TooDeep),
        ("", NotJsonObject),
        ("null", NotJsonObject),
        ("[]", NotJsonObject),
        ("\"x\"", NotJsonObject),
        ("{", NotJsonObject),
        ("{} {}", NotJsonObject),
        ("{'userinfo':{}}", NotJsonObject),
        (r#"{"x":1e999}"#, NotJsonObject),
        (r#"{"userinfo":{},"userinfo":{"email":null}}"#, NotJsonObject),
        (r#"{"userinfo":{"email":null,"email":null}}"#, NotJsonObject),
        (r#"{"userinfo":{"email":{"essential":true,"essential":false}}}"#, NotJsonObject),
        (r#"{"x":{"y":1,"\u0079":2}}"#, NotJsonObject),
        (r#"{"userinfo":[]}"#, Malformed),
        (r#"{"id_token":"email"}"#, Malformed),
        (r#"{"id_token":{"email":true}}"#, Malformed),
        (r#"{"id_token":{"email":{"essential":"true"}}}"#, Malformed),
        (r#"{"id_token":{"sub":{"value":1}}}"#, Malformed),
        (r#"{"id_token":{"sub":{"values":"x"}}}"#, Malformed),
        (r#"{"id_token":{"sub":{"values":[null]}}}"#, Malformed),
        (r#"{"id_token":{"sub":{"value":"x","values":["x"]}}}"#, Malformed),
        (r#"{"id_token":{"acr":{"values":[["x"]]}}}"#, Malformed),
    ] {
        assert_eq!(ClaimsRequest::parse(text), Err(refusal), "{:.80}", text);
    }
}

//= OpenID Connect Core 1.0 §5.5.1
#[test]
fn az_33_tokens_are_about_nobody_but_the_subject_that_is_asked_for() {
    let id = user().id;
    let ours = id.as_str();
    for (text, allowed, sub) in [
        (r#"{"id_token":{"sub":null}}"#.to_owned(), true, None),
        (r#"{"id_token":{"sub":{"essential":true}}}"#.to_owned(), true, None),
        (format!(r#"{{"id_token":{{"sub":{{"value":"{ours}"}}}}}}"#), true, Some(ours)),
        (format!(r#"{{"userinfo":{{"sub":{{"value":"{ours}"}}}}}}"#), true, Some(ours)),
        (format!(r#"{{"id_token":{{"sub":{{"values":["x","{ours}"]}}}}}}"#), true, None),
        (
            r#"{"id_token":{"sub":{"value":"auth0|somebody-else"}}}"#.to_owned(),
            false,
            Some("auth0|somebody-else"),
        ),
        (
            r#"{"userinfo":{"sub":{"value":"auth0|somebody-else"}}}"#.to_owned(),
            false,
            Some("auth0|somebody-else"),
        ),
        (r#"{"id_token":{"sub":{"values":["x","y"]}}}"#.to_owned(), false, None),
        (r#"{"id_token":{"sub":{"values":[]}}}"#.to_owned(), false, None),
        (
            format!(r#"{{"id_token":{{"sub":{{"value":"{ours}"}}}},"userinfo":{{"sub":{{"value":"x"}}}}}}"#),
            false,
            Some(ours),
        ),
        (
            format!(r#"{{"id_token":{{"sub":{{"value":"{}"}}}}}}"#, ours.to_uppercase()),
            false,
            Some(&*ours.to_uppercase()),
        ),
    ] {
        let request = parse(&text);
        assert_eq!(request.allows_subject(&id), allowed, "{text}");
        assert_eq!(request.sub(), sub, "{text}");
        assert_eq!(parse(&request.to_json()), request);
    }
}

//= OpenID Connect Core 1.0 §5.5.1.1
#[test]
fn az_31_an_authentication_context_that_must_be_met_cannot_be() {
    for (acr, demanded) in [
        ("null", false),
        (r#"{"essential":true}"#, false),
        (r#"{"values":["silver"]}"#, false),
        (r#"{"essential":false,"value":"silver"}"#, false),
        (r#"{"essential":true,"values":["silver","bronze"]}"#, true),
        (r#"{"essential":true,"value":"silver"}"#, true),
        (r#"{"essential":true,"values":[]}"#, true),
    ] {
        let request = parse(&format!(r#"{{"id_token":{{"acr":{acr}}}}}"#));
        assert_eq!(request.demands_unknown_acr(), demanded, "{acr}");
        assert_eq!(parse(&request.to_json()), request);
    }
}

#[test]
fn auth_time_is_named_in_the_id_token_where_it_is_asked_for_there() {
    assert!(parse(r#"{"id_token":{"auth_time":null}}"#).names_auth_time());
    assert!(!parse(r#"{"userinfo":{"auth_time":null}}"#).names_auth_time());
    assert!(!parse(r#"{"id_token":{"name":null}}"#).names_auth_time());
    assert_eq!(parse(r#"{"userinfo":{"auth_time":null,"sub":null,"acr":null}}"#).of_user_info(), [""; 0]);
}

#[test]
fn the_scopes_that_cover_what_is_asked_for_are_named() {
    for row in CLAIMS {
        for target in ["userinfo", "id_token"] {
            let request = parse(&format!(r#"{{"{target}":{{"{}":null}}}}"#, row.name));
            assert_eq!(request.covering_scopes().to_string(), row.scope);
        }
    }
    assert!(parse(r#"{"id_token":{"sub":null,"auth_time":null}}"#).covering_scopes().is_empty());
}

proptest! {
    #[test]
    fn arbitrary_text_is_read_or_refused(text in ".{0,200}|[{}\\[\\]\":,a-z0-9]{0,60}") {
        if let Ok(request) = ClaimsRequest::parse(&text) {
            prop_assert_eq!(parse(&request.to_json()), request);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        id_token in proptest::collection::btree_map("sub|acr|auth_time|email|name|other", proptest::option::of((any::<bool>(), proptest::option::of(proptest::collection::vec(".{0,6}", 0..3)))), 0..5),
    ) {
        let claims: serde_json::Map<String, Value> = id_token
            .into_iter()
            .map(|(name, said)| {
                let said = said.map(|(essential, values)| match values {
                    Some(values) => json!({ "essential": essential, "values": values }),
                    None => json!({ "essential": essential }),
                });
                (name, said.unwrap_or_default())
            })
            .collect();
        let request = parse(&json!({ "id_token": claims }).to_string());
        prop_assert_eq!(parse(&request.to_json()), request);
    }
}
