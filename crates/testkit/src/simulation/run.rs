//! One run: the dice choose who moves, again and again, until the steps are made or something is broken.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use authd::app::App;
use authd::backend::{AnyBackend, OtherBackend};
use authd::http::limits::Limits;
use http::StatusCode;
use records::UnixTime;
use store::Stores;

use super::asked::{Asked, Habits};
use super::client::{Heard, Server};
use super::dice::Dice;
use super::disk::Disk;
use super::oracle::{Begun, Broken, Oracle};
use super::storage::{Commit, Storage, Turn, Waits, Weather};
use super::trace::Trace;
use super::{Outcome, Planted, Violation};
use crate::TestMoments;
use crate::world::{BEGINNING, sealer};

/// How many servers share the disk.
const SERVERS: usize = 2;
/// A run begins when everything has been there for a month, and the clock never goes back to before that: what was issued
/// before its client was registered is refused for that alone.
const BEGIN: u64 = BEGINNING.0 + 60 * 86_400;
const EARLIEST: u64 = BEGINNING.0 + 30 * 86_400;
/// After so many conflicts a request may give up.
const PATIENCE: u32 = authd::administration::ATTEMPTS as u32;

/// A question on its way, and its answer.
type Journey = Pin<Box<dyn Future<Output = Heard>>>;

/// What is left of a question.
enum Course {
    /// Somebody waits for the answer.
    Awaited(Journey),
    /// Nobody waits any more, but the storage may still carry out what it was told.
    Straggling(Commit),
}

struct Task {
    id: u64,
    server: usize,
    asked: Asked,
    client: Option<&'static str>,
    begun: Begun,
    course: Course,
    waits: Option<Waits>,
    failures: u32,
    conflicts: u32,
}

/// How often what happens, in so many of a thousand steps.
struct Manners {
    habits: Habits,
    at_once: usize,
    asks: u64,
    crash: u64,
    clock: u64,
    hang_up: u64,
    /// Of so many answers of a thousand.
    lose: u64,
}

pub(super) struct Run {
    storage: Storage,
    moments: Arc<TestMoments>,
    servers: Vec<Server>,
    tasks: Vec<Task>,
    oracle: Oracle,
    trace: Trace,
    manners: Manners,
    /// What is to be asked next.
    wanted: Option<Asked>,
    next_task: u64,
}

impl Run {
    /// A run of this seed, on this disk. The caller has entered a runtime that knows time.
    pub(super) fn new(seed: u64, disk: Disk, planted: Option<Planted>, keeps_lines: bool) -> Self {
        let mut dice = Dice::of(seed);
        let moments = Arc::new(TestMoments::new(UnixTime(BEGIN), seed));
        let habits = Habits::of(&mut dice);
        let stormy = dice.below(4);
        let mut rate = |most: u64| dice.below(most * stormy / 3 + 1);
        let weather =
            Weather { unreadable: rate(4), refused: rate(20), unheard: rate(40), contended: rate(60) };
        let (crash, hang_up, lose) = (rate(4), rate(10), rate(80));
        let at_once = 1 + dice.index(6);
        let (asks, clock) = (50 + dice.below(300), 3 + dice.below(20));
        let manners = Manners { habits, at_once, asks, crash, clock, hang_up, lose };
        let storage = Storage::on(disk, dice, planted);
        storage.expose_to(weather);
        let servers = (0..SERVERS).map(|_| start(&storage, &moments)).collect();
        let oracle = Oracle::at(BEGIN);
        let trace = Trace::new(keeps_lines);
        let (tasks, wanted, next_task) = (Vec::new(), None, 0);
        Self { storage, moments, servers, tasks, oracle, trace, manners, wanted, next_task }
    }

