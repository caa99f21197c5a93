//! The full check of a database: what a start does not take the time for (threats R9).

use std::collections::BTreeMap;
use std::fmt;

use records::UnixTime;
use store::migration::Contracts;
use store::{RawRow, Unavailable, Weight};

use crate::backend::{AnyBackend, AnyStores};
use crate::open::{self, DATABASE_FILE, Place};
use crate::sealing::KeySource;

/// How many rows are read at a time.
const PAGE: usize = 500;
/// How many findings are shown one by one.
const SHOWN: usize = 20;

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Worth knowing, and nothing is wrong.
    Note,
    /// Something is wrong.
    Failed,
}

impl Outcome {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Failed => "FAILED",
        }
    }
}

/// One line of what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was found. Quotes no secret.
    pub detail: String,
}

/// What was found, in the order in which it was looked at.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// A line each.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.outcome != Outcome::Failed)
    }

    fn add(&mut self, name: &'static str, outcome: Outcome, detail: impl fmt::Display) {
        self.checks.push(Check { name, outcome, detail: detail.to_string() });
    }
}

/// Looks at everything, beside servers that serve. Changes nothing. `watch` hears how many rows were read.
pub async fn examine(place: &Place, key: &KeySource, now: UnixTime, watch: &dyn Fn(u64)) -> Report {
    let mut report = Report::default();
    let backend = match open::backend(place).await {
        Ok(backend) => backend,
        Err(why) => {
            report.add("database", Outcome::Failed, why);
            return report;
        }
    };
    match schema(place, &backend).await {
        Ok(found) => report.add("database", Outcome::Ok, found),
        Err(why) => report.add("database", Outcome::Failed, why),
    }
    integrity(&backend, &mut report).await;
    match open::stores_on(backend.clone(), key).await {
        Ok(stores) => {
            report.add("key", Outcome::Ok, "the key-encryption key opens the root secret");
            rows(&stores, now, watch, &mut report).await;
        }
        Err(why) => report.add("key", Outcome::Failed, why),
    }
    history(&backend, &mut report).await;
    if let AnyBackend::Sqlite(backend) = &backend {
        backend.close();
    }
    report
}

/// Where the database is, and whether its schema waits for something.
async fn schema(place: &Place, backend: &AnyBackend) -> Result<String, String> {
    let (name, plan, newest) = match (place, backend) {
        (Place::Directory(directory), _) => {
            let (path, known) = (directory.join(DATABASE_FILE), store_sqlite::migrate::MIGRATIONS);
            let plan = store_sqlite::migrate::pending(&path, known, Contracts::Wait);
            (path.display().to_string(), plan.map_err(|error| error.to_string())?, known.len())
        }
        (Place::Postgres(settings), AnyBackend::Postgres(backend)) => {
            let known = store_postgres::migrate::MIGRATIONS;
            let plan = store_postgres::migrate::pending(settings, known, Contracts::Wait).await;
            let version = backend.server_version().await.map_err(|error| error.to_string())?;
            let name = format!("{}, PostgreSQL {version}", settings.address());
            (name, plan.map_err(|error| error.to_string())?, known.len())
        }
        (Place::Postgres(settings), _) => return Err(format!("{} is another database", settings.address())),
    };
    let waiting = match plan.waits.len() {
        0 => String::new(),
        count => format!(", {count} changes wait for `authd migrate --contract`"),
    };
    Ok(format!("{name}: schema {newest}{waiting}"))
}

async fn integrity(backend: &AnyBackend, report: &mut Report) {
    let (found, what) = match backend {
        AnyBackend::Memory(_) | AnyBackend::Other(_) => return,
        AnyBackend::Sqlite(backend) => {
            (backend.disagreements(), "SQLite finds no damage, and rows agree with their index")
        }
        AnyBackend::Postgres(backend) => (backend.disagreements().await, "rows agree with their index"),
    };
    match found {
        Ok(found) if found.is_empty() => report.add("integrity", Outcome::Ok, what),
        Ok(found) => {
            for line in found {
                report.add("integrity", Outcome::Failed, line.replace('\n', "; "));
            }
        }
        Err(error) => report.add("integrity", Outcome::Failed, error),
    }
}

