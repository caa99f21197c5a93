//! What pages show.

use super::{LONG, SHORT, commit, delete, key, law, names, page, put, read, tenant};
use crate::{Backend, CommitError, IndexEntry, Key, Operation, Refused};

/// Pages come in the order of the keys, no longer than asked, and together are everything.
///
/// # Panics
///
/// Where they do not.
pub async fn pages_are_ordered_and_bounded<B: Backend>(backend: B) {
    let space = tenant("acme");
    law(page(&backend, &space, None, None, 10).await.is_empty(), "where nothing is, a page is empty");
    let mut all: Vec<String> = (0..57).map(|number| format!("row{}", number * 7 % 57)).collect();
    for name in &all {
        commit(&backend, &space, [put(LONG, name, "x")]).await;
    }
    all.sort();
    law(names(&page(&backend, &space, None, None, 1000).await) == all, "a page is in the order of the keys");
    law(page(&backend, &space, None, None, 0).await.is_empty(), "a page is no longer than asked");
    let mut seen: Vec<String> = Vec::new();
    loop {
        let rows = page(&backend, &space, None, seen.last().map(String::as_str), 10).await;
        law(rows.len() <= 10, "a page is no longer than asked");
        if rows.is_empty() {
            break;
        }
        seen.extend(names(&rows).iter().map(ToString::to_string));
    }
    law(seen == all, "pages together are everything, once");
    law(
        names(&page(&backend, &space, None, Some("row3a"), 1).await) == ["row4"],
        "a page starts after a key, also where that key is not there",
    );
}

/// Rows that come and go while somebody pages do not hide those that stay.
///
/// # Panics
///
/// Where they do.
pub async fn pages_do_not_skip_what_was_there<B: Backend>(backend: B) {
    let space = tenant("acme");
    let stay: Vec<String> = (0..30).map(|number| format!("m{number:02}")).collect();
    for name in &stay {
        commit(&backend, &space, [put(LONG, name, "x").indexed(&[("colour", "red")])]).await;
    }
    for filter in [None, Some(("colour", "red"))] {
        let mut seen: Vec<String> = Vec::new();
        for round in 0.. {
            let rows = page(&backend, &space, filter, seen.last().map(String::as_str), 7).await;
            if rows.is_empty() {
                break;
            }
            seen.extend(names(&rows).iter().map(ToString::to_string));
            // One comes before everything, and the row that was seen last goes.
            let coming = put(LONG, &format!("a{round}"), "x").covered().indexed(&[("colour", "red")]);
            let going = seen.last().map(|last| delete(LONG, last));
            commit(&backend, &space, going.into_iter().chain([coming]).collect::<Vec<_>>()).await;
        }
        law(seen == stay, "pages show every row that was there all the time, once");
        for name in &stay {
            commit(&backend, &space, [put(LONG, name, "x").covered().indexed(&[("colour", "red")])]).await;
        }
        let strangers = page(&backend, &space, None, None, 1000).await;
        for row in strangers.iter().filter(|row| row.key.as_str().starts_with('a')) {
            commit(&backend, &space, [delete(LONG, row.key.as_str())]).await;
        }
    }
}

