//! What the clock showed: when it went forward, and when it went back.

/// The clock's history, as far as anybody asks for it.
#[derive(Debug)]
pub(super) struct Clock {
    now: u64,
    /// Steps and times, the times falling: from that step on the clock never showed more.
    highest: Vec<(u64, u64)>,
    /// Steps and times, the times rising: from that step on the clock never showed less.
    lowest: Vec<(u64, u64)>,
}

/// The earliest and the latest time that the clock showed while something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// The earliest.
    pub(super) low: u64,
    /// The latest.
    pub(super) high: u64,
}

impl Clock {
    pub(super) fn at(now: u64) -> Self {
        Self { now, highest: vec![(0, now)], lowest: vec![(0, now)] }
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }

    /// The clock shows something else from this step on.
    pub(super) fn set(&mut self, step: u64, now: u64) {
        self.now = now;
        while self.highest.pop_if(|(_, time)| *time <= now).is_some() {}
        self.highest.push((step, now));
        while self.lowest.pop_if(|(_, time)| *time >= now).is_some() {}
        self.lowest.push((step, now));
    }

    /// What it showed since this step, whose time then was `then`.
    pub(super) fn since(&self, step: u64, then: u64) -> Span {
        let first = |entries: &[(u64, u64)]| {
            let place = entries.partition_point(|(at, _)| *at < step);
            entries.get(place).map_or(then, |(_, time)| *time)
        };
        Span { low: first(&self.lowest).min(then), high: first(&self.highest).max(then) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_remembers_how_far_it_went_both_ways() {
        let mut clock = Clock::at(100);
        let times = [110, 105, 120, 90, 95, 95, 130, 129];
        let mut shown = vec![100];
        for (step, time) in (1..).zip(times) {
            clock.set(step, time);
            shown.push(time);
            for (since, then) in (0..).zip(shown.clone()) {
                let seen = &shown[since as usize..];
                let span = clock.since(since, then);
                assert_eq!(span.low, *seen.iter().min().unwrap(), "{since} of {shown:?}");
                assert_eq!(span.high, *seen.iter().max().unwrap(), "{since} of {shown:?}");
            }
        }
    }
}