    /// Makes so many steps.
    pub(super) fn steps(mut self, steps: u64) -> Outcome {
        let mut broken = None;
        for step in 1..=steps {
            self.oracle.step = step;
            self.oracle.figures.steps = step;
            if let Err(what) = self.step() {
                self.note("broken", &[], || what.clone());
                broken = Some(Violation { step, what });
                break;
            }
        }
        let digest = self.trace.digest();
        let figures = self.oracle.figures;
        Outcome { figures, digest, broken, lines: self.trace.into_lines() }
    }

    fn note(&mut self, what: &str, numbers: &[u64], words: impl FnOnce() -> String) {
        self.trace.note(self.oracle.step, self.moments.now().0, what, numbers, words);
    }

    fn roll<T>(&self, roll: impl FnOnce(&mut Dice) -> T) -> T {
        self.storage.roll(roll)
    }

    fn step(&mut self) -> Result<(), Broken> {
        self.storage.pass();
        let mut rest = self.roll(|dice| dice.below(1000));
        let mut falls_to = |share: u64| {
            let is_it = rest < share;
            rest = rest.saturating_sub(share);
            if is_it {
                rest = u64::MAX;
            }
            is_it
        };
        if falls_to(self.manners.crash) {
            return self.crash();
        }
        if falls_to(self.manners.clock) {
            self.turn_the_clock();
            return Ok(());
        }
        if falls_to(self.manners.hang_up) && !self.tasks.is_empty() {
            return self.hang_up();
        }
        if self.tasks.is_empty() || falls_to(self.manners.asks) && self.tasks.len() < self.manners.at_once {
            self.ask();
            return Ok(());
        }
        let chosen = self.roll(|dice| dice.index(self.tasks.len()));
        self.go_on(chosen)
    }

    /// Somebody asks something.
    fn ask(&mut self) {
        let again = self.roll(|dice| dice.percent(15).then(|| dice.index(self.tasks.len())));
        let again = again.and_then(|place| self.tasks.get(place)).map(|task| task.asked);
        // What just ended, or is about to; what somebody else asks for at this moment; or anything.
        let wanted = self.wanted.take().or(again).filter(|asked| asked.is_possible(&self.oracle));
        let asked = match wanted {
            Some(asked) => asked,
            None => self.roll(|dice| Asked::choose(dice, &self.manners.habits, &self.oracle)),
        };
        let server = self.roll(|dice| dice.index(SERVERS));
        let (client, said) = (asked.client(&self.oracle), asked.said(&self.oracle));
        self.next_task += 1;
        let (id, begun) = (self.next_task, self.oracle.now());
        self.oracle.begin(id, &asked);
        let journey = asked.ask(self.servers[server].clone(), said);
        let course = Course::Awaited(Box::pin(journey));
        let (waits, failures, conflicts) = (None, 0, 0);
        self.tasks.push(Task { id, server, asked, client, begun, course, waits, failures, conflicts });
        self.note("ask", &[id, server as u64], || format!("#{id} at server {server}: {asked:?}"));
    }

    /// A question gets as far as to its next operation of the storage, or to its end.
    fn go_on(&mut self, place: usize) -> Result<(), Broken> {
        let task = &mut self.tasks[place];
        let (id, asked, begun) = (task.id, task.asked, task.begun);
        let journey = match &mut task.course {
            Course::Awaited(journey) => journey,
            Course::Straggling(commit) => {
                let (server, commit) = (task.server, commit.clone());
                let is_carried_out = self.roll(|dice| dice.percent(50));
                if is_carried_out {
                    self.storage.straggle(server, commit);
                }
                self.tasks.remove(place);
                self.note("straggled", &[id, u64::from(is_carried_out)], || {
                    format!("#{id}: its commit was {}", if is_carried_out { "carried out" } else { "lost" })
                });
                return self.oracle.end(id, &asked, begun, None);
            }
        };
        self.storage.begin_turn(Turn { server: task.server, client: task.client });
        let polled = journey.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let happened = self.storage.end_turn();
        task.failures += happened.failures;
        task.conflicts += happened.conflicts;
        self.oracle.figures.failures += u64::from(happened.failures);
        self.oracle.figures.conflicts += u64::from(happened.conflicts);
        match polled {
            Poll::Pending => {
                let Some(waits) = happened.waits else {
                    return Err(format!("{asked:?} waits for something else than the storage"));
                };
                let (name, number) = match &waits {
                    Waits::Read(kind) => ("read", *kind as u64),
                    Waits::Write(commit) => ("write", commit.operations.len() as u64),
                    Waits::Outcome => ("outcome", 0),
                };
                let troubles = [happened.failures, happened.conflicts].map(u64::from);
                let words = || {
                    let is_met = |count: u32, what: &str| {
                        if count > 0 { format!(", after {what}") } else { String::new() }
                    };
                    let (failure, conflict) =
                        (is_met(happened.failures, "a failure"), is_met(happened.conflicts, "a conflict"));
                    format!("#{id} is about to {}{failure}{conflict}", described(&waits))
                };
                self.trace.note(
                    self.oracle.step,
                    self.moments.now().0,
                    name,
                    &[id, number, troubles[0], troubles[1]],
                    words,
                );
                task.waits = Some(waits);
                Ok(())
            }
            Poll::Ready(heard) => {
                let task = self.tasks.remove(place);
                self.hear(&task, heard)
            }
        }
    }

