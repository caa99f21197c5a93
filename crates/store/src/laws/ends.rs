//! What leaves by itself, and when.

use records::UnixTime;

use super::{
    CONFIGURATION, KEPT, LONG, SHORT, commit, conflicts, law, page, put, read, tenant, version, works,
};
use crate::{Backend, RING_PERIOD};

/// A time of day that is no multiple of anything.
const NOON: u64 = 1_800_000_123;

async fn sweep_all(backend: &impl Backend, now: u64, at_most: usize) {
    for _ in 0..100_000 {
        if works(backend.sweep(UnixTime(now), at_most).await) == 0 {
            return;
        }
    }
    law(false, "sweeping comes to an end");
}

/// What has no end stays.
///
/// # Panics
///
/// Where it does not.
pub async fn kept_rows_stay<B: Backend>(backend: B) {
    let space = tenant("acme");
    commit(&backend, &space, [put(CONFIGURATION, "a", "x"), put(KEPT, "a", "x"), put(LONG, "a", "x")]).await;
    sweep_all(&backend, u64::from(u32::MAX) * 1000, 100).await;
    for kind in [CONFIGURATION, KEPT, LONG] {
        law(read(&backend, &space, kind, "a").await.is_some(), "a row without an end stays");
    }
}

/// Long-lived rows leave at their end, not before, no more at a time than asked, with their index entries.
///
/// # Panics
///
/// Where they do not.
pub async fn long_lived_rows_leave_in_bounded_slices<B: Backend>(backend: B) {
    let spaces = [tenant("acme"), tenant("other")];
    for space in &spaces {
        for number in 0..25u64 {
            let row = put(LONG, &format!("row{number:02}"), "x").until(NOON + number);
            commit(&backend, space, [row.indexed(&[("colour", "red")])]).await;
        }
    }
    law(works(backend.sweep(UnixTime(NOON - 1), 100).await) == 0, "no row leaves before its end");
    law(page(&backend, &spaces[0], None, None, 100).await.len() == 25, "no row leaves before its end");
    let left = works(backend.sweep(UnixTime(NOON + 9), 8).await);
    law(left == 8, "a sweep removes as many as it may");
    sweep_all(&backend, NOON + 9, 8).await;
    for space in &spaces {
        let rows = page(&backend, space, None, None, 100).await;
        law(rows.len() == 15, "what is past its end leaves, and nothing else");
        law(rows.first().is_some_and(|row| row.key.as_str() == "row10"), "what is past its end leaves");
        let found = page(&backend, space, Some(("colour", "red")), None, 100).await;
        law(found == rows, "index entries leave with their row");
    }
    commit(&backend, &spaces[0], [put(LONG, "row00", "again")]).await;
    sweep_all(&backend, NOON + 100, 3).await;
    law(page(&backend, &spaces[0], None, None, 100).await.len() == 1, "a row that was made again stays");
}

/// A row whose end is moved leaves at its new end.
///
/// # Panics
///
/// Where it does not.
pub async fn renewed_rows_stay_until_their_new_end<B: Backend>(backend: B) {
    let space = tenant("acme");
    for name in ["longer", "endless", "shorter"] {
        commit(&backend, &space, [put(LONG, name, "x").until(NOON)]).await;
    }
    let at = version(&backend, &space, LONG, "longer").await;
    commit(&backend, &space, [put(LONG, "longer", "x").at(at).until(NOON + 100)]).await;
    commit(&backend, &space, [put(LONG, "endless", "x").covered()]).await;
    commit(&backend, &space, [put(LONG, "shorter", "x").covered().until(NOON - 100)]).await;
    sweep_all(&backend, NOON - 50, 10).await;
    law(read(&backend, &space, LONG, "shorter").await.is_none(), "an end can move nearer");
    sweep_all(&backend, NOON + 99, 10).await;
    law(read(&backend, &space, LONG, "longer").await.is_some(), "an end can move away");
    law(read(&backend, &space, LONG, "endless").await.is_some(), "an end can be taken away");
    sweep_all(&backend, NOON + 100, 10).await;
    law(read(&backend, &space, LONG, "longer").await.is_none(), "the new end counts");
}

/// Short-lived rows do not leave before their end, however often and late is swept, and leave soon after it.
///
/// # Panics
///
/// Where they do not.
pub async fn short_lived_rows_stay_until_their_end<B: Backend>(backend: B) {
    let space = tenant("acme");
    let lives = [1, 60, 600, 3599, 3600, 3601, 7200];
    for life in lives {
        commit(&backend, &space, [put(SHORT, &life.to_string(), "x").until(NOON + life)]).await;
    }
    for now in (0..=10_800).step_by(60).chain(lives.map(|life| life - 1)) {
        sweep_all(&backend, NOON + now, 1000).await;
        for life in lives.into_iter().filter(|life| *life > now) {
            let sentence = "a short-lived row does not leave before its end";
            law(read(&backend, &space, SHORT, &life.to_string()).await.is_some(), sentence);
            conflicts(&backend, &space, [put(SHORT, &life.to_string(), "x").until(NOON + life)], sentence)
                .await;
        }
        for life in lives.into_iter().filter(|life| *life + RING_PERIOD <= now) {
            let sentence = "a short-lived row leaves with the first sweep a period after its end";
            law(read(&backend, &space, SHORT, &life.to_string()).await.is_none(), sentence);
        }
        if now == 10_800 {
            break;
        }
    }
    sweep_all(&backend, NOON + 7200 + RING_PERIOD, 1000).await;
    for life in lives {
        law(read(&backend, &space, SHORT, &life.to_string()).await.is_none(), "every short-lived row leaves");
    }
}

/// Short-lived rows are not pushed out by later ones, also where nobody swept for long, nor by ends out of order.
///
/// # Panics
///
/// Where they are.
pub async fn short_lived_rows_survive_later_ones<B: Backend>(backend: B) {
    let space = tenant("acme");
    let far = 40 * RING_PERIOD;
    commit(&backend, &space, [put(SHORT, "far", "x").until(NOON + far)]).await;
    for period in 0..30 {
        let end = NOON + period * RING_PERIOD;
        commit(&backend, &space, [put(SHORT, &format!("p{period}"), "x").until(end)]).await;
    }
    for period in 0..30 {
        let sentence = "a later short-lived row does not push out an earlier one";
        law(read(&backend, &space, SHORT, &format!("p{period}")).await.is_some(), sentence);
        let again = put(SHORT, &format!("p{period}"), "x").until(NOON + (period + 3) * RING_PERIOD);
        conflicts(&backend, &space, [again], "a row that is there cannot be made, whatever its end").await;
    }
    let at = version(&backend, &space, SHORT, "p1").await;
    commit(&backend, &space, [put(SHORT, "p1", "moved").at(at).until(NOON + far)]).await;
    sweep_all(&backend, NOON + 20 * RING_PERIOD, 1000).await;
    for period in 21..30 {
        let sentence = "a short-lived row does not leave before its end";
        law(read(&backend, &space, SHORT, &format!("p{period}")).await.is_some(), sentence);
    }
    let moved = read(&backend, &space, SHORT, "p1").await;
    law(moved.is_some_and(|row| row.body == super::body("moved")), "a row whose end was moved stays, once");
    sweep_all(&backend, NOON + far - 1, 1000).await;
    law(read(&backend, &space, SHORT, "far").await.is_some(), "a row with a far end stays until then");
    sweep_all(&backend, NOON + far + RING_PERIOD, 1000).await;
    for name in ["far", "p1", "p0", "p29"] {
        law(read(&backend, &space, SHORT, name).await.is_none(), "every short-lived row leaves");
    }
}