/// What was counted of one kind.
#[derive(Default)]
struct Counted {
    rows: u64,
    expired: u64,
    oldest: u64,
}

/// Every row: it parses, its secrets open, and what it belongs to is there.
async fn rows(stores: &AnyStores, now: UnixTime, watch: &dyn Fn(u64), report: &mut Report) {
    let mut counted: BTreeMap<String, Counted> = BTreeMap::new();
    let (mut read, mut damaged, mut leftovers) = (0u64, 0u64, 0u64);
    let mut after: Option<RawRow> = None;
    loop {
        let page = match page(stores.backend(), after.as_ref()).await {
            Ok(page) => page,
            Err(error) => {
                report.add("rows", Outcome::Failed, format!("after {read} of them: {error}"));
                return;
            }
        };
        for row in &page {
            let of_kind = counted.entry(row.kind.clone()).or_default();
            of_kind.rows += 1;
            if let Some(end) = row.drop_at.filter(|end| *end <= now.0) {
                of_kind.expired += 1;
                of_kind.oldest = of_kind.oldest.max(now.0.saturating_sub(end));
            }
            let finding = match stores.examine(row).await {
                Ok(finding) => finding,
                Err(error) => {
                    report.add("rows", Outcome::Failed, error);
                    return;
                }
            };
            let Some(finding) = finding else { continue };
            let (count, outcome) = match finding.weight {
                Weight::Damage => (&mut damaged, Outcome::Failed),
                Weight::Leftover => (&mut leftovers, Outcome::Note),
            };
            *count += 1;
            if *count <= SHOWN as u64 {
                report.add("rows", outcome, finding);
            }
        }
        read += page.len() as u64;
        watch(read);
        match page.into_iter().last() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    summarize(report, &counted, (read, damaged, leftovers));
}

fn summarize(
    report: &mut Report,
    counted: &BTreeMap<String, Counted>,
    (read, damaged, leftovers): (u64, u64, u64),
) {
    let kinds: Vec<String> = counted.iter().map(|(kind, of)| format!("{} {kind}", of.rows)).collect();
    let read = format!("{read} read: {}", kinds.join(", "));
    match damaged {
        0 => report.add(
            "rows",
            Outcome::Ok,
            format!("{read}; each parses, its secrets open, its references hold"),
        ),
        count => report.add("rows", Outcome::Failed, format!("{read}; {count} are damaged")),
    }
    if leftovers > 0 {
        let detail = format!("{leftovers} belong to what was removed; nobody gets anything by them");
        report.add("rows", Outcome::Note, detail);
    }
    let expired: Vec<String> = counted
        .iter()
        .filter(|(_, of)| of.expired > 0)
        .map(|(kind, of)| format!("{} {kind} (the oldest {} s ago)", of.expired, of.oldest))
        .collect();
    match expired.as_slice() {
        [] => report.add("expired", Outcome::Ok, "nothing that expired is left"),
        some => report.add(
            "expired",
            Outcome::Note,
            format!("{}: a server removes them, short-lived ones within two hours", some.join(", ")),
        ),
    }
}

async fn page(backend: &AnyBackend, after: Option<&RawRow>) -> Result<Vec<RawRow>, Unavailable> {
    match backend {
        AnyBackend::Memory(_) | AnyBackend::Other(_) => Ok(Vec::new()),
        AnyBackend::Sqlite(backend) => backend.raw_rows(after, PAGE),
        AnyBackend::Postgres(backend) => backend.raw_rows(after, PAGE).await,
    }
}

async fn history(backend: &AnyBackend, report: &mut Report) {
    const LINES: usize = 5;
    let lines = match backend {
        AnyBackend::Memory(_) | AnyBackend::Other(_) => return,
        AnyBackend::Sqlite(backend) => backend.lineage(LINES),
        AnyBackend::Postgres(backend) => backend.lineage(LINES).await,
    };
    match lines {
        Ok(lines) => {
            for (at, what, detail) in lines {
                report.add(
                    "history",
                    Outcome::Note,
                    format!("{what} at {}: {detail}", crate::cli::instant(at)),
                );
            }
        }
        Err(error) => report.add("history", Outcome::Failed, error),
    }
}
