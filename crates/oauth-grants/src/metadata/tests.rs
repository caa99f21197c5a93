//! Both documents, to the letter (RFC 8414 §2; OpenID Connect Discovery 1.0 §3).

use serde_json::{Value, json};

use super::*;
use crate::{Params, TokenError, TokenRequest};

fn documents() -> [Value; 2] {
    let origin = Origin::parse("https://auth.example.com").unwrap();
    [oauth_authorization_server(&origin), openid_configuration(&origin)]
        .map(|text| serde_json::from_str(&text).unwrap())
}

#[test]
fn the_documents_say_what_works_and_nothing_else() {
    let [oauth, openid] = documents();
    let both = json!({
        "issuer": "https://auth.example.com/",
        "token_endpoint": "https://auth.example.com/oauth/token",
        "jwks_uri": "https://auth.example.com/.well-known/jwks.json",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "response_types_supported": [],
    });
    assert_eq!(oauth, both);
    let mut expected = both;
    let more = json!({
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_parameter_supported": false,
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
        for document in [openid_configuration(&origin), oauth_authorization_server(&origin)] {
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
    assert_eq!(advertised.iter().filter(|name| !GRANTS.iter().any(|row| row.name == **name)).count(), 0);
}

//= RFC 8725 §3.2
#[test]
fn kd_04_no_weak_algorithm_is_advertised() {
    let text = documents().map(|document| document.to_string()).join("");
    for weak in ["\"none\"", "HS256", "RS1", "RSA1_5", "plain"] {
        assert!(!text.contains(weak), "{weak}");
    }
}

#[test]
fn fields_are_distinct() {
    for (position, field) in FIELDS.iter().enumerate() {
        assert!(FIELDS.iter().skip(position + 1).all(|other| other.name != field.name), "{}", field.name);
    }
}
