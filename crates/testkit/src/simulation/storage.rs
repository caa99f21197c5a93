//! The storage contract on a simulated disk: every operation waits until it is chosen, and may fail.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use records::UnixTime;
use serde_json::Value;
use store::{
    Backend, Becomes, CommitError, Expect, IndexEntry, Key, Kind, Operation, Retention, Row, Space,
    Unavailable,
};

use super::Planted;
use super::dice::Dice;
use super::disk::Disk;

/// How often things go wrong, in so many of a thousand. Each run has rates of its own: a fault that is rare in all of
/// them hides what needs two at once, and one that is frequent in all of them hides what needs peace.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// A read fails.
    pub(super) unreadable: u64,
    /// A commit fails, and nothing is written.
    pub(super) refused: u64,
    /// A commit fails, and everything is written.
    pub(super) unheard: u64,
    /// A commit meets a conflict that nobody else can see.
    pub(super) contended: u64,
}

/// A commit under way.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) space: Space,
    pub(super) operations: Arc<Vec<Operation>>,
}

/// What a request waits for.
#[derive(Clone, Debug)]
pub(super) enum Waits {
    /// Rows are about to be read.
    Read(Kind),
    /// Rows are about to be written.
    Write(Commit),
    /// The outcome of a commit is on its way to the server.
    Outcome,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// The server that works.
    pub(super) server: usize,
    /// The client whose request it is, where that is known.
    pub(super) client: Option<&'static str>,
}

/// What happened in a turn.
#[derive(Clone, Debug, Default)]
pub(super) struct Happened {
    pub(super) waits: Option<Waits>,
    /// Failures of the storage.
    pub(super) failures: u32,
    /// Conflicts, real ones and others.
    pub(super) conflicts: u32,
}

/// What is written later than it was acknowledged.
struct Late {
    server: usize,
    commit: Commit,
}

struct State {
    disk: Disk,
    dice: Dice,
    weather: Weather,
    planted: Option<Planted>,
    /// Nobody waits and nothing fails: while servers are started.
    is_calm: bool,
    turn: Turn,
    happened: Happened,
    late: Vec<Late>,
}

/// The storage. Clones share the disk.
#[derive(Clone)]
pub(super) struct Storage(Arc<Mutex<State>>);

