//! Which scope releases what (OpenID Connect Core 1.0 §5.4; threat model UI).

use serde_json::{Value, json};

use super::*;
use crate::fixtures::user;
use records::Profile;

fn scope(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

fn released(user: &User, text: &str) -> Value {
    serde_json::to_value(UserClaims::of_user_info(user, &scope(text), &[], UpdatedAt::Numeric)).unwrap()
}

//= OpenID Connect Core 1.0 §5.4
#[test]
fn each_scope_releases_its_claims_with_their_values() {
    let expected = [
        ("openid", json!({})),
        ("", json!({})),
        (
            "profile",
            json!({
                "name": "Ada Lovelace",
                "given_name": "Ada",
                "family_name": "Lovelace",
                "middle_name": "Augusta",
                "nickname": "ada",
                "preferred_username": "ada",
                "profile": "https://example.com/ada",
                "picture": "https://example.com/ada.png",
                "website": "https://ada.example.com/",
                "gender": "female",
                "birthdate": "1815-12-10",
                "zoneinfo": "Europe/London",
                "locale": "en-GB",
                "updated_at": 1_490_886_820,
            }),
        ),
        ("email", json!({ "email": "ada@example.com", "email_verified": true })),
        ("address", json!({ "address": { "formatted": "12 St James's Square, London" } })),
        ("phone", json!({ "phone_number": "+442071838750", "phone_number_verified": true })),
        ("read write Profile EMAIL name", json!({})),
    ];
    for (scope, claims) in &expected {
        assert_eq!(released(&user(), scope), *claims, "{scope}");
    }
}

#[test]
fn ui_08_of_every_set_of_scopes_nothing_beyond_its_claims_is_released() {
    let names = ["openid", "profile", "email", "address", "phone", "read"];
    for chosen in 0..1_u32 << names.len() {
        let granted: Vec<_> = names
            .iter()
            .enumerate()
            .filter(|(bit, _)| chosen >> bit & 1 == 1)
            .map(|(_, name)| *name)
            .collect();
        let claims = released(&user(), &granted.join(" "));
        let mut told: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected: Vec<_> =
            CLAIMS.iter().filter(|row| granted.contains(&row.scope)).map(|row| row.name).collect();
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{granted:?}");
    }
}

//= OpenID Connect Core 1.0 §5.3.2
#[test]
fn what_is_not_known_is_left_out_and_never_null() {
    let nobody = User { email: None, profile: Profile::default(), ..user() };
    assert_eq!(released(&nobody, "profile email address phone"), json!({ "updated_at": 1_490_886_820 }));
    let unverified = User { email_verified: false, ..user() };
    assert_eq!(released(&unverified, "email")["email_verified"], false);
}

#[test]
fn updated_at_is_a_number_or_iso_8601_as_the_tenant_wants() {
    let user = user();
    let told = |updated_at| {
        let claims = UserClaims::of_user_info(&user, &scope("profile"), &[], updated_at);
        serde_json::to_value(claims).unwrap()["updated_at"].clone()
    };
    assert_eq!(told(UpdatedAt::Numeric), 1_490_886_820);
    assert_eq!(told(UpdatedAt::Iso8601), "2017-03-30T15:13:40.000Z");
}

//= OpenID Connect Core 1.0 §5.5
#[test]
fn single_claims_are_released_where_they_were_asked_for() {
    let user = user();
    let request = ClaimsRequest::parse(r#"{"userinfo":{"email":null},"id_token":{"picture":null}}"#).unwrap();
    let id_token = UserClaims::of_id_token(&user, &scope("openid"), Some(&request), UpdatedAt::Numeric);
    assert_eq!(serde_json::to_value(id_token).unwrap(), json!({ "picture": "https://example.com/ada.png" }));
    let user_info =
        UserClaims::of_user_info(&user, &scope("openid"), &request.of_user_info(), UpdatedAt::Numeric);
    assert_eq!(serde_json::to_value(user_info).unwrap(), json!({ "email": "ada@example.com" }));
    let none = UserClaims::of_id_token(&user, &scope("openid"), None, UpdatedAt::Numeric);
    assert_eq!(serde_json::to_value(none).unwrap(), json!({}));
    // Asked for twice, by scope and by name, it is told once.
    let both = UserClaims::of_id_token(&user, &scope("profile"), Some(&request), UpdatedAt::Numeric);
    assert_eq!(both.iter().filter(|(name, _)| *name == "picture").count(), 1);
}

#[test]
fn tk_16_no_claim_about_a_person_has_a_protected_name() {
    for (position, row) in CLAIMS.iter().enumerate() {
        assert!(!PROTECTED.contains(&row.name), "{}", row.name);
        assert!(CLAIMS.iter().skip(position + 1).all(|other| other.name != row.name), "{}", row.name);
        assert_eq!(known(row.name), Some(row.name));
    }
    assert!(PROTECTED.iter().all(|name| known(name).is_none()));
}
