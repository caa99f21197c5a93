//! The one task that commits: all waiting commits become one durable transaction.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use store::{CommitError, Unavailable};
use tokio::sync::mpsc;

use crate::Counters;
use crate::commit::{Known, transact};
use crate::connections::Pool;
use crate::error::Failure;
use crate::group::{Commit, Outcome};

/// The most commits in one transaction: bounds how long the first of them waits for the last.
const GROUP: usize = 128;
/// The most commits that wait. Who comes when there are more is told so at once.
pub(crate) const WAITING: usize = 4096;

/// Works until nobody can commit any more.
pub(crate) async fn run(
    mut waiting: mpsc::Receiver<Commit>,
    pool: Pool,
    mut known: Known,
    counters: Arc<Counters>,
) {
    let mut group = Vec::with_capacity(GROUP);
    while waiting.recv_many(&mut group, GROUP).await > 0 {
        // Who no longer waits was told that it is unknown whether it happened.
        group.retain(|commit: &Commit| !commit.answer.is_closed());
        if !group.is_empty() {
            carry_out(&pool, &mut known, std::mem::take(&mut group), &counters).await;
        }
    }
}

async fn carry_out(pool: &Pool, known: &mut Known, commits: Vec<Commit>, counters: &Counters) {
    match transact(pool, known, &commits).await {
        Ok(outcomes) => {
            let written = outcomes.iter().filter(|outcome| **outcome == Outcome::Written).count();
            if written > 0 {
                counters.commits.fetch_add(written as u64, Ordering::Relaxed);
                counters.transactions.fetch_add(1, Ordering::Relaxed);
            }
            for (commit, outcome) in commits.into_iter().zip(outcomes) {
                let result = match outcome {
                    Outcome::Written => Ok(()),
                    Outcome::Conflict => Err(CommitError::Conflict),
                };
                let _ = commit.answer.send(result);
            }
        }
        // Nothing was written. One of them did it: each alone, and only that one fails.
        Err(failure) if commits.len() > 1 && failure.is_of_the_statement() => {
            for commit in commits {
                let alone = vec![commit];
                let outcome = transact(pool, known, &alone).await;
                answer_one(alone, outcome);
            }
        }
        Err(failure) => {
            let unavailable = Unavailable::from(failure);
            for commit in commits {
                let _ = commit.answer.send(Err(CommitError::Unavailable(unavailable.clone())));
            }
        }
    }
}

fn answer_one(commits: Vec<Commit>, outcome: Result<Vec<Outcome>, Failure>) {
    let result = match outcome {
        Ok(outcomes) if outcomes.contains(&Outcome::Written) => Ok(()),
        Ok(_) => Err(CommitError::Conflict),
        Err(failure) => Err(CommitError::Unavailable(failure.into())),
    };
    for commit in commits {
        let _ = commit.answer.send(result.clone());
    }
}
