//! Bare primitive, this crate and `jsonwebtoken`, interleaved in one process: medians of thread CPU time.
//!
//! Ratios from one run survive a busy machine, absolute times do not. `cargo bench -p jwt-core --bench paired`,
//! with `--no-default-features --features aws-lc-rs` for the other backend; a word after `--` selects cases.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run stops")]

mod cases;

use std::hint::black_box;
use std::time::Duration;

use cases::*;
use cpu_time::ThreadTime;
use jwt_core::{
    Algorithm, KeySet, Refusal, Scratch, Signer, TokenType, VerifiedCache, Verifier, VerifyingKey,
};

/// Odd, so that the median is one of them.
const ROUNDS: usize = 21;

/// One sample takes at least this much CPU time.
const SAMPLE: Duration = Duration::from_millis(8);

struct Measured {
    operation: Operation,
    repeat: u32,
    nanoseconds: Vec<f64>,
}

impl Measured {
    fn new(mut operation: Operation) -> Self {
        let mut repeat = 1;
        loop {
            let start = ThreadTime::now();
            (0..repeat).for_each(|_| operation());
            let elapsed = start.elapsed();
            if elapsed >= SAMPLE / 2 {
                let scale = SAMPLE.as_secs_f64() / elapsed.as_secs_f64();
                repeat = (f64::from(repeat) * scale).ceil() as u32;
                return Self { operation, repeat, nanoseconds: Vec::new() };
            }
            repeat *= 2;
        }
    }

    fn sample(&mut self) {
        let start = ThreadTime::now();
        (0..self.repeat).for_each(|_| (self.operation)());
        self.nanoseconds.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(self.repeat));
    }

    fn median(&mut self) -> f64 {
        self.nanoseconds.sort_by(f64::total_cmp);
        *self.nanoseconds.get(self.nanoseconds.len() / 2).expect("samples")
    }
}

/// Runs the operations in turn and returns their medians in nanoseconds.
fn medians<const N: usize>(operations: [Operation; N]) -> [f64; N] {
    let mut all = operations.map(Measured::new);
    for _ in 0..ROUNDS {
        all.iter_mut().for_each(Measured::sample);
    }
    all.map(|mut one| one.median())
}

fn compare(selected: &dyn Fn(&str) -> bool) {
    let backend = if cfg!(feature = "aws-lc-rs") { "aws-lc-rs" } else { "ring" };
    println!("backend {backend}; nanoseconds of thread CPU time, medians of {ROUNDS} interleaved samples");
    println!(
        "{:<14} {:>10} {:>10} {:>7} {:>12} {:>9}",
        "operation", "bare", "jwt-core", "/bare", "jsonwebtoken", "/jwt-core"
    );
    for algorithm in MEASURED {
        let Case { sign, verify } = case(algorithm);
        for (name, operations) in [("sign", sign), ("verify", verify)] {
            let label = format!("{algorithm} {name}");
            if !selected(&label) {
                continue;
            }
            let [bare, ours, theirs] = medians(operations.map(|one| one.expect("all three")));
            println!(
                "{label:<14} {bare:>10.0} {ours:>10.0} {:>7.3} {theirs:>12.0} {:>9.2}",
                ours / bare,
                theirs / ours
            );
        }
    }
}

/// A verifier of `count` keys with ids, and a token of the last of them.
fn many_keys(count: usize) -> (Verifier, String) {
    let signing = signing_key(Algorithm::Hs256);
    let key = |at: usize| {
        let mut secret = [0x11; 32];
        secret.first_chunk_mut().map(|front: &mut [u8; 8]| *front = at.to_le_bytes()).expect("room");
        VerifyingKey::from_secret(Algorithm::Hs256, &secret)
            .expect("a long secret")
            .with_key_id(&format!("key-{at:05}"))
    };
    let last = format!("key-{:05}", count - 1);
    let keys = (0..count - 1).map(key).chain([signing.verifying_key().with_key_id(&last)]);
    let verifier = Verifier::builder(KeySet::new(keys).expect("distinct ids"))
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .token_type(TokenType::Jwt)
        .build();
    let token = Signer::new(signing, TokenType::Jwt, Some(&last)).expect("a short id").sign(&CLAIMS);
    (verifier, token.expect("a signature"))
}

