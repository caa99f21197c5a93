//! Clients that keep a server busy, and the gate at which they can be stopped.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::actors::{Actor, Role};
use super::check::{self, Depth, Findings};
use super::dice::Dice;
use super::ledger::Ledger;
use super::site::Site;
use crate::process::{Failure, failed};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Yes,
    No,
    Closed,
}

/// What all clients pass between two requests.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<(Open, usize)>,
    changed: Condvar,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, (Open, usize)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the gate is shut. `false`: it is over.
    pub(crate) fn pass(&self) -> bool {
        let mut state = self.lock();
        if state.0 == Open::No {
            state.1 += 1;
            self.changed.notify_all();
            state = self
                .changed
                .wait_while(state, |state| state.0 == Open::No)
                .unwrap_or_else(PoisonError::into_inner);
            state.1 -= 1;
        }
        state.0 != Open::Closed
    }

    /// Waits this long, or until the gate shuts.
    pub(crate) fn rest(&self, time: Duration) {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, time, |state| state.0 == Open::Yes);
        drop(waited);
    }

    fn set(&self, open: Open) {
        self.lock().0 = open;
        self.changed.notify_all();
    }

    fn wait_for(&self, parked: usize) -> bool {
        let state = self.lock();
        let patience = Duration::from_secs(60);
        let waited = self.changed.wait_timeout_while(state, patience, |state| state.1 < parked);
        waited.unwrap_or_else(PoisonError::into_inner).0.1 >= parked
    }
}

/// Which clients there are.
pub(crate) const EVERYBODY: &[Role] =
    &[Role::Rotator, Role::Rotator, Role::Redeemer, Role::Machine, Role::Person, Role::Administrator];

/// All but the one that runs commands, which are processes of their own.
pub(crate) const WITHOUT_COMMANDS: &[Role] =
    &[Role::Rotator, Role::Rotator, Role::Redeemer, Role::Machine, Role::Person];

/// Busy clients.
pub(crate) struct Load {
    gate: Arc<Gate>,
    clients: Vec<(JoinHandle<()>, Arc<Mutex<Ledger>>)>,
}

impl Load {
    /// Lets everybody log in, and leaves them at the shut gate.
    pub(crate) fn on(site: &Site, roles: &[Role], dice: &mut Dice) -> Result<Self, Failure> {
        let gate = Arc::new(Gate { state: Mutex::new((Open::No, 0)), changed: Condvar::new() });
        let mut clients = Vec::new();
        for (number, role) in roles.iter().enumerate() {
            let ledger = Arc::<Mutex<Ledger>>::default();
            let mut actor = Actor::new(
                *role,
                number,
                site.clone(),
                dice.fork(number),
                Arc::clone(&ledger),
                Arc::clone(&gate),
            )?;
            let passes = Arc::clone(&gate);
            let thread = std::thread::spawn(move || {
                while passes.pass() {
                    actor.step();
                }
            });
            clients.push((thread, ledger));
        }
        let load = Self { gate, clients };
        load.wait()?;
        Ok(load)
    }

    /// Opens the gate.
    pub(crate) fn resume(&self) {
        self.gate.set(Open::Yes);
    }

    /// Opens the gate for so long, and leaves it open.
    pub(crate) fn run_for(&self, time: Duration) {
        self.resume();
        std::thread::sleep(time);
    }

    /// Waits until this many more changes were acknowledged.
    pub(crate) fn run_until(&self, more: u64, patience: Duration) -> bool {
        let wanted = self.changes() + more;
        let began = Instant::now();
        self.resume();
        while self.changes() < wanted {
            if began.elapsed() > patience {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    fn sum(&self, of: impl Fn(&Ledger) -> u64) -> u64 {
        self.clients
            .iter()
            .map(|(_, ledger)| of(&ledger.lock().unwrap_or_else(PoisonError::into_inner)))
            .sum()
    }

    /// How many changes were acknowledged.
    pub(crate) fn changes(&self) -> u64 {
        self.sum(|ledger| ledger.changes)
    }

    /// How often the server said that it cannot answer now.
    pub(crate) fn unavailable(&self) -> u64 {
        self.sum(|ledger| ledger.unavailable)
    }

    /// Shuts the gate and waits until nobody has a request under way.
    pub(crate) fn pause(&self) -> Result<(), Failure> {
        self.gate.set(Open::No);
        self.wait()
    }

    fn wait(&self) -> Result<(), Failure> {
        if self.gate.wait_for(self.clients.len()) {
            Ok(())
        } else {
            failed("a client waits for an answer for more than a minute")
        }
    }

    /// What everybody was told until now.
    pub(crate) fn ledger(&self) -> Ledger {
        let mut all = Ledger::default();
        for (_, ledger) in &self.clients {
            all.absorb(ledger.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        all
    }

    /// Holds what everybody was told against the server. Nobody may have a request under way.
    pub(crate) fn check(&self, site: &Site, depth: Depth, dice: &mut Dice) -> Result<Findings, Failure> {
        let mut found = Findings::default();
        for (_, ledger) in &self.clients {
            let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
            found.absorb(check::check(site, &mut ledger, check::now(), depth, dice)?);
            found.odd.append(&mut ledger.wrong);
        }
        Ok(found)
    }

    /// Ends it. Returns what everybody was told; an answer that must not have come is a failure.
    pub(crate) fn end(mut self) -> Result<Ledger, Failure> {
        self.gate.set(Open::Closed);
        for (thread, _) in self.clients.iter_mut() {
            let thread = std::mem::replace(thread, std::thread::spawn(|| {}));
            if thread.join().is_err() {
                return failed("a client panicked");
            }
        }
        let ledger = self.ledger();
        match ledger.wrong.first() {
            None => Ok(ledger),
            Some(first) => failed(format!("{} wrong answers; the first: {first}", ledger.wrong.len())),
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.gate.set(Open::Closed);
    }
}
