//! A remembered token is the verified token, and is forgotten when it must be (RFC 7519 §4.1.4).

#[cfg(test)]
mod common;

use std::sync::Arc;

use common::*;
use jwt_core::{Algorithm, Refusal, Scratch, SigningKey, VerifiedCache};
use serde_json::json;

#[cfg(test)]
fn cache(capacity: usize) -> VerifiedCache {
    VerifiedCache::new(verifier(Algorithm::EdDsa), capacity)
}

#[cfg(test)]
fn token(number: u64) -> String {
    let mut claims = claims();
    claims["jti"] = json!(number.to_string());
    signer(Algorithm::EdDsa).sign(&claims).unwrap()
}

#[test]
fn a_token_is_verified_once() {
    let (cache, mut scratch) = (cache(800), Scratch::new());
    let first = cache.verify(&token(1), NOW, &mut scratch).unwrap();
    let again = cache.verify(&token(1), NOW, &mut scratch).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(first.jwt_id.as_deref(), Some("1"));
    let other = cache.verify(&token(2), NOW, &mut scratch).unwrap();
    assert_eq!(other.jwt_id.as_deref(), Some("2"));
    assert_eq!(cache.len(), 2);
}

#[test]
fn times_are_checked_at_each_hit() {
    let (cache, mut scratch) = (cache(8), Scratch::new());
    let token = token(1);
    assert!(cache.verify(&token, NOW, &mut scratch).is_ok());
    assert_eq!(cache.verify(&token, NOW + 86_400, &mut scratch).err(), Some(Refusal::Expired));
    // A clock that was set back: issued in the future, again.
    assert_eq!(cache.verify(&token, NOW - 1, &mut scratch).err(), Some(Refusal::IssuedInFuture));
    assert!(cache.verify(&token, NOW + 86_399, &mut scratch).is_ok());
}

#[test]
fn what_was_refused_is_not_remembered_and_one_changed_character_is_another_token() {
    let (cache, mut scratch) = (cache(8), Scratch::new());
    let good = token(1);
    assert!(cache.verify(&good, NOW, &mut scratch).is_ok());
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(cache.verify(str::from_utf8(&bytes).unwrap(), NOW, &mut scratch).is_err(), "{at}");
    }
    assert!(cache.verify(&good[..good.len() - 1], NOW, &mut scratch).is_err());
    assert!(cache.verify(&format!("{good}A"), NOW, &mut scratch).is_err());
    assert_eq!(cache.len(), 1);
}

#[test]
fn it_never_holds_more_than_it_was_made_for_and_keeps_what_is_used() {
    let (cache, mut scratch) = (cache(64), Scratch::new());
    let favourite = token(0);
    let first = cache.verify(&favourite, NOW, &mut scratch).unwrap();
    for number in 1..400 {
        cache.verify(&token(number), NOW, &mut scratch).unwrap();
        assert!(cache.len() <= 64);
        let again = cache.verify(&favourite, NOW, &mut scratch).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "{number}");
    }
    assert!(cache.len() > 48, "{}", cache.len());
}

#[test]
fn other_keys_forget_everything() {
    let (mut cache, mut scratch) = (cache(8), Scratch::new());
    let token = token(1);
    assert!(cache.verify(&token, NOW, &mut scratch).is_ok());
    let other = SigningKey::generate(Algorithm::EdDsa).unwrap();
    cache.replace_keys(other.key().verifying_key().with_key_id("key-1"));
    assert!(cache.is_empty());
    assert_eq!(cache.verify(&token, NOW, &mut scratch).err(), Some(Refusal::BadSignature));
    cache.replace_keys(verifying_key(Algorithm::EdDsa).with_key_id("key-1"));
    assert!(cache.verify(&token, NOW, &mut scratch).is_ok());
    cache.clear();
    assert!(cache.is_empty());
}

#[test]
fn threads_share_it() {
    let cache = cache(32);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                let mut scratch = Scratch::new();
                for number in 0..50 {
                    let claims = cache.verify(&token(number), NOW, &mut scratch).unwrap();
                    assert_eq!(claims.jwt_id.as_deref(), Some(&*number.to_string()), "{thread}");
                }
            });
        }
    });
}