/// Hits in a cache of `count` tokens, one after the other.
fn cache_hits(count: u64) -> Operation {
    let cache: VerifiedCache = VerifiedCache::new(verifier(Algorithm::Es256), 20_000);
    let signer = Signer::new(signing_key(Algorithm::Es256), TokenType::Jwt, None).expect("no key id");
    let mut scratch = Scratch::new();
    let tokens: Vec<String> = (0..count)
        .map(|number| {
            let claims = serde_json::json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "auth0|507f1f77bcf86cd799439011",
                "scope": "read:calendar write:calendar", "iat": NOW, "exp": 4_000_000_000u64,
                "jti": number.to_string()});
            let token = signer.sign(&claims).expect("a signature");
            cache.verify(&token, NOW, &mut scratch).expect("valid");
            token
        })
        .collect();
    let mut at = 0;
    Box::new(move || {
        at = (at + 7919) % tokens.len();
        let token = tokens.get(at).expect("a token");
        black_box(cache.verify(black_box(token), NOW, &mut scratch).expect("valid"));
    })
}

fn refusing(verifier: &Verifier, token: String, now: u64, expected: Refusal) -> Operation {
    let verifier = verifier.clone();
    let mut scratch = Scratch::new();
    Box::new(move || {
        let refusal = verifier.verify::<()>(black_box(&token), now, &mut scratch).err();
        assert_eq!(refusal, Some(expected));
    })
}

fn others(selected: &dyn Fn(&str) -> bool) {
    let verifier = verifier(Algorithm::Hs256);
    let good = token(Algorithm::Hs256);
    let (header, rest) = good.split_once('.').expect("a token");
    let tampered = format!("{}AAAA", good.get(..good.len() - 4).expect("ASCII"));
    let mut operations: Vec<(&str, Operation)> = vec![
        ("refuse 1 MiB of A", refusing(&verifier, "A".repeat(1 << 20), NOW, Refusal::TooLarge)),
        ("refuse 1 MiB of dots", refusing(&verifier, ".".repeat(1 << 20), NOW, Refusal::TooLarge)),
        ("refuse 300 B, no dots", refusing(&verifier, "A".repeat(300), NOW, Refusal::Malformed)),
        (
            "refuse alg none",
            refusing(&verifier, format!("eyJhbGciOiJub25lIn0.{rest}"), NOW, Refusal::AlgorithmMismatch),
        ),
        ("refuse bad signature", refusing(&verifier, tampered, NOW, Refusal::BadSignature)),
        ("refuse expired", refusing(&verifier, good.clone(), 4_000_000_000, Refusal::Expired)),
        ("refuse bare header", refusing(&verifier, header.to_owned(), NOW, Refusal::Malformed)),
        ("calibration", Box::new(calibrate)),
    ];
    for (name, count) in [("verify HS256, 1 key", 1), ("verify HS256, 1000 keys", 1000)] {
        let (verifier, token) = many_keys(count);
        let mut scratch = Scratch::new();
        operations.push((
            name,
            Box::new(move || {
                black_box(verifier.verify::<()>(black_box(&token), NOW, &mut scratch).expect("valid"));
            }),
        ));
    }
    // Known header, signature of the wrong length: length check, lookup, and nothing else.
    for (name, count) in [("lookup among 1 key", 1), ("lookup among 1000 keys", 1000)] {
        let (verifier, token) = many_keys(count);
        let (header, _) = token.split_once('.').expect("a token");
        operations.push((name, refusing(&verifier, format!("{header}.x.y"), NOW, Refusal::BadSignature)));
    }
    // A key id that nobody has: the header is parsed and the id looked up, nothing is verified.
    let (verifier, _) = many_keys(1000);
    let signer =
        Signer::new(signing_key(Algorithm::Hs256), TokenType::Jwt, Some("key-none")).expect("a short id");
    let token = signer.sign(&CLAIMS).expect("a signature");
    operations.push(("refuse unknown kid, 1000 keys", refusing(&verifier, token, NOW, Refusal::UnknownKey)));
    for (name, count) in [("cache hit, ES256, 1 token", 1), ("cache hit, ES256, 10000 tokens", 10_000)] {
        operations.push((name, cache_hits(count)));
    }
    for (name, operation) in operations {
        if selected(name) {
            let [nanoseconds] = medians([operation]);
            println!("{name:<30} {nanoseconds:>10.1} ns");
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let selected = |label: &str| words.is_empty() || words.iter().any(|word| label.contains(word.as_str()));
    compare(&selected);
    others(&selected);
}
