//! Both documents, to the letter (RFC 8414 §2; OpenID Connect Discovery 1.0 §3).

use serde_json::{Value, json};

use super::*;
use crate::{Params, TokenError, TokenRequest};

fn documents() -> [Value; 2] {
    let origin = Origin::parse("https://auth.example.com").unwrap();
    let settings = TenantSettings::default();
    [
        oauth_authorization_server(&origin, &settings),
        openid_configuration(&origin, &settings, Switches::default()),
    ]
    .map(|text| serde_json::from_str(&text).unwrap())
}

#[test]
fn the_documents_say_what_works_and_nothing_else() {
    let [oauth, openid] = documents();
    let both = json!({
        "issuer": "https://auth.example.com/",
        "authorization_endpoint": "https://auth.example.com/authorize",
        "token_endpoint": "https://auth.example.com/oauth/token",
        "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
        "scopes_supported": ["openid", "profile", "email", "address", "phone", "offline_access"],
        "revocation_endpoint": "https://auth.example.com/oauth/revoke",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "response_types_supported": [
            "code", "token", "id_token", "id_token token", "code token", "code id_token", "code id_token token",
        ],
        "response_modes_supported": ["query", "fragment", "form_post", "web_message"],
        "grant_types_supported": [
            "client_credentials",
            "authorization_code",
            "refresh_token",
            "password",
            "http://auth0.com/oauth/grant-type/password-realm",
            "implicit",
        ],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    assert_eq!(oauth, both);
    let mut expected = both;
    let more = json!({
        "userinfo_endpoint": "https://auth.example.com/userinfo",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "HS256"],
        "claims_supported": [
            "iss", "sub", "aud", "iat", "exp", "nonce", "at_hash", "c_hash", "auth_time", "sid", "amr",
            "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile",
            "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
            "email", "email_verified", "address", "phone_number", "phone_number_verified",
        ],
        "claims_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "end_session_endpoint": "https://auth.example.com/oidc/logout",
        "backchannel_logout_supported": false,
        "backchannel_logout_session_supported": false,
        "frontchannel_logout_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    });
    expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(openid, expected);
}

//= RFC 8414 §3.3
#[test]
fn kd_01_the_issuer_is_the_origin_and_every_address_is_below_it() {
    for text in ["https://auth.example.com", "http://localhost:8080/", "https://localhost:8443"] {
        let origin = Origin::parse(text).unwrap();
        let settings = TenantSettings::default();
        for document in [
            openid_configuration(&origin, &settings, Switches::default()),
            oauth_authorization_server(&origin, &settings),
        ] {
            let document: Value = serde_json::from_str(&document).unwrap();
            assert_eq!(document["issuer"], origin.issuer());
            for (name, value) in document.as_object().unwrap() {
                if name.ends_with("_endpoint") || name.ends_with("_uri") {
                    assert!(value.as_str().unwrap().starts_with(origin.issuer()), "{name}");
                }
            }
        }
    }
}

#[test]
fn every_advertised_grant_type_is_accepted_and_every_other_is_not() {
    let [oauth, _] = documents();
    let advertised: Vec<_> = oauth["grant_types_supported"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    for row in GRANTS {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", row.name);
        for name in row.required {
            form.append_pair(name, "x");
        }
        let params = Params::from_form(form.finish().as_bytes()).unwrap();
        let parsed = TokenRequest::parse(&params);
        if advertised.contains(&row.name) {
            assert!(parsed.is_ok(), "{}", row.name);
        } else {
            assert_eq!(parsed, Err(TokenError::GrantTypeNotBuilt(row.name)));
        }
    }
    let elsewhere: Vec<_> =
        advertised.iter().filter(|name| !GRANTS.iter().any(|row| row.name == **name)).collect();
    assert_eq!(elsewhere, [&"implicit"], "of the authorization endpoint");
}

//= RFC 8725 §3.2
#[test]
fn kd_04_no_weak_algorithm_is_advertised() {
    let text = documents().map(|document| document.to_string()).join("");
    // `none` is no algorithm here: it stands for public clients and for a prompt, each once a document.
    for weak in ["RS1", "RSA1_5", "plain", "ES256K", "HS1"] {
        assert!(!text.contains(weak), "{weak}");
    }
    for document in documents() {
        for (name, value) in document.as_object().unwrap() {
            if name.contains("alg_values") || name.contains("code_challenge") {
                assert!(!value.as_array().unwrap().contains(&json!("none")), "{name}");
            }
        }
    }
}

//= RFC 9207 §3
#[test]
fn rfc9207_03_the_iss_parameter_is_advertised_where_the_tenant_sends_it() {
    let origin = Origin::parse("https://auth.example.com").unwrap();
    for sends in [true, false] {
        let settings = TenantSettings {
            authorization_response_iss_parameter_supported: sends,
            ..TenantSettings::default()
        };
        for text in [
            oauth_authorization_server(&origin, &settings),
            openid_configuration(&origin, &settings, Switches::default()),
        ] {
            let document: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(document["authorization_response_iss_parameter_supported"], sends);
        }
    }
}

#[test]
fn every_advertised_scope_is_one_that_the_policy_knows_and_releases_something() {
    use crate::oidc::claims::{CLAIMS, SCOPES_SUPPORTED};
    for name in SCOPES_SUPPORTED {
        assert!(policy::scope::OIDC_SCOPES.contains(name), "{name}");
        // These two release no claims: one asks for an ID token, the other for a refresh token.
        let has_none = ["openid", "offline_access"].contains(name);
        assert!(has_none || CLAIMS.iter().any(|row| row.scope == *name), "{name}");
    }
    assert!(CLAIMS.iter().all(|row| SCOPES_SUPPORTED.contains(&row.scope)));
}

#[test]
fn fields_are_distinct() {
    for (position, field) in FIELDS.iter().enumerate() {
        assert!(FIELDS.iter().skip(position + 1).all(|other| other.name != field.name), "{}", field.name);
    }
}

//= OpenID Connect Back-Channel Logout 1.0 §2.1
#[test]
fn back_channel_logout_is_advertised_where_it_is_switched_on() {
    let origin = Origin::parse("https://auth.example.com").unwrap();
    let switches = Switches { backchannel_logout: true };
    let text = openid_configuration(&origin, &TenantSettings::default(), switches);
    let document: Value = serde_json::from_str(&text).unwrap();
    for name in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!(document[name], true, "{name}");
    }
    assert_eq!(document["frontchannel_logout_supported"], false);
}
