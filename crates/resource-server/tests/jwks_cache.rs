//! When keys are fetched, and what serves until they are there (RFC 7517 §5).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use jwt_core::{Algorithm, JwkSet, SigningKey};
use resource_server::{Expectations, JwksCache, Lookup, Ticket, Timing};

const NOW: u64 = 1_700_000_000;
const TIMING: Timing =
    Timing { max_age: 600, max_stale: 3600, min_interval: 60, retry_interval: 5, fetch_timeout: 10 };

fn cache() -> JwksCache {
    JwksCache::new(Expectations::new("https://issuer.example/", "api", &[Algorithm::Es256]), TIMING)
}

fn set(key_ids: &[&str]) -> String {
    let jwks = key_ids.iter().map(|id| {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        key.key().verifying_key().to_jwk(Some(id)).unwrap()
    });
    JwkSet::from_keys(jwks).to_json()
}

fn ticket(lookup: Lookup) -> Ticket {
    match lookup {
        Lookup::Fetch(ticket) => ticket,
        other => panic!("expected Fetch, got {other:?}"),
    }
}

/// A cache with these keys, fetched at `NOW`.
fn filled(key_ids: &[&str]) -> JwksCache {
    let mut cache = cache();
    let ticket = ticket(cache.lookup(Some(key_ids[0]), NOW));
    cache.fetched(ticket, &set(key_ids), NOW).unwrap();
    cache
}

#[test]
fn the_first_lookup_fetches_and_the_next_have_the_keys() {
    let mut cache = filled(&["a", "b"]);
    for key_id in [Some("a"), Some("b"), None] {
        assert!(matches!(cache.lookup(key_id, NOW + 599), Lookup::Key(_)), "{key_id:?}");
    }
}

#[test]
fn one_caller_fetches_and_the_others_wait() {
    let mut cache = cache();
    let first = ticket(cache.lookup(Some("a"), NOW));
    for at in [NOW, NOW + 9] {
        assert!(matches!(cache.lookup(Some("a"), at), Lookup::Wait));
    }
    cache.fetched(first, &set(&["a"]), NOW + 9).unwrap();
    assert!(matches!(cache.lookup(Some("a"), NOW + 9), Lookup::Key(_)));
}

#[test]
fn a_fetch_that_never_ends_is_given_up_and_its_late_answer_does_not_replace_a_newer_one() {
    let mut cache = cache();
    let lost = ticket(cache.lookup(Some("a"), NOW));
    let second = ticket(cache.lookup(Some("a"), NOW + 10));
    cache.fetched(second, &set(&["new"]), NOW + 11).unwrap();
    cache.fetched(lost, &set(&["old"]), NOW + 12).unwrap();
    assert!(matches!(cache.lookup(Some("new"), NOW + 12), Lookup::Key(_)));
    assert!(matches!(cache.lookup(Some("old"), NOW + 12), Lookup::Miss));
}

//= CA-22
#[test]
fn a_flood_of_unknown_keys_causes_one_fetch_per_interval() {
    let mut cache = filled(&["a"]);
    let keys = set(&["a"]);
    let mut fetches = 0;
    for at in NOW..NOW + 600 {
        for flood in 0..10 {
            match cache.lookup(Some(&format!("unknown-{flood}")), at) {
                Lookup::Fetch(ticket) => {
                    fetches += 1;
                    cache.fetched(ticket, &keys, at).unwrap();
                }
                Lookup::Miss => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(cache.lookup(Some("a"), at), Lookup::Key(_)));
    }
    assert_eq!(fetches, 9);
}

#[test]
fn a_new_key_of_the_issuer_is_found_after_the_interval() {
    let mut cache = filled(&["a"]);
    assert!(matches!(cache.lookup(Some("b"), NOW + 59), Lookup::Miss));
    let ticket = ticket(cache.lookup(Some("b"), NOW + 60));
    // Its other tokens are served meanwhile.
    assert!(matches!(cache.lookup(Some("a"), NOW + 60), Lookup::Key(_)));
    assert!(matches!(cache.lookup(Some("b"), NOW + 60), Lookup::Wait));
    cache.fetched(ticket, &set(&["a", "b"]), NOW + 60).unwrap();
    assert!(matches!(cache.lookup(Some("b"), NOW + 60), Lookup::Key(_)));
}

#[test]
fn old_keys_are_refreshed_by_one_caller_while_they_serve_the_others() {
    let mut cache = filled(&["a"]);
    let ticket = ticket(cache.lookup(Some("a"), NOW + 600));
    assert!(matches!(cache.lookup(Some("a"), NOW + 600), Lookup::Key(_)));
    cache.fetched(ticket, &set(&["b"]), NOW + 601).unwrap();
    // The issuer has withdrawn the key.
    assert!(matches!(cache.lookup(Some("a"), NOW + 602), Lookup::Miss));
}

#[test]
fn keys_serve_while_the_issuer_cannot_be_reached_but_not_for_ever() {
    let mut cache = filled(&["a"]);
    let mut fetches = 0;
    for at in NOW + 600..NOW + 3600 {
        if let Lookup::Fetch(ticket) = cache.lookup(Some("a"), at) {
            fetches += 1;
            cache.failed(ticket);
        }
        assert!(matches!(cache.lookup(Some("a"), at), Lookup::Key(_)), "{at}");
    }
    assert_eq!(fetches, 50);
    let last = ticket(cache.lookup(Some("a"), NOW + 3600));
    cache.failed(last);
    assert!(matches!(cache.lookup(Some("a"), NOW + 3600), Lookup::Unavailable(5)));
}

#[test]
fn without_keys_nobody_is_told_that_a_token_is_invalid_and_fetches_are_spaced() {
    let mut cache = cache();
    let first = ticket(cache.lookup(Some("a"), NOW));
    cache.failed(first);
    for (at, wait) in [(NOW, 5), (NOW + 4, 1)] {
        match cache.lookup(Some("a"), at) {
            Lookup::Unavailable(seconds) => assert_eq!(seconds, wait),
            other => panic!("{other:?}"),
        }
    }
    let _second = ticket(cache.lookup(Some("a"), NOW + 5));
}

#[test]
fn a_set_that_cannot_be_read_leaves_the_keys_at_hand() {
    let mut cache = filled(&["a"]);
    for (at, bad) in [(600, ""), (660, "{\"keys\":7}"), (720, "<html>")] {
        let ticket = ticket(cache.lookup(Some("a"), NOW + at));
        assert!(cache.fetched(ticket, bad, NOW + at).is_err(), "{bad}");
        assert!(matches!(cache.lookup(Some("a"), NOW + at), Lookup::Key(_)));
    }
}

#[test]
fn keys_of_algorithms_that_the_api_does_not_use_are_not_known() {
    let mut cache = cache();
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    let jwks = JwkSet::from_keys(key.key().verifying_key().to_jwk(Some("ed"))).to_json();
    let ticket = ticket(cache.lookup(Some("ed"), NOW));
    cache.fetched(ticket, &jwks, NOW).unwrap();
    assert!(matches!(cache.lookup(Some("ed"), NOW + 1), Lookup::Miss));
    assert!(matches!(cache.lookup(None, NOW + 1), Lookup::Miss));
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_fetching() {
    let mut cache = filled(&["a"]);
    let _again = ticket(cache.lookup(Some("b"), NOW - 86_400));
}
