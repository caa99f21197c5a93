//! What a commit relies on, and what it makes of it.

use records::Version;

use super::{
    CONFIGURATION, KEPT, LONG, SHORT, body, commit, conflicts, delete, key, law, put, read, tenant, version,
    works,
};
use crate::{Backend, Becomes, CommitError, Expect, Key, Kind, Operation, Space};

/// What was committed is read, for each kind of retention, and nothing else is.
///
/// # Panics
///
/// Where it is not.
pub async fn reads_see_writes<B: Backend>(backend: B) {
    let space = tenant("acme");
    for kind in [CONFIGURATION, KEPT, LONG, SHORT] {
        law(read(&backend, &space, kind, "a").await.is_none(), "a row that was never written is not there");
        commit(&backend, &space, [put(kind, "a", "one")]).await;
        let row = read(&backend, &space, kind, "a").await;
        law(row.as_ref().is_some_and(|row| row.body == body("one")), "a row reads as it was written");
        law(row.is_some_and(|row| row.key == key("a")), "a row knows its key");
        let changed = put(kind, "a", "two").at(version(&backend, &space, kind, "a").await);
        commit(&backend, &space, [changed]).await;
        let row = read(&backend, &space, kind, "a").await;
        law(row.is_some_and(|row| row.body == body("two")), "a changed row reads as it was changed");
        commit(&backend, &space, [delete(kind, "a")]).await;
        law(read(&backend, &space, kind, "a").await.is_none(), "a deleted row is not there");
    }
}

/// *Absent* holds once.
///
/// # Panics
///
/// Where it does not.
pub async fn an_absent_row_can_be_made_once<B: Backend>(backend: B) {
    let space = tenant("acme");
    for kind in [CONFIGURATION, KEPT, LONG, SHORT] {
        commit(&backend, &space, [put(kind, "a", "one")]).await;
        conflicts(&backend, &space, [put(kind, "a", "two")], "a row that is there cannot be made").await;
        let row = read(&backend, &space, kind, "a").await;
        law(row.is_some_and(|row| row.body == body("one")), "a refused commit changes nothing");
        commit(&backend, &space, [delete(kind, "a")]).await;
        commit(&backend, &space, [put(kind, "a", "three")]).await;
    }
}

/// A version holds until the row is written, and every write gives another one.
///
/// # Panics
///
/// Where it does not.
pub async fn versions_guard_changes<B: Backend>(backend: B) {
    let space = tenant("acme");
    for kind in [CONFIGURATION, KEPT, LONG, SHORT] {
        let missing = put(kind, "a", "x").at(Version(1));
        conflicts(&backend, &space, [missing], "a row that is not there is at no version").await;
        commit(&backend, &space, [put(kind, "a", "one")]).await;
        let first = version(&backend, &space, kind, "a").await;
        law(version(&backend, &space, kind, "a").await == first, "reading does not change a version");
        let other = Version(first.0.wrapping_add(1_000_000));
        conflicts(&backend, &space, [put(kind, "a", "x").at(other)], "another version does not hold").await;
        commit(&backend, &space, [put(kind, "a", "one").at(first)]).await;
        let second = version(&backend, &space, kind, "a").await;
        law(second != first, "a write gives another version, even of the same body");
        conflicts(&backend, &space, [put(kind, "a", "x").at(first)], "an old version does not hold").await;
        let stale = Operation { becomes: Becomes::Delete, ..put(kind, "a", "").at(first) };
        conflicts(&backend, &space, [stale.clone()], "an old version does not delete").await;
        commit(&backend, &space, [stale.at(second)]).await;
        law(read(&backend, &space, kind, "a").await.is_none(), "the right version deletes");
    }
}