    /// An answer arrives, or gets lost on its way.
    fn hear(&mut self, task: &Task, heard: Heard) -> Result<(), Broken> {
        let (code, words) = match &heard {
            Heard::Reply(reply) => (u64::from(reply.status.as_u16()), outcome_of(reply)),
            Heard::Cookie(_) => (1, "a session".to_owned()),
            Heard::Done => (2, "done".to_owned()),
            Heard::Failed(why) => (3, why.clone()),
            Heard::Refused(why) => (4, why.clone()),
        };
        let is_lost = self.roll(|dice| dice.below(1000) < self.manners.lose);
        self.note("hear", &[task.id, code, u64::from(is_lost)], || {
            format!(
                "#{} {:?}: {words}{}",
                task.id,
                task.asked,
                if is_lost { ", which gets lost" } else { "" }
            )
        });
        let status = match &heard {
            Heard::Reply(reply) => Some(reply.status),
            _ => None,
        };
        let is_failure = matches!(heard, Heard::Failed(_)) || status == Some(StatusCode::SERVICE_UNAVAILABLE);
        if is_failure && task.failures == 0 && task.conflicts < PATIENCE {
            return Err(format!("{:?} failed though the storage did not: {words}", task.asked));
        }
        if status == Some(StatusCode::INTERNAL_SERVER_ERROR) {
            return Err(format!("{:?} met a bug: {words}", task.asked));
        }
        let counted = if is_lost || is_failure { None } else { Some(&heard) };
        match counted {
            Some(_) => self.oracle.figures.answers += 1,
            None => self.oracle.figures.lost += 1,
        }
        let is_heard = counted.is_some();
        self.oracle.end(task.id, &task.asked, task.begun, counted)?;
        if self.roll(|dice| dice.percent(40)) {
            self.wanted = self.roll(|dice| task.asked.afterwards(dice, is_heard, &self.oracle));
        }
        Ok(())
    }

    /// Somebody does not wait any longer. What the storage was told it may still do.
    fn hang_up(&mut self) -> Result<(), Broken> {
        let place = self.roll(|dice| dice.index(self.tasks.len()));
        let task = &mut self.tasks[place];
        let id = task.id;
        if let (Course::Awaited(_), Some(Waits::Write(commit))) = (&task.course, &task.waits) {
            task.course = Course::Straggling(commit.clone());
            self.note("hang up", &[id, 1], || format!("#{id} is not waited for; its commit is under way"));
            return Ok(());
        }
        let task = self.tasks.remove(place);
        self.note("hang up", &[id, 0], || format!("#{id} is not waited for"));
        self.oracle.figures.lost += 1;
        self.oracle.end(id, &task.asked, task.begun, None)
    }

