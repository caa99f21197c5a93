//! The comparison under Criterion, for its statistics and its history; wall time, so for idle machines.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run stops")]

mod cases;

use cases::*;
use criterion::{Criterion, criterion_group, criterion_main};
use jwt_core::{Algorithm, Scratch};

fn compare(criterion: &mut Criterion) {
    calibrate();
    for algorithm in MEASURED {
        let Case { sign, verify } = case(algorithm);
        for (name, operations) in [("sign", sign), ("verify", verify)] {
            let mut group = criterion.benchmark_group(format!("{algorithm} {name}"));
            for (who, operation) in ["bare", "jwt-core", "jsonwebtoken"].into_iter().zip(operations) {
                let Some(mut operation) = operation else { continue };
                group.bench_function(who, |bencher| bencher.iter(&mut operation));
            }
            group.finish();
        }
    }
    let (verifier, token) = (verifier(Algorithm::Hs256), token(Algorithm::Hs256));
    let mut scratch = Scratch::new();
    criterion.bench_function("verify without other claims", |bencher| {
        bencher.iter(|| verifier.verify::<()>(&token, NOW, &mut scratch).is_ok());
    });
}

criterion_group!(benches, compare);
criterion_main!(benches);