/// No key has the same version twice, not even after it was deleted and made again.
///
/// # Panics
///
/// Where one has.
pub async fn versions_never_repeat<B: Backend>(backend: B) {
    let space = tenant("acme");
    for kind in [CONFIGURATION, LONG, SHORT] {
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..20 {
            commit(&backend, &space, [put(kind, "a", "made").covered()]).await;
            let made = version(&backend, &space, kind, "a").await;
            law(seen.insert(made), "a row's version never repeats");
            if round % 2 == 0 {
                commit(&backend, &space, [delete(kind, "a")]).await;
                conflicts(
                    &backend,
                    &space,
                    [put(kind, "a", "x").at(made)],
                    "a deleted row's version does not hold",
                )
                .await;
                commit(&backend, &space, [put(kind, "a", "again")]).await;
                conflicts(
                    &backend,
                    &space,
                    [put(kind, "a", "x").at(made)],
                    "the version of a row's earlier life does not hold",
                )
                .await;
                law(seen.insert(version(&backend, &space, kind, "a").await), "a row's version never repeats");
            }
        }
    }
}

/// *Covered* relies on nothing.
///
/// # Panics
///
/// Where it does.
pub async fn covered_rows_are_written_whatever_they_are<B: Backend>(backend: B) {
    let space = tenant("acme");
    for kind in [CONFIGURATION, KEPT, LONG, SHORT] {
        commit(&backend, &space, [delete(kind, "a")]).await;
        commit(&backend, &space, [put(kind, "a", "one").covered()]).await;
        commit(&backend, &space, [put(kind, "a", "two").covered()]).await;
        let row = read(&backend, &space, kind, "a").await;
        law(row.is_some_and(|row| row.body == body("two")), "a covered row is replaced");
        commit(&backend, &space, [delete(kind, "a")]).await;
        law(read(&backend, &space, kind, "a").await.is_none(), "a covered row is deleted");
    }
}

/// *Keep* checks like a write and leaves the row as it is, its version included.
///
/// # Panics
///
/// Where it does not.
pub async fn keep_checks_and_writes_nothing<B: Backend>(backend: B) {
    let space = tenant("acme");
    for kind in [CONFIGURATION, KEPT, LONG, SHORT] {
        let keep = |expect| Operation { kind, key: key("a"), expect, becomes: Becomes::Keep };
        commit(&backend, &space, [keep(Expect::Absent)]).await;
        law(read(&backend, &space, kind, "a").await.is_none(), "keeping makes nothing");
        commit(&backend, &space, [put(kind, "a", "one")]).await;
        let before = read(&backend, &space, kind, "a").await;
        let at = version(&backend, &space, kind, "a").await;
        commit(&backend, &space, [keep(Expect::Version(at)), put(kind, "b", "one")]).await;
        law(read(&backend, &space, kind, "a").await == before, "keeping changes nothing");
        let sentence = "what is kept at a version that it does not have is a conflict";
        let stale = Version(at.0.wrapping_add(1_000_000));
        conflicts(&backend, &space, [put(kind, "c", "one"), keep(Expect::Version(stale))], sentence).await;
        law(read(&backend, &space, kind, "c").await.is_none(), "and undoes the rest of the commit");
        let sentence = "what is kept absent and is there is a conflict";
        conflicts(&backend, &space, [put(kind, "c", "one"), keep(Expect::Absent)], sentence).await;
        law(read(&backend, &space, kind, "c").await.is_none(), "and undoes the rest of the commit");
    }
}

/// A conflict in any operation undoes all of them.
///
/// # Panics
///
/// Where it does not.
pub async fn a_commit_is_all_or_nothing<B: Backend>(backend: B) {
    let space = tenant("acme");
    commit(&backend, &space, []).await;
    let there = [
        put(CONFIGURATION, "there", "one"),
        put(LONG, "there", "one").indexed(&[("colour", "red")]),
        put(SHORT, "there", "one"),
    ];
    commit(&backend, &space, there).await;
    let before = snapshot(&backend, &space).await;
    let configuration = works(backend.configuration_version().await);
    let change = |name: &str| {
        vec![
            put(CONFIGURATION, name, "new"),
            put(LONG, name, "new").indexed(&[("colour", "red")]),
            put(SHORT, name, "new"),
            put(CONFIGURATION, "there", "changed").covered(),
            delete(SHORT, "there"),
            put(LONG, "there", "changed").covered().indexed(&[("colour", "blue")]),
        ]
    };
    for position in 0..=change("new").len() {
        let mut operations = change("new");
        operations.insert(position, put(KEPT, "missing", "x").at(Version(1)));
        conflicts(&backend, &space, operations, "one conflict refuses the whole commit").await;
        law(snapshot(&backend, &space).await == before, "a refused commit leaves nothing behind");
    }
    law(
        works(backend.configuration_version().await) == configuration,
        "a refused commit does not change the configuration version",
    );
    commit(&backend, &space, change("new")).await;
    law(snapshot(&backend, &space).await != before, "without the conflict the commit happens");
    for kind in [CONFIGURATION, LONG, SHORT] {
        law(read(&backend, &space, kind, "new").await.is_some(), "all of a commit happens");
    }
    law(read(&backend, &space, SHORT, "there").await.is_none(), "all of a commit happens");
}

