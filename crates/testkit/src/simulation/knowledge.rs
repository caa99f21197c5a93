//! What is certain and what may be, for somebody who hears only answers, and not all of them.

use super::oracle::Begun;

/// Something that happens at most once: a code is redeemed, a family ends, a session is over.
#[derive(Clone, Debug, Default)]
pub(super) struct Once {
    /// Attempts that may have brought it about, or may yet.
    maybe: u32,
    /// The step since which it is certain.
    since: Option<u64>,
}

/// What became of an attempt, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// It brought it about, or found it so.
    Certain,
    /// It changed nothing.
    None,
    /// Nobody knows.
    Unknown,
}

impl Once {
    /// An attempt begins.
    pub(super) fn begin(&mut self) {
        self.maybe += 1;
    }

    /// An attempt that began is over.
    pub(super) fn end(&mut self, step: u64, effect: Effect) {
        match effect {
            Effect::Certain => {
                self.maybe -= 1;
                self.since.get_or_insert(step);
            }
            Effect::None => self.maybe -= 1,
            Effect::Unknown => {}
        }
    }

    /// Whether it was certain before this step.
    pub(super) fn is_certain_before(&self, step: u64) -> bool {
        self.since.is_some_and(|since| since < step)
    }

    /// Whether it may have happened, the attempts of whoever asks (`own`) left aside.
    pub(super) fn may_be(&self, own: u32) -> bool {
        self.since.is_some() || self.maybe > own
    }
}

/// Something that is switched on and off: consent, a person who is kept out.
#[derive(Clone, Debug)]
pub(super) struct Switch {
    /// Switching under way to off and to on.
    open: [u32; 2],
    /// When the last attempt at each ended.
    ended: [u64; 2],
    /// How it is for certain, and since which step.
    certain: Option<(bool, u64)>,
}

impl Switch {
    /// It is like this from the beginning.
    pub(super) fn new(is_on: bool) -> Self {
        Self { open: [0; 2], ended: [0; 2], certain: Some((is_on, 0)) }
    }

    /// Somebody begins to switch it.
    pub(super) fn begin(&mut self, to: bool) {
        self.open[usize::from(to)] += 1;
        if self.certain.is_some_and(|(is_on, _)| is_on != to) {
            self.certain = None;
        }
    }

    /// Somebody who began in the step `begun` is done; with certainty, or not.
    pub(super) fn end(&mut self, step: u64, to: bool, begun: u64, is_certain: bool) {
        let (this, other) = (usize::from(to), usize::from(!to));
        self.open[this] -= 1;
        self.ended[this] = step;
        let is_alone = self.open[other] == 0 && self.ended[other] < begun;
        if is_certain && is_alone && self.certain.is_none() {
            self.certain = Some((to, step));
        }
    }

    /// Whether it was like this for certain since before this step.
    pub(super) fn is_certain_before(&self, step: u64, is_on: bool) -> bool {
        self.certain.is_some_and(|(certain, since)| certain == is_on && since < step)
    }
}

/// Successful uses of something that ends when it is not used: when each began, and since which step that is certain.
#[derive(Clone, Debug)]
pub(super) struct Uses(Vec<(u64, Begun)>);

impl Uses {
    /// How many are kept: more than there are questions at one time.
    const KEPT: usize = 16;

    pub(super) fn new(begun: Begun) -> Self {
        Self(vec![(begun.step, begun)])
    }

    /// It was used, which became certain in this step.
    pub(super) fn push(&mut self, step: u64, begun: Begun) {
        if self.0.len() == Self::KEPT {
            self.0.remove(0);
        }
        self.0.push((step, begun));
    }

    /// The last use of which everybody knew who began in this step. What is used at the same time may come later.
    pub(super) fn before(&self, step: u64) -> Begun {
        let known = self.0.iter().rev().find(|(since, _)| *since < step).or(self.0.first());
        known.expect("there is a first use").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_unheard_attempt_did_stays_open() {
        let mut once = Once::default();
        once.begin();
        assert!(once.may_be(0) && !once.may_be(1));
        once.end(5, Effect::Unknown);
        assert!(once.may_be(0) && !once.is_certain_before(9));
        once.begin();
        once.end(7, Effect::Certain);
        assert!(once.is_certain_before(8) && !once.is_certain_before(7));
    }

    #[test]
    fn an_attempt_without_effect_leaves_no_doubt() {
        let mut once = Once::default();
        once.begin();
        once.end(5, Effect::None);
        assert!(!once.may_be(0));
    }

    #[test]
    fn who_switches_at_the_same_time_leaves_it_open() {
        let mut switch = Switch::new(false);
        switch.begin(true);
        switch.begin(false);
        switch.end(4, false, 2, true);
        switch.end(5, true, 1, true);
        assert!(!switch.is_certain_before(9, true) && !switch.is_certain_before(9, false));
        switch.begin(true);
        switch.end(8, true, 7, true);
        assert!(switch.is_certain_before(9, true));
        switch.begin(true);
        switch.end(9, true, 9, false);
        assert!(
            switch.is_certain_before(10, true),
            "what is on stays on when somebody fails to switch it on"
        );
    }
}