/// A row is found under the index entries that it was last written with, and under no others.
///
/// # Panics
///
/// Where it is not.
pub async fn filtered_pages_follow_the_index<B: Backend>(backend: B) {
    let space = tenant("acme");
    let found = async |name: &'static str, value: &str| -> Vec<String> {
        let rows = page(&backend, &space, Some((name, value)), None, 100).await;
        names(&rows).iter().map(ToString::to_string).collect()
    };
    let both = &[("colour", "red"), ("size", "s/%")];
    commit(&backend, &space, [put(LONG, "a", "x").indexed(both), put(LONG, "b", "x").indexed(both)]).await;
    commit(&backend, &space, [put(LONG, "c", "x").indexed(&[("colour", "blue")]), put(LONG, "d", "x")]).await;
    law(found("colour", "red").await == ["a", "b"], "a row is found under its entry");
    law(found("size", "s/%").await == ["a", "b"], "a row is found under each of its entries");
    law(found("size", "red").await.is_empty(), "a value belongs to its name");
    law(found("colour", "r").await.is_empty(), "a value is found whole");

    let at = super::version(&backend, &space, LONG, "a").await;
    commit(&backend, &space, [put(LONG, "a", "y").at(at).indexed(both)]).await;
    law(found("colour", "red").await == ["a", "b"], "a change that leaves the entries leaves the row found");
    let rows = page(&backend, &space, Some(("colour", "red")), None, 1).await;
    law(rows.first().is_some_and(|row| row.body == super::body("y")), "and found as it was changed");
    let at = super::version(&backend, &space, LONG, "a").await;
    commit(&backend, &space, [put(LONG, "a", "z").at(at).indexed(&[("colour", "blue")])]).await;
    law(found("colour", "red").await == ["b"], "a row is not found under what it was");
    law(found("colour", "blue").await == ["a", "c"], "a row is found under what it is");
    law(found("size", "s/%").await == ["b"], "an entry that a write leaves out is gone");
    commit(&backend, &space, [put(LONG, "b", "x").covered()]).await;
    law(found("colour", "red").await.is_empty(), "a write without entries leaves none");
    commit(&backend, &space, [delete(LONG, "a")]).await;
    law(found("colour", "blue").await == ["c"], "a deleted row is found nowhere");
    commit(&backend, &space, [put(LONG, "a", "new")]).await;
    law(found("colour", "blue").await == ["c"], "nor are its entries when it is made again");
    commit(&backend, &space, [put(LONG, "e", "x").indexed(&[("colour", "blue"), ("colour", "green")])]).await;
    law(found("colour", "blue").await == ["c", "e"], "a row may have two entries of one name");
    law(found("colour", "green").await == ["e"], "a row may have two entries of one name");
}

/// An index entry as long as may be is kept and found, also where nothing of it can be compressed; a longer one is refused as
/// what it is, and nothing of its commit happens.
///
/// # Panics
///
/// Where it is not.
pub async fn entries_are_found_or_refused_however_long<B: Backend>(backend: B) {
    let space = tenant(&"t".repeat(63));
    for (shares, sentence) in [
        ([IndexEntry::LONGEST - Key::LONGEST, Key::LONGEST], "the longest key has room for a value"),
        ([Key::LONGEST, IndexEntry::LONGEST - Key::LONGEST], "the longest value has room for a key"),
        ([IndexEntry::LONGEST / 2, IndexEntry::LONGEST / 2], "they share the room"),
    ] {
        let [value, name] = shares.map(incompressible);
        commit(&backend, &space, [put(LONG, &name, "x").indexed(&[("colour_of_it", &value)])]).await;
        let found = page(&backend, &space, Some(("colour_of_it", &value)), None, 10).await;
        law(names(&found) == [&name], sentence);
        let longer = put(LONG, &name, "y").covered().indexed(&[("colour_of_it", &format!("{value}x"))]);
        let outcome = backend.commit(&space, vec![put(LONG, "beside", "x"), longer]).await;
        law(outcome == Err(CommitError::Refused(Refused::EntryTooLong(LONG))), "a longer one is refused");
        law(read(&backend, &space, LONG, "beside").await.is_none(), "with everything beside it");
        commit(&backend, &space, [delete(LONG, &name)]).await;
        let found = page(&backend, &space, Some(("colour_of_it", &value)), None, 10).await;
        law(found.is_empty(), "a long entry leaves with its row");
    }
    let longest = Operation { key: key(&incompressible(Key::LONGEST)), ..put(LONG, "", "x") };
    commit(&backend, &space, [longest]).await;
}

/// So many characters, of which none follows from those before.
fn incompressible(length: usize) -> String {
    let mut state = 1u64;
    let letters = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // From `0` on, so that nothing is escaped.
        char::from(u8::try_from((state >> 33) % 75).unwrap_or_default() + b'0')
    });
    letters.take(length).collect()
}

/// Kinds that leave by whole periods offer no pages.
///
/// # Panics
///
/// Where they do.
pub async fn short_lived_kinds_have_no_pages<B: Backend>(backend: B) {
    let outcome = backend.page(&tenant("acme"), SHORT, None, None, 10).await;
    law(outcome.is_err(), "a short-lived kind has no pages");
}