async fn snapshot<B: Backend>(backend: &B, space: &Space) -> Vec<Option<crate::Row>> {
    let mut rows = Vec::new();
    for kind in [CONFIGURATION, LONG, SHORT] {
        for name in ["there", "new"] {
            rows.push(read(backend, space, kind, name).await);
        }
    }
    for colour in ["red", "blue"] {
        rows.extend(
            super::page(backend, space, Some(("colour", colour)), None, 10).await.into_iter().map(Some),
        );
        rows.push(None);
    }
    rows
}

/// What no backend may be asked is refused, and changes nothing.
///
/// # Panics
///
/// Where it is not.
pub async fn ill_formed_commits_are_refused<B: Backend>(backend: B) {
    let space = tenant("acme");
    let endless = Operation {
        becomes: Becomes::Put { body: body("x"), index: Vec::new(), drop_at: None },
        ..put(SHORT, "bad", "x")
    };
    let long_key = Operation { key: key(&"k".repeat(Key::LONGEST + 1)), ..put(LONG, "bad", "x") };
    for (bad, sentence) in [
        (put(CONFIGURATION, "good", "again").covered(), "a row cannot be written twice in one commit"),
        (endless, "a short-lived row has an end"),
        (put(KEPT, "bad", "x").until(5), "a kept row has no end"),
        (put(SHORT, "bad", "x").indexed(&[("colour", "red")]), "a short-lived row has no index"),
        (put(LONG, "bad", &"x".repeat(Operation::LONGEST_BODY)), "a body is bounded"),
        (long_key, "a key is bounded"),
    ] {
        let outcome = backend.commit(&space, vec![put(CONFIGURATION, "good", "x"), bad]).await;
        law(matches!(outcome, Err(CommitError::Refused(_))), sentence);
        law(
            read(&backend, &space, CONFIGURATION, "good").await.is_none(),
            "a refused commit changes nothing",
        );
    }
}

/// The same key in two spaces, or of two kinds, is two rows.
///
/// # Panics
///
/// Where it is not.
pub async fn spaces_do_not_see_each_other<B: Backend>(backend: B) {
    let spaces = [tenant("acme"), tenant("acme2"), tenant("acm"), Space::Directory];
    for kind in [KEPT, LONG, SHORT] {
        for space in &spaces {
            commit(&backend, space, [put(kind, "a", space.as_str())]).await;
        }
        for space in &spaces {
            let row = read(&backend, space, kind, "a").await;
            law(row.is_some_and(|row| row.body == body(space.as_str())), "a space reads its own row");
        }
        commit(&backend, &spaces[0], [delete(kind, "a")]).await;
        for space in &spaces[1..] {
            law(read(&backend, space, kind, "a").await.is_some(), "deleting a row leaves other spaces' rows");
        }
        law(read(&backend, &spaces[0], kind, "a").await.is_none(), "a deleted row is not there");
    }
    for space in &spaces[1..] {
        commit(&backend, space, [put(LONG, "b", "x").indexed(&[("colour", "red")])]).await;
    }
    law(super::page(&backend, &spaces[0], None, None, 10).await.is_empty(), "a space pages its own rows");
    law(
        super::page(&backend, &spaces[0], Some(("colour", "red")), None, 10).await.is_empty(),
        "a space pages its own index",
    );
    law(super::page(&backend, &spaces[1], None, None, 10).await.len() == 2, "a space pages its own rows");
    commit(&backend, &spaces[1], [put(KEPT, "b", "x")]).await;
    law(read(&backend, &spaces[1], Kind::Client, "b").await.is_none(), "kinds do not see each other");
}

