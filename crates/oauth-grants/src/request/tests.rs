//! Which grant a request asks for (RFC 6749 §4.4.2, §5.2).

use std::collections::BTreeSet;

use super::*;
use records::ScopeSet;

/// `audience`, `resource` and `scope`.
type Asked = (Option<String>, Option<String>, Option<ScopeSet>);

fn parse(form: &str) -> Result<Asked, TokenError> {
    let params = Params::from_form(form.as_bytes()).unwrap();
    TokenRequest::parse(&params).map(|request| match request {
        TokenRequest::ClientCredentials(request) => {
            (request.audience.map(Into::into), request.resource.map(Into::into), request.scope)
        }
        TokenRequest::AuthorizationCode(_) => (None, None, None),
        TokenRequest::RefreshToken(request) => (request.audience.map(Into::into), None, request.scope),
        TokenRequest::Password(request) => {
            (request.audience.map(Into::into), request.resource.map(Into::into), Some(request.scope))
        }
    })
}

#[test]
fn tk_04_a_request_without_grant_type_is_refused() {
    for form in ["", "grant_type=", "audience=x&scope=y"] {
        assert_eq!(parse(form), Err(TokenError::MissingParameter("grant_type")), "{form}");
    }
}

#[test]
fn tk_05_an_unknown_grant_type_is_refused_by_name() {
    for name in
        ["foo", "Client_Credentials", "client_credentials ", "implicit", "client-credentials", "\u{e9}"]
    {
        let form = format!("grant_type={}", name.replace(' ', "+"));
        assert_eq!(parse(&form), Err(TokenError::UnsupportedGrantType(Echo::of(name))), "{name}");
    }
}

#[test]
fn a_grant_type_that_is_not_built_says_so() {
    let not_built: Vec<_> = GRANTS.iter().filter(|row| !row.is_built()).collect();
    assert!(not_built.len() >= 5);
    for row in not_built {
        let form: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("grant_type", row.name).finish();
        assert_eq!(parse(&form), Err(TokenError::GrantTypeNotBuilt(row.name)));
    }
}

#[test]
fn every_grant_type_that_is_built_is_parsed() {
    for row in GRANTS.iter().filter(|row| row.is_built()) {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", row.name);
        for name in row.required {
            form.append_pair(name, "x");
        }
        assert!(parse(&form.finish()).is_ok(), "{}", row.name);
        for missing in row.required {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", row.name);
            for name in row.required.iter().filter(|name| *name != missing) {
                form.append_pair(name, "x");
            }
            assert_eq!(parse(&form.finish()), Err(TokenError::MissingParameter(missing)));
        }
    }
}

#[test]
fn the_grant_table_is_consistent() {
    let names: BTreeSet<_> = GRANTS.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), GRANTS.len());
    for row in GRANTS {
        if let Some(grant_type) = row.grant_type {
            assert_eq!(row.name, grant_type.name());
        }
        for name in row.required {
            assert!(crate::params::KNOWN.contains(name), "{name} could not be read");
        }
    }
    for (grant_type, name) in GrantType::ALL {
        // Implicit is a grant of the authorization endpoint.
        let expected = *grant_type != GrantType::Implicit;
        assert_eq!(GRANTS.iter().any(|row| row.grant_type == Some(*grant_type)), expected, "{name}");
    }
}

#[test]
fn the_readme_lists_the_grants_of_the_table() {
    let readme = include_str!("../../README.md");
    let rows: Vec<_> = GRANTS
        .iter()
        .map(|row| {
            let required: Vec<_> = row.required.iter().map(|name| format!("`{name}`")).collect();
            let built = if row.is_built() { "yes" } else { "not yet" };
            let required = format!(" {} ", required.join(", ")).replace("  ", " ");
            format!("| `{}` |{required}| {} | {built} |\n", row.name, row.source)
        })
        .collect();
    assert!(readme.contains(&rows.concat()), "the README's table should be:\n{}", rows.concat());
    assert_eq!(readme.matches("| not yet |").count() + readme.matches("| yes |").count(), GRANTS.len());
}

#[test]
fn a_client_credentials_request_keeps_what_it_was_sent() {
    let scope = |text| Some(ScopeSet::parse(text).unwrap());
    let audience = |text: &str| Some(text.to_owned());
    let prefix = "grant_type=client_credentials";
    for (form, expected) in [
        ("", (None, None, None)),
        ("&audience=api.calendar", (audience("api.calendar"), None, None)),
        ("&audience=%20a%20", (audience(" a "), None, None)),
        ("&resource=https://a/", (None, audience("https://a/"), None)),
        ("&audience=a&resource=b", (audience("a"), audience("b"), None)),
        ("&scope=write+read+write", (None, None, scope("read write"))),
        ("&scope=", (None, None, None)),
        ("&scope=+", (None, None, None)),
        ("&audience=&resource=&scope=", (None, None, None)),
        ("&foo=bar&connection=x", (None, None, None)),
    ] {
        assert_eq!(parse(&format!("{prefix}{form}")), Ok(expected), "{form}");
    }
}

//= RFC 6749 §3.3
#[test]
fn a_malformed_scope_is_refused() {
    let bomb = (0..1001).map(|n| n.to_string()).collect::<Vec<_>>().join("+");
    for scope in ["a%22b", "a%5Cb", "a%09b", "a%0Ab", "%C3%A9", "a%7Fb", "a%00", &"x".repeat(281), &bomb] {
        let form = format!("grant_type=client_credentials&scope={scope}");
        assert_eq!(parse(&form), Err(TokenError::MalformedScope), "{scope}");
    }
}

#[test]
fn parameters_that_would_change_the_token_and_are_not_built_are_refused() {
    for name in ["organization", "authorization_details"] {
        let form = format!("grant_type=client_credentials&{name}=x");
        assert_eq!(parse(&form), Err(TokenError::ParameterNotBuilt(name)));
        // As Auth0's Python SDK sends it.
        let body = format!(r#"{{"grant_type":"client_credentials","{name}":null}}"#);
        let params = Params::from_json(body.as_bytes()).unwrap();
        assert!(TokenRequest::parse(&params).is_ok());
    }
}