impl Storage {
    /// A calm one, on this disk.
    pub(super) fn on(disk: Disk, dice: Dice, planted: Option<Planted>) -> Self {
        Self(Arc::new(Mutex::new(State {
            disk,
            dice,
            weather: Weather::default(),
            planted,
            is_calm: true,
            turn: Turn::default(),
            happened: Happened::default(),
            late: Vec::new(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets things go wrong from now on, this often.
    pub(super) fn expose_to(&self, weather: Weather) {
        self.state().weather = weather;
    }

    /// Does something during which nobody waits and nothing fails.
    pub(super) fn calmly<T>(&self, what: impl FnOnce() -> T) -> T {
        let was_calm = std::mem::replace(&mut self.state().is_calm, true);
        let done = what();
        self.state().is_calm = was_calm;
        done
    }

    /// A copy of everything.
    pub(super) fn copy(&self) -> Disk {
        self.state().disk.clone()
    }

    /// Begins somebody's turn, in which operations wait to be chosen.
    pub(super) fn begin_turn(&self, turn: Turn) {
        let mut state = self.state();
        state.is_calm = false;
        state.turn = turn;
        state.happened = Happened::default();
    }

    /// What happened in the turn.
    pub(super) fn end_turn(&self) -> Happened {
        std::mem::take(&mut self.state().happened)
    }

    /// Rolls the dice of the run.
    pub(super) fn roll<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        roll(&mut self.state().dice)
    }

    /// Carries out a commit whose server is gone. Nobody hears how it ended.
    pub(super) fn straggle(&self, server: usize, commit: Commit) {
        let mut state = self.state();
        state.turn = Turn { server, client: None };
        drop(state.commit(&commit));
    }

    /// What a server had acknowledged and not written is gone with it. Without a planted mistake there is none.
    pub(super) fn crash(&self, server: usize) {
        self.state().late.retain(|late| late.server != server);
    }

    /// Time passes: what is late may be written now. Without a planted mistake nothing is late.
    pub(super) fn pass(&self) {
        let mut state = self.state();
        if !state.late.is_empty() && state.dice.percent(10) {
            let late = state.late.remove(0);
            drop(state.disk.commit(&late.commit.space, &late.commit.operations));
        }
    }

    async fn wait(&self, waits: Waits) {
        Gate { storage: self, waits: Some(waits) }.await;
    }
}

/// Is passed when it is chosen for the second time.
struct Gate<'s> {
    storage: &'s Storage,
    waits: Option<Waits>,
}

impl Future for Gate<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let Some(waits) = self.waits.take() else { return Poll::Ready(()) };
        let mut state = self.storage.state();
        if state.is_calm {
            return Poll::Ready(());
        }
        state.happened.waits = Some(waits);
        Poll::Pending
    }
}

fn failed() -> Unavailable {
    Unavailable::Backend("the simulated disk".to_owned())
}

impl State {
    fn strikes(&mut self, rate: impl Fn(&Weather) -> u64) -> bool {
        let rate = rate(&self.weather);
        !self.is_calm && self.dice.below(1000) < rate
    }

    fn read<T>(&mut self, read: impl FnOnce(&Disk) -> T) -> Result<T, Unavailable> {
        if self.strikes(|weather| weather.unreadable) {
            self.happened.failures += 1;
            return Err(failed());
        }
        Ok(read(&self.disk))
    }

    fn commit(&mut self, commit: &Commit) -> Result<(), CommitError> {
        if self.strikes(|weather| weather.refused) {
            self.happened.failures += 1;
            return Err(failed().into());
        }
        // What relies on nothing meets no conflict.
        let relies = commit.operations.iter().any(|operation| operation.expect != Expect::Covered);
        if relies && self.strikes(|weather| weather.contended) {
            self.happened.conflicts += 1;
            return Err(CommitError::Conflict);
        }
        let is_unheard = self.strikes(|weather| weather.unheard);
        let outcome = self.write(commit);
        if outcome == Err(CommitError::Conflict) {
            self.happened.conflicts += 1;
        }
        if is_unheard && outcome.is_ok() {
            self.happened.failures += 1;
            return Err(failed().into());
        }
        outcome
    }

    /// As the contract says, but for the mistake that was planted.
    fn write(&mut self, commit: &Commit) -> Result<(), CommitError> {
        let server = self.turn.server;
        let Commit { space, operations } = commit;
        match self.planted.filter(|_| !self.is_calm) {
            Some(Planted::GenerationUnchecked) => {
                let mut operations = operations.to_vec();
                for operation in &mut operations {
                    if operation.kind == Kind::RefreshFamily && matches!(operation.expect, Expect::Version(_))
                    {
                        operation.expect = Expect::Covered;
                    }
                }
                self.disk.commit(space, &operations)
            }
            Some(Planted::CommitAfterAnswer) => {
                self.late.push(Late { server, commit: commit.clone() });
                Ok(())
            }
            Some(Planted::RevocationOutsideCommit) => {
                let is_end = |operation: &Operation| {
                    operation.kind == Kind::RefreshFamily && operation.becomes == Becomes::Delete
                };
                let (ends, others): (Vec<_>, Vec<_>) = operations.iter().cloned().partition(is_end);
                self.disk.commit(space, &others)?;
                for end in ends {
                    let commit = Commit { space: space.clone(), operations: Arc::new(vec![end]) };
                    self.late.push(Late { server, commit });
                }
                Ok(())
            }
            Some(Planted::CodeOfAnyClient | Planted::ExpiryOffByOne) | None => {
                self.disk.commit(space, operations)
            }
        }
    }

    /// As it was written, but for the mistake that was planted.
    fn shown(&self, kind: Kind, mut row: Row) -> Row {
        if kind != Kind::AuthorizationCode || self.is_calm {
            return row;
        }
        let change = |row: &mut Row, change: &dyn Fn(&mut Value)| {
            let mut form: Value = serde_json::from_str(&row.body).expect("bodies are JSON");
            change(&mut form);
            row.body = form.to_string();
        };
        match (self.planted, self.turn.client) {
            (Some(Planted::CodeOfAnyClient), Some(client)) => {
                change(&mut row, &|form| form["client"] = client.into());
            }
            (Some(Planted::ExpiryOffByOne), _) => change(&mut row, &|form| {
                let end = form["expires_at"].as_u64().expect("a code has an end");
                form["expires_at"] = (end + 1).into();
            }),
            _ => {}
        }
        row
    }
}

impl Backend for Storage {
    async fn get(&self, space: &Space, kind: Kind, key: &Key) -> Result<Option<Row>, Unavailable> {
        self.wait(Waits::Read(kind)).await;
        let mut state = self.state();
        let row = state.read(|disk| disk.get(space, kind, key))?;
        Ok(row.map(|row| state.shown(kind, row)))
    }

    async fn page(
        &self,
        space: &Space,
        kind: Kind,
        filter: Option<&IndexEntry>,
        after: Option<&Key>,
        at_most: usize,
    ) -> Result<Vec<Row>, Unavailable> {
        self.wait(Waits::Read(kind)).await;
        if kind.retention() == Retention::Ring {
            return Err(Unavailable::Backend(format!("{} has no pages", kind.name())));
        }
        self.state().read(|disk| disk.page(space, kind, filter, after, at_most))
    }

    async fn commit(&self, space: &Space, operations: Vec<Operation>) -> Result<(), CommitError> {
        let commit = Commit { space: space.clone(), operations: Arc::new(operations) };
        self.wait(Waits::Write(commit.clone())).await;
        let outcome = self.state().commit(&commit);
        self.wait(Waits::Outcome).await;
        outcome
    }

    async fn sweep(&self, now: UnixTime, at_most: usize) -> Result<usize, Unavailable> {
        self.wait(Waits::Read(Kind::AuthorizationCode)).await;
        Ok(self.state().disk.sweep(now, at_most))
    }

    async fn configuration_version(&self) -> Result<u64, Unavailable> {
        self.wait(Waits::Read(Kind::Tenant)).await;
        self.state().read(|disk| disk.configuration_version)
    }
}
