//! Chance from a printed seed, and the time as it is compared with a trace of system calls.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Numbers that follow from a seed (xorshift64*): the same seed, the same choices.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        // A generator of this kind never leaves zero, and small seeds begin alike.
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            dice.next();
        }
        dice
    }

    /// Dice of their own for somebody.
    pub(crate) fn fork(&mut self, number: usize) -> Self {
        Self::new(self.next() ^ number as u64)
    }

    /// Any number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below this one; 0 where there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = end.max(1) as u64;
        usize::try_from((self.next() >> 11) % end).unwrap_or_default()
    }

    /// Whether something happens that happens so many times in a hundred.
    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    /// A time from so many milliseconds to so many.
    pub(crate) fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        let span = usize::try_from((to - from) * 1000).unwrap_or_default();
        Duration::from_micros(from * 1000 + self.below(span) as u64)
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&mut self, these: &'a [T]) -> Option<&'a T> {
        these.get(self.below(these.len()))
    }
}

/// A seed from the clock, for a run that was given none.
pub(crate) fn seed_of_now() -> u64 {
    stamp() % 1_000_000
}

/// Microseconds since 1970: the clock that `strace -ttt` prints.
pub(crate) type Stamp = u64;

/// The time now.
pub(crate) fn stamp() -> Stamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The median and the largest, as milliseconds.
pub(crate) fn median_and_most(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    let milliseconds = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let (middle, most) = (times.get(times.len() / 2), times.last());
    format!("median {:.0} ms, most {:.0} ms", milliseconds(middle), milliseconds(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_others() {
        let drawn = |seed| {
            let mut dice = Dice::new(seed);
            (0..50).map(|_| dice.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert!(drawn(0).iter().any(|number| *number != 0), "seed 0 is one too");
    }

    #[test]
    fn a_chance_is_about_what_it_says() {
        let mut dice = Dice::new(3);
        let hits = (0..10_000).filter(|_| dice.percent(30)).count();
        assert!((2700..3300).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| (50..500).contains(&dice.milliseconds(50, 500).as_millis())));
    }
}