    /// A server is killed, and another one started in its place. Of what was not acknowledged the dice keep some.
    fn crash(&mut self) -> Result<(), Broken> {
        let server = self.roll(|dice| dice.index(SERVERS));
        let (gone, left): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.tasks).into_iter().partition(|task| task.server == server);
        self.tasks = left;
        self.oracle.figures.crashes += 1;
        self.note("crash", &[server as u64, gone.len() as u64], || {
            format!("server {server} is killed, {} requests with it", gone.len())
        });
        self.storage.crash(server);
        for task in gone {
            let commit = match (task.course, task.waits) {
                (Course::Awaited(_), Some(Waits::Write(commit))) | (Course::Straggling(commit), _) => {
                    Some(commit)
                }
                _ => None,
            };
            if let Some(commit) = commit
                && self.roll(|dice| dice.percent(50))
            {
                self.storage.straggle(server, commit);
                self.note("kept", &[task.id], || format!("#{}: its commit was carried out", task.id));
            }
            self.oracle.figures.lost += 1;
            self.oracle.end(task.id, &task.asked, task.begun, None)?;
        }
        self.servers[server] = start(&self.storage, &self.moments);
        Ok(())
    }

    fn turn_the_clock(&mut self) {
        let now = self.moments.now().0;
        let edges = self.oracle.edges();
        let mut wanted = None;
        let next = self.roll(|dice| {
            Some(match dice.below(100) {
                0..35 => now + dice.below(4),
                35..50 => now + 5 + dice.below(60),
                // A second before something ends, the second in which it does, and the one after.
                50..88 => {
                    // The next one mostly: a jump over many ends leaves nothing that is good.
                    let near = if dice.percent(70) { edges.len().min(1) } else { edges.len() };
                    let (edge, asked) = dice.pick(&edges[..near])?;
                    wanted = Some(asked);
                    (edge + dice.below(3) - 1).max(now)
                }
                88..90 => now + 300 + dice.below(4000),
                90..97 => now.saturating_sub(1 + dice.below(20)),
                97..99 => now.saturating_sub(3600),
                _ if dice.percent(10) => now + 10 * 365 * 86_400,
                _ => now + 86_400,
            })
        });
        let next = next.unwrap_or(now);
        self.wanted = wanted;
        let next = next.max(EARLIEST);
        self.moments.set(UnixTime(next));
        self.oracle.clock.set(self.oracle.step, next);
        self.note("clock", &[next], || format!("it showed {now}, it shows {next}"));
    }
}

/// Starts a server on the storage, as it would start after a crash.
pub(super) fn start(storage: &Storage, moments: &Arc<TestMoments>) -> Server {
    storage.calmly(|| {
        let backend = AnyBackend::Other(OtherBackend::new(storage.clone()));
        let mut opening = Box::pin(Stores::open(backend, sealer()));
        let Poll::Ready(stores) = opening.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a calm storage keeps nobody waiting")
        };
        let stores = stores.expect("the stores open");
        Server(Arc::new(App::new(stores, Arc::clone(moments) as Arc<_>, Limits::default())))
    })
}

fn described(waits: &Waits) -> String {
    match waits {
        Waits::Read(kind) => format!("read {}", kind.name()),
        Waits::Write(commit) => {
            let names = commit.operations.iter().map(|operation| {
                let what = match operation.becomes {
                    store::Becomes::Put { .. } => "put",
                    store::Becomes::Delete => "delete",
                    store::Becomes::Keep => "keep",
                };
                format!("{what} {}", operation.kind.name())
            });
            format!("commit [{}]", names.collect::<Vec<_>>().join(", "))
        }
        Waits::Outcome => "hear of its commit".to_owned(),
    }
}

fn outcome_of(reply: &crate::Reply) -> String {
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let error = body["error"].as_str().map(|error| format!(" {error}")).unwrap_or_default();
    let location = reply.header(http::header::LOCATION);
    let location = location.split(['?', '#']).next().unwrap_or_default();
    format!("{}{error} {location}", reply.status.as_u16())
}
