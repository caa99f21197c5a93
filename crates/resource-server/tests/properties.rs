//! What holds for every header, scope, realm and token (RFC 6750 §2.1, RFC 9110 §5.6.4).

use proptest::prelude::*;
use resource_server::jwt_core::Algorithm;
use resource_server::{BearerToken, Denial, Expectations, Presented, Realm, ScopeSet};

/// Reads a challenge as its grammar says: `Bearer name="value", …` (RFC 9110 §11.6.1).
fn parameters(challenge: &str) -> Option<Vec<(String, String)>> {
    let mut rest = challenge.strip_prefix("Bearer ")?;
    let mut found = Vec::new();
    loop {
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(chars.next()?.1),
                (_, c) => value.push(c),
            }
        };
        found.push((name.to_owned(), value));
        match after.get(end + 1..)? {
            "" => return Some(found),
            more => rest = more.strip_prefix(", ")?,
        }
    }
}

proptest! {
    //= RFC 6750 §2.1
    #[test]
    fn every_b64token_is_read_back(
        token in "[A-Za-z0-9._~+/-]{1,300}={0,2}",
        scheme in "[Bb][Ee][Aa][Rr][Ee][Rr]",
        spaces in " {1,4}",
    ) {
        let header = format!("{scheme}{spaces}{token}");
        let read = BearerToken::parse([header.as_bytes()]).unwrap().unwrap();
        prop_assert_eq!(read.as_str(), token);
    }

    #[test]
    fn no_header_causes_a_panic_and_what_is_read_is_of_the_alphabet(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..3),
    ) {
        if let Ok(Some(token)) = BearerToken::parse(values.iter().map(Vec::as_slice)) {
            prop_assert_eq!(values.len(), 1);
            prop_assert!(token.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b)));
        }
    }

    //= RFC 6750 §2.1: one octet outside of the alphabet spoils the whole
    #[test]
    fn a_token_with_any_other_octet_is_refused(
        head in "[A-Za-z0-9]{1,20}",
        bad in any::<u8>(),
        tail in "[A-Za-z0-9]{1,20}",
    ) {
        prop_assume!(!bad.is_ascii_alphanumeric() && !b"-._~+/".contains(&bad));
        let header = [b"Bearer ", head.as_bytes(), &[bad], tail.as_bytes()].concat();
        prop_assert!(BearerToken::parse([header.as_slice()]).is_err());
    }

    #[test]
    fn whatever_is_presented_as_a_token_is_refused_without_a_panic(text in "[A-Za-z0-9._~+/=-]{1,400}") {
        let header = format!("Bearer {text}");
        if let Ok(presented) = Presented::parse([header.as_bytes()]) {
            let _a_key_id_or_a_refusal = presented.key_id();
            let verifier = Expectations::new("i", "a", &[Algorithm::Hs256]).with_secret(&[7; 32]).unwrap();
            prop_assert!(presented.verify(&verifier, &ScopeSet::default(), 0).is_err());
        }
    }

    //= RFC 9110 §5.6.4, RFC 6750 §3
    #[test]
    fn a_challenge_is_read_back_whatever_realm_and_scopes(
        realm in "[ -~]{1,200}",
        scopes in "[!#-\\[\\]-~]{1,20}( [!#-\\[\\]-~]{1,20}){0,3}",
    ) {
        let required = ScopeSet::parse(&scopes).unwrap();
        let denial = Denial::InsufficientScope(required.clone());
        let challenge = denial.challenge(&Realm::parse(&realm).unwrap()).unwrap();
        prop_assert!(challenge.bytes().all(|b| (0x20..0x7f).contains(&b)));
        let found = parameters(&challenge).unwrap();
        let value = |wanted: &str| found.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        prop_assert_eq!(value("realm"), Some(realm.as_str()));
        prop_assert_eq!(value("error"), Some("insufficient_scope"));
        let required = required.to_string();
        prop_assert_eq!(value("scope"), Some(required.as_str()));
    }

    //= RFC 6749 §3.3
    #[test]
    fn a_scope_set_is_read_back(scopes in prop::collection::vec("[!#-\\[\\]-~]{1,20}", 0..6)) {
        let set = ScopeSet::parse(&scopes.join(" ")).unwrap();
        prop_assert!(scopes.iter().all(|scope| set.contains(scope)));
        prop_assert_eq!(ScopeSet::parse(&set.to_string()).unwrap(), set);
    }
}