/// Keys and bodies are bytes to a backend.
///
/// # Panics
///
/// Where they are not.
pub async fn odd_keys_and_large_bodies_come_back_unchanged<B: Backend>(backend: B) {
    let space = tenant("acme");
    let mut odd: Vec<Key> = (0..=255u8).map(|byte| Key::of(&[&char::from(byte).to_string()])).collect();
    for text in [
        "", " ", "a ", "A", "a", "é", "e\u{301}", "😀", "%", "/", "a/b", "'", "\"", "--", ";", "_", "\\",
        "NULL",
    ] {
        odd.push(Key::of(&["odd", text]));
        odd.push(Key::of(&["odd", text, text]));
    }
    odd.push(Key::of(&[&"é".repeat(Key::LONGEST / 2)]));
    for kind in [LONG, SHORT] {
        for (number, odd) in odd.iter().enumerate() {
            let operation = Operation { key: odd.clone(), ..put(kind, "", &number.to_string()) };
            commit(&backend, &space, [operation]).await;
        }
        for (number, odd) in odd.iter().enumerate() {
            let row = works(backend.get(&space, kind, odd).await);
            let unchanged = row.is_some_and(|row| row.key == *odd && row.body == body(&number.to_string()));
            law(unchanged, &format!("a row under the key {odd:?} comes back unchanged"));
        }
    }
    let rows = works(backend.page(&space, LONG, None, None, odd.len() + 1).await);
    odd.sort();
    law(rows.iter().map(|row| &row.key).eq(&odd), "pages are in the order of the keys' bytes");
    for (name, text) in [("64k", "x".repeat(64 * 1024)), ("unicode", "\u{10348}é\u{1}\u{7f}\r\n".repeat(500))]
    {
        for kind in [LONG, SHORT] {
            commit(&backend, &space, [put(kind, name, &text)]).await;
            let row = read(&backend, &space, kind, name).await;
            law(row.is_some_and(|row| row.body == body(&text)), "a large body comes back unchanged");
        }
    }
}

/// The configuration version changes with each write of configuration, and with nothing else.
///
/// # Panics
///
/// Where it does not.
pub async fn configuration_version_follows_configuration<B: Backend>(backend: B) {
    let space = tenant("acme");
    let mut last = works(backend.configuration_version().await);
    let is_new = |now: u64, last: &mut u64| std::mem::replace(last, now) != now;
    commit(&backend, &space, [put(CONFIGURATION, "a", "x")]).await;
    law(is_new(works(backend.configuration_version().await), &mut last), "making configuration shows");
    commit(&backend, &space, [put(LONG, "a", "x"), put(SHORT, "a", "x"), put(KEPT, "a", "x")]).await;
    commit(&backend, &space, [put(LONG, "a", "x").covered()]).await;
    commit(&backend, &space, [delete(LONG, "a"), delete(SHORT, "a"), delete(KEPT, "a")]).await;
    let keep = Operation { becomes: Becomes::Keep, ..put(CONFIGURATION, "a", "").covered() };
    commit(&backend, &space, [keep]).await;
    law(!is_new(works(backend.configuration_version().await), &mut last), "nothing else shows");
    conflicts(&backend, &space, [put(CONFIGURATION, "a", "x")], "a row that is there cannot be made").await;
    law(!is_new(works(backend.configuration_version().await), &mut last), "a conflict does not show");
    commit(&backend, &space, [put(LONG, "b", "x"), put(CONFIGURATION, "a", "x").covered()]).await;
    law(is_new(works(backend.configuration_version().await), &mut last), "changing configuration shows");
    commit(&backend, &space, [delete(CONFIGURATION, "a")]).await;
    law(is_new(works(backend.configuration_version().await), &mut last), "deleting configuration shows");
    let directory = Space::Directory;
    commit(&backend, &directory, [put(Kind::Tenant, "a", "x")]).await;
    law(is_new(works(backend.configuration_version().await), &mut last), "every space shows");
}
