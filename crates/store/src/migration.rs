//! Changes of a database's schema: numbered, in small steps, while servers of the version before go on (docs/adr/0012).
//!
//! Pure: what a database says of itself and what a server knows go in, what is to be done comes out. Each backend keeps
//! the account and carries the steps out.

/// One change of the schema. Its number is its place in the list, the first being 1.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its name, for people.
    pub name: &'static str,
    /// Whether servers of the version before can go on.
    pub phase: Phase,
    /// The lowest schema that a server must know to work with the database from this change's first step on.
    pub needs: u32,
    /// What it does, in order. What was released is never edited: a change is a migration of its own.
    pub steps: &'static [Step],
}

/// Whether a change adds or takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Adds what servers of the version before neither need nor mind. Every server needs it done before it starts.
    Expand,
    /// Takes away what only servers of versions before used. Waits until it is told to run; no server ever needs it done.
    Contract,
}

/// A small piece of a change: done and noted in one transaction, so that one that was cut off has not happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// These statements, once.
    Once(&'static str),
    /// This statement again and again, a transaction each, until it changes no row. It must choose by itself a bounded
    /// number of rows that are not done yet, so that it goes on where it was cut off.
    Slices(&'static str),
}

impl Step {
    /// Its statements.
    pub fn sql(&self) -> &'static str {
        match self {
            Self::Once(sql) | Self::Slices(sql) => sql,
        }
    }
}

/// What a database says of a change that was begun in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its number.
    pub number: u32,
    /// [`Migration::checksum`] of what was begun.
    pub checksum: String,
    /// The lowest schema that a server must know to work with the database.
    pub needs: u32,
    /// How many of its steps are done.
    pub steps: u32,
}

/// Whether changes that take away may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contracts {
    /// They wait.
    Wait,
    /// They run: no server of a version before runs any more, or will.
    Run,
}

/// A change and which of its steps are left.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// Its number.
    pub number: u32,
    /// The change.
    pub migration: &'static Migration,
    /// How many of its steps are done.
    pub done: u32,
}

impl Pending {
    /// The steps that are left, each with its number, the first of the change being 1.
    pub fn steps(&self) -> impl Iterator<Item = (u32, &'static Step)> {
        let done = usize::try_from(self.done).unwrap_or(usize::MAX);
        (1..).zip(self.migration.steps).skip(done)
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What runs, in order.
    pub runs: Vec<Pending>,
    /// What takes away and waits until it is told to run.
    pub waits: Vec<Pending>,
}

/// Why a server cannot work with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// A newer version took away what this one needs.
    Newer {
        /// The lowest schema that a server must know.
        needs: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// What was begun under a number is not what this version knows under it.
    Other {
        /// The number.
        number: u32,
    },
}

/// How far a change has got, for whoever watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A step begins.
    Begins,
    /// A transaction of it is written and not yet committed.
    Written,
    /// A transaction of it is committed; so many rows were changed, where the step goes in slices.
    Committed {
        /// How many.
        rows: u64,
    },
    /// It is done.
    Done,
}

/// A step that something is said about.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// The change's number.
    pub number: u32,
    /// The change's name.
    pub name: &'a str,
    /// The step's number, the first of the change being 1.
    pub step: u32,
    /// How many steps the change has.
    pub of: usize,
}

impl Migration {
    /// How many steps it has.
    pub fn count(&self) -> u32 {
        u32::try_from(self.steps.len()).unwrap_or(u32::MAX)
    }

