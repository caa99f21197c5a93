//! What happens at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    CONFIGURATION, LONG, SHORT, Task, body, commit, delete, key, law, put, race, read, tenant, version, works,
};
use crate::{Backend, Becomes, CommitError, Kind, Operation};

/// Of a hundred claims of one row exactly one succeeds, for many rows, whether the claim is that it is absent (a
/// `jti`), that it is at a version (a code that is consumed), or that it is deleted at a version.
///
/// # Panics
///
/// Where another number does.
pub async fn one_of_many_claims_succeeds<B: Backend>(backend: B, spawn: &impl Fn(Task)) {
    const ROWS: usize = 20;
    const CLAIMS: usize = 100;
    let space = tenant("acme");
    for kind in [CONFIGURATION, LONG, SHORT] {
        for row in 0..ROWS {
            let name = format!("row{row}");
            let claim = match row % 3 {
                0 => put(kind, &name, "claimed"),
                remainder => {
                    commit(&backend, &space, [put(kind, &name, "open")]).await;
                    let at = version(&backend, &space, kind, &name).await;
                    match remainder {
                        1 => put(kind, &name, "claimed").at(at),
                        _ => Operation { becomes: Becomes::Delete, ..put(kind, &name, "").at(at) },
                    }
                }
            };
            let tasks: Vec<_> = (0..CLAIMS)
                .map(|number| {
                    let (backend, space, claim) = (backend.clone(), space.clone(), claim.clone());
                    let trace = put(LONG, &format!("{}-{name}-{number}", kind.name()), "x");
                    async move { backend.commit(&space, vec![trace, claim]).await }
                })
                .collect();
            let outcomes = race(spawn, tasks).await;
            let succeeded = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            law(succeeded == 1, "exactly one of many claims of a row succeeds");
            let lost = outcomes.iter().filter(|outcome| **outcome == Err(CommitError::Conflict)).count();
            law(lost == CLAIMS - 1, "every other claim is a conflict");
            let mut traces = 0;
            for number in 0..CLAIMS {
                let trace = read(&backend, &space, LONG, &format!("{}-{name}-{number}", kind.name())).await;
                traces += usize::from(trace.is_some());
            }
            law(traces == 1, "what lost left nothing behind, and what won left everything");
        }
    }
}

/// A row that a thousand tasks each advance by one, as a refresh family is rotated, ends a thousand further on.
///
/// # Panics
///
/// Where it does not.
pub async fn many_rotations_of_one_row_happen_one_by_one<B: Backend>(backend: B, spawn: &impl Fn(Task)) {
    const ROTATIONS: usize = 1000;
    const AT_ONCE: usize = 8;
    let space = tenant("acme");
    commit(&backend, &space, [put(LONG, "family", "0")]).await;
    let done = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (backend, space, done) = (backend.clone(), space.clone(), Arc::clone(&done));
            async move {
                for _ in 0..ROTATIONS / AT_ONCE {
                    rotate(&backend, &space).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .collect();
    race(spawn, tasks).await;
    law(done.load(Ordering::Relaxed) == ROTATIONS, "every rotation happens");
    let row = read(&backend, &space, LONG, "family").await;
    law(row.is_some_and(|row| row.body == body(&ROTATIONS.to_string())), "no rotation is lost or made twice");
}

async fn rotate(backend: &impl Backend, space: &crate::Space) {
    loop {
        let row = read(backend, space, LONG, "family").await;
        law(row.is_some(), "a row that is rotated is there");
        let Some(row) = row else { return };
        let generation = works(row.body.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>());
        let next = put(LONG, "family", &(generation + 1).to_string()).at(row.version);
        match backend.commit(space, vec![next]).await {
            Ok(()) => return,
            Err(CommitError::Conflict) => {}
            Err(error) => works(Err(error)),
        }
    }
}

/// Rows that are moved back and forth by many tasks, two at a time and in opposite orders, are neither lost nor doubled.
///
/// # Panics
///
/// Where they are.
pub async fn swaps_lose_nothing<B: Backend>(backend: B, spawn: &impl Fn(Task)) {
    const ROUNDS: usize = 50;
    let space = tenant("acme");
    commit(&backend, &space, [put(LONG, "token", "x")]).await;
    let tasks: Vec<_> = (0..8usize)
        .map(|number| {
            let (backend, space) = (backend.clone(), space.clone());
            async move {
                let mut moved = 0usize;
                for round in 0..ROUNDS {
                    let (from, to) =
                        if (number + round) % 2 == 0 { (LONG, CONFIGURATION) } else { (CONFIGURATION, LONG) };
                    let Some(row) = works(backend.get(&space, from, &key("token")).await) else { continue };
                    let gone =
                        Operation { expect: crate::Expect::Version(row.version), ..delete(from, "token") };
                    let mut operations = vec![gone, put(to, "token", "x")];
                    if number % 2 == 0 {
                        operations.reverse();
                    }
                    match backend.commit(&space, operations).await {
                        Ok(()) => moved += 1,
                        Err(CommitError::Conflict) => {}
                        Err(error) => works(Err(error)),
                    }
                }
                moved
            }
        })
        .collect();
    let moves: usize = race(spawn, tasks).await.into_iter().sum();
    let mut places = Vec::new();
    for kind in [LONG, CONFIGURATION] {
        if read(&backend, &space, kind, "token").await.is_some() {
            places.push(kind);
        }
    }
    let expected: Kind = if moves.is_multiple_of(2) { LONG } else { CONFIGURATION };
    law(places == [expected], "a row that is moved is in exactly one place: where the last move left it");
}
