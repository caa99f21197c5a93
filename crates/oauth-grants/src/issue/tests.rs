//! Access tokens, signed and read back (RFC 9068 §2; RFC 7519 §4.1).

use jwt_core::{Scratch, SigningKey, Verifier};
use records::ScopeSet;
use serde::Deserialize;

use super::*;
use crate::fixtures::{AUDIENCE, NOW, client, moment};

const ISSUER: &str = "https://localhost:8443/";

fn granted(client: &ClientId, dialect: TokenDialect, signing_algorithm: SigningAlgorithm) -> Granted<'_> {
    Granted {
        access_token: AccessToken {
            dialect,
            issuer: ISSUER,
            subject: Subject::Client(client),
            audience: TokenAudience::Api(AUDIENCE.into()),
            client,
            grant_type: Some("client-credentials"),
            issued_at: NOW,
            lifetime: Lifetime::DAY,
            scope: ScopeSet::parse("geocode reverse").unwrap(),
            id: TokenId::of_access_token(&moment()),
            signing_algorithm,
        },
        names_scope: true,
    }
}

fn key(algorithm: SigningAlgorithm) -> Option<SigningKey> {
    match algorithm {
        SigningAlgorithm::Hs256 => {
            SigningKey::from_secret(Algorithm::Hs256, b"0123456789abcdef0123456789abcdef").ok()
        }
        // Only aws-lc-rs makes RSA keys.
        SigningAlgorithm::Rs256 => SigningKey::generate(Algorithm::Rs256).ok().map(|made| made.key().clone()),
        SigningAlgorithm::Es256 | SigningAlgorithm::EdDsa => {
            Some(SigningKey::generate(super::algorithm(algorithm)).unwrap().key().clone())
        }
    }
}

#[derive(Deserialize)]
struct Extra<'a> {
    scope: &'a str,
    azp: Option<&'a str>,
    gty: Option<&'a str>,
    client_id: Option<&'a str>,
}

fn header(token: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    String::from_utf8(URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}

//= RFC 9068 §2.1
//= RFC 9068 §2.2
#[test]
fn tokens_of_both_dialects_and_every_algorithm_verify() {
    let client = client().id;
    let mut signed = 0;
    for (algorithm, name) in SigningAlgorithm::ALL {
        let Some(key) = key(*algorithm) else {
            assert!(cfg!(not(feature = "aws-lc-rs")) && *algorithm == SigningAlgorithm::Rs256);
            continue;
        };
        for (dialect, _) in TokenDialect::ALL {
            let kid = (*algorithm != SigningAlgorithm::Hs256).then_some("key-1");
            let token_type = token_type(*dialect);
            let signer = Signer::new(key.clone(), token_type, kid).unwrap();
            let token = access_token(&granted(&client, *dialect, *algorithm).access_token, &signer).unwrap();

            let typ = if *dialect == TokenDialect::Auth0 { "JWT" } else { "at+jwt" };
            let kid = if kid.is_some() { ",\"kid\":\"key-1\"" } else { "" };
            assert_eq!(header(&token), format!(r#"{{"alg":"{name}","typ":"{typ}"{kid}}}"#));

            let verifier = Verifier::builder(key.verifying_key())
                .issuer(ISSUER)
                .audience(AUDIENCE)
                .token_type(token_type)
                .build();
            let mut scratch = Scratch::default();
            let verified = verifier.verify::<Extra<'_>>(&token, NOW.0, &mut scratch).unwrap();
            assert_eq!(verified.subject.as_deref(), Some("geocoding-worker@clients"));
            assert_eq!(verified.issued_at, Some(NOW.0));
            assert_eq!(verified.expires_at, NOW.0 + 86_400);
            assert_eq!(verified.jwt_id.as_deref().map(str::len), Some(22));
            let extra = &verified.extra;
            assert_eq!(extra.scope, "geocode reverse");
            match dialect {
                TokenDialect::Auth0 => {
                    assert_eq!(
                        (extra.azp, extra.gty),
                        (Some("geocoding-worker"), Some("client-credentials"))
                    );
                    assert_eq!(extra.client_id, None);
                }
                TokenDialect::Rfc9068 => {
                    assert_eq!((extra.azp, extra.gty), (None, None));
                    assert_eq!(extra.client_id, Some("geocoding-worker"));
                }
            }

            let mut tampered = token.clone().into_bytes();
            let middle = token.find('.').unwrap() + 30;
            tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(tampered).unwrap();
            assert!(verifier.verify::<Extra<'_>>(&tampered, NOW.0, &mut Scratch::default()).is_err());
            signed += 1;
        }
    }
    assert!(signed >= 6);
}

#[test]
fn a_signer_of_another_algorithm_is_refused() {
    let client = client().id;
    let signer = Signer::new(key(SigningAlgorithm::Es256).unwrap(), TokenType::Jwt, None).unwrap();
    for (algorithm, name) in
        SigningAlgorithm::ALL.iter().filter(|(algorithm, _)| *algorithm != SigningAlgorithm::Es256)
    {
        let granted = granted(&client, TokenDialect::Auth0, *algorithm);
        assert_eq!(access_token(&granted.access_token, &signer), Err(IssueFailure::OtherAlgorithm), "{name}");
    }
}

#[test]
fn the_claims_are_escaped_as_json() {
    let client = ClientId::parse(r#"a"b\c"#).unwrap();
    let mut granted = granted(&client, TokenDialect::Auth0, SigningAlgorithm::Es256);
    granted.access_token.audience = TokenAudience::Api("urn:\"quoted\"\u{e9}".into());
    let claims: serde_json::Value =
        serde_json::from_str(&serde_json::to_string(&granted.access_token).unwrap()).unwrap();
    assert_eq!(claims["sub"], "a\"b\\c@clients");
    assert_eq!(claims["azp"], "a\"b\\c");
    assert_eq!(claims["aud"], "urn:\"quoted\"\u{e9}");
}

#[test]
fn an_empty_scope_is_left_out() {
    let client = client().id;
    let mut granted = granted(&client, TokenDialect::Rfc9068, SigningAlgorithm::Es256);
    granted.access_token.scope = ScopeSet::default();
    let claims = serde_json::to_value(&granted.access_token).unwrap();
    assert!(claims.get("scope").is_none());
}

#[test]
fn algorithms_keep_their_names_across_the_crates() {
    for (algorithm, name) in SigningAlgorithm::ALL {
        assert_eq!(super::algorithm(*algorithm), Algorithm::from_name(name).unwrap());
    }
}