    /// FNV-1a, 64 bits, over the steps: notices an edited file, and is not asked for more.
    pub fn checksum(&self) -> String {
        let mut hash = OFFSET;
        for (position, step) in self.steps.iter().enumerate() {
            if position > 0 {
                hash = fnv(hash, b"\0");
            }
            hash = fnv(hash, step.sql().as_bytes());
        }
        format!("{hash:016x}")
    }
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Says what is to be done to a database for a server that knows these migrations.
///
/// Changes that add run in order. Changes that take away never stand in the way of later ones: nothing may rely on their
/// having run. One that was begun by force and cut off is finished when it is told to run again.
///
/// # Errors
///
/// Where the server cannot work with the database at all.
pub fn plan(known: &'static [Migration], begun: &[Begun], contracts: Contracts) -> Result<Plan, Misfit> {
    let newest = u32::try_from(known.len()).unwrap_or(u32::MAX);
    let needs = begun.iter().map(|begun| begun.needs).max().unwrap_or_default();
    if needs > newest {
        return Err(Misfit::Newer { needs, known: newest });
    }
    let mut plan = Plan::default();
    for (number, migration) in (1u32..).zip(known) {
        let begun = begun.iter().find(|begun| begun.number == number);
        if begun.is_some_and(|begun| begun.checksum != migration.checksum()) {
            return Err(Misfit::Other { number });
        }
        let done = begun.map_or(0, |begun| begun.steps);
        if done >= migration.count() {
            continue;
        }
        let pending = Pending { number, migration, done };
        match (migration.phase, contracts) {
            (Phase::Expand, _) | (Phase::Contract, Contracts::Run) => plan.runs.push(pending),
            (Phase::Contract, Contracts::Wait) => plan.waits.push(pending),
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    static KNOWN: [Migration; 4] = [
        expand("one", &[Step::Once("1")]),
        expand("two", &[Step::Once("2a"), Step::Slices("2b"), Step::Once("2c")]),
        Migration { name: "three", phase: Phase::Contract, needs: 2, steps: &[Step::Once("3")] },
        expand("four", &[Step::Once("4")]),
    ];

    const fn expand(name: &'static str, steps: &'static [Step]) -> Migration {
        Migration { name, phase: Phase::Expand, needs: 1, steps }
    }

    fn begun(number: u32, steps: u32) -> Begun {
        let migration = &KNOWN[number as usize - 1];
        Begun { number, checksum: migration.checksum(), needs: migration.needs, steps }
    }

    fn runs(begun: &[Begun], contracts: Contracts) -> Vec<(u32, Vec<u32>)> {
        let plan = plan(&KNOWN, begun, contracts).unwrap();
        plan.runs.iter().map(|run| (run.number, run.steps().map(|(step, _)| step).collect())).collect()
    }

    #[test]
    fn the_checksum_agrees_with_its_published_vectors() {
        let of = |steps| Migration { name: "", phase: Phase::Expand, needs: 1, steps }.checksum();
        assert_eq!(of(&[]), "cbf29ce484222325");
        assert_eq!(of(&[Step::Once("a")]), "af63dc4c8601ec8c");
        assert_eq!(of(&[Step::Once("foobar")]), "85944171f73967e8");
        assert_ne!(of(&[Step::Once("foo"), Step::Once("bar")]), of(&[Step::Once("foobar")]));
    }

    #[test]
    fn a_new_database_gets_everything_that_adds_in_order() {
        assert_eq!(runs(&[], Contracts::Wait), [(1, vec![1]), (2, vec![1, 2, 3]), (4, vec![1])]);
    }

    #[test]
    fn what_was_cut_off_goes_on_where_it_was() {
        assert_eq!(runs(&[begun(1, 1), begun(2, 1)], Contracts::Wait), [(2, vec![2, 3]), (4, vec![1])]);
        assert_eq!(runs(&[begun(1, 1), begun(2, 3), begun(4, 1)], Contracts::Wait), []);
    }

    #[test]
    fn what_takes_away_waits_until_it_is_told() {
        let before = [begun(1, 1), begun(2, 3), begun(4, 1)];
        let waiting = plan(&KNOWN, &before, Contracts::Wait).unwrap();
        assert!(waiting.runs.is_empty() && waiting.waits.len() == 1 && waiting.waits[0].number == 3);
        assert_eq!(runs(&before, Contracts::Run), [(3, vec![1])]);
        // Cut off before its only step was done, but begun: whoever knows less is refused already.
        let cut_off = [begun(1, 1), begun(2, 3), begun(3, 0), begun(4, 1)];
        assert_eq!(runs(&cut_off, Contracts::Run), [(3, vec![1])]);
    }

    #[test]
    fn a_server_works_with_what_a_newer_one_added_and_not_without_what_it_took_away() {
        let newer = |needs| Begun { number: 5, checksum: "x".to_owned(), needs, steps: 1 };
        let all = |needs| [begun(1, 1), begun(2, 3), begun(4, 1), newer(needs)];
        assert!(plan(&KNOWN, &all(4), Contracts::Wait).unwrap().runs.is_empty());
        assert_eq!(plan(&KNOWN, &all(5), Contracts::Wait).unwrap_err(), Misfit::Newer { needs: 5, known: 4 });
    }

    #[test]
    fn an_edited_migration_is_noticed_also_half_done() {
        let edited = Begun { checksum: "edited".to_owned(), ..begun(2, 1) };
        assert_eq!(
            plan(&KNOWN, &[begun(1, 1), edited], Contracts::Wait).unwrap_err(),
            Misfit::Other { number: 2 }
        );
    }
}
