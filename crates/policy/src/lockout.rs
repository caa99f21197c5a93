//! May somebody try another password? (threats LC-10, LC-14; NIST SP 800-63B §5.2.2.)

use records::{AttemptsId, Lifetime, LoginAttempts, UnixTime};

/// How failed attempts slow the next ones down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// How many attempts are free.
    pub free: u32,
    /// How long after the one before it the first attempt past these must wait. Each further one waits twice
    /// as long.
    pub first_wait: Lifetime,
    /// The longest wait.
    pub longest_wait: Lifetime,
    /// How long after the last attempt all are forgotten; at least the longest wait, at most an hour.
    pub forgotten_after: Lifetime,
}

impl Lockout {
    /// For one name, or one person, from one place: at most 15 attempts in any hour without a success.
    pub const ACCOUNT: Self = Self {
        free: 10,
        first_wait: Lifetime(60),
        longest_wait: Lifetime(3600),
        forgotten_after: Lifetime(3600),
    };
    /// For one address, whatever the accounts: at most 105 attempts in any hour that are not given back.
    pub const ADDRESS: Self = Self { free: 100, ..Self::ACCOUNT };

    /// How long after attempt `failures` the next one must wait.
    fn wait_after(&self, failures: u32) -> u32 {
        let Some(doublings) = failures.checked_sub(self.free) else { return 0 };
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first_wait.0.saturating_mul(factor).min(self.longest_wait.0)
    }
}

/// Whether an attempt may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It may, once this is written: only then is the password verified, so that parallel attempts are
    /// counted too.
    Reserved(LoginAttempts),
    /// It may not for so long; at least a second.
    Wait(Lifetime),
}

/// Counts an attempt before it is verified, or refuses it. `past` is what is remembered under `id`.
///
/// A refused attempt is not counted and does not make the wait longer: whoever keeps knocking does not lock
/// the owner out any longer. Where the clock was set back by more than the longest wait, the wait is void:
/// nobody is locked out until the clock has caught up. A success ends the count: of an account by forgetting
/// it, of an address by [`give_back`].
pub fn reserve(rule: &Lockout, id: &AttemptsId, past: Option<&LoginAttempts>, now: UnixTime) -> Attempt {
    let past = past.filter(|past| past.id == *id && now < past.forgotten_at);
    let failures = past.map_or(0, |past| past.failures);
    if let Some(past) = past {
        let since = now.0.saturating_sub(past.last_at.0);
        let was_set_back = past.last_at.0.saturating_sub(now.0) > u64::from(rule.longest_wait.0);
        let wait = rule.wait_after(failures);
        let left = u64::from(wait).saturating_sub(since);
        if left > 0 && !was_set_back {
            return Attempt::Wait(Lifetime(u32::try_from(left).unwrap_or(wait)));
        }
    }
    Attempt::Reserved(LoginAttempts {
        id: id.clone(),
        failures: failures.saturating_add(1),
        last_at: now,
        forgotten_at: now.after(rule.forgotten_after),
    })
}

/// The count after an attempt that succeeded: it is not counted, those before it are.
///
/// For an address: where a success forgot all, whoever has an account could guess other people's passwords as
/// often as they log in themselves.
#[must_use]
pub fn give_back(attempts: &LoginAttempts) -> LoginAttempts {
    LoginAttempts { failures: attempts.failures.saturating_sub(1), ..attempts.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> AttemptsId {
        AttemptsId::parse("account-and-address").unwrap()
    }

    fn past(failures: u32, last_at: u64) -> LoginAttempts {
        LoginAttempts {
            id: id(),
            failures,
            last_at: UnixTime(last_at),
            forgotten_at: UnixTime(last_at + 3600),
        }
    }

    fn at(rule: &Lockout, past: Option<&LoginAttempts>, now: u64) -> Attempt {
        reserve(rule, &id(), past, UnixTime(now))
    }

    /// How many attempts are allowed at these times, and when.
    fn allowed(rule: &Lockout, times: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut remembered: Option<LoginAttempts> = None;
        let mut allowed = Vec::new();
        for now in times {
            if let Attempt::Reserved(attempts) = at(rule, remembered.as_ref(), now) {
                remembered = Some(attempts);
                allowed.push(now);
            }
        }
        allowed
    }

    #[test]
    fn the_first_attempts_are_free_and_each_is_counted_before_it_is_verified() {
        let mut remembered = None;
        for failures in 1..=10 {
            let attempt = at(&Lockout::ACCOUNT, remembered.as_ref(), 1000);
            let expected = past(failures, 1000);
            assert_eq!(attempt, Attempt::Reserved(expected.clone()));
            remembered = Some(expected);
        }
        assert_eq!(at(&Lockout::ACCOUNT, remembered.as_ref(), 1000), Attempt::Wait(Lifetime(60)));
    }

    //= LC-10
    #[test]
    fn lc_10_each_attempt_past_the_free_ones_waits_twice_as_long_up_to_an_hour() {
        for (failures, wait) in [
            (10, 60),
            (11, 120),
            (12, 240),
            (13, 480),
            (14, 960),
            (15, 1920),
            (16, 3600),
            (42, 3600),
            (u32::MAX, 3600),
        ] {
            let past = LoginAttempts { forgotten_at: UnixTime(u64::MAX), ..past(failures, 1000) };
            let asked = |now| at(&Lockout::ACCOUNT, Some(&past), now);
            assert_eq!(asked(1000), Attempt::Wait(Lifetime(wait)), "{failures}");
            assert_eq!(asked(1000 + u64::from(wait) - 1), Attempt::Wait(Lifetime(1)), "{failures}");
            match asked(1000 + u64::from(wait)) {
                Attempt::Reserved(next) => assert_eq!(next.failures, failures.saturating_add(1)),
                refused => panic!("{refused:?}"),
            }
        }
    }

    #[test]
    fn a_refused_attempt_neither_counts_nor_extends_the_wait() {
        let mut knocking: Vec<u64> = vec![0; 10];
        knocking.extend(1..=60);
        assert_eq!(allowed(&Lockout::ACCOUNT, knocking).last(), Some(&60));
    }

    #[test]
    fn attempts_are_forgotten_an_hour_after_the_last_one() {
        let past = past(10, 0);
        assert_eq!(at(&Lockout::ACCOUNT, Some(&past), 30), Attempt::Wait(Lifetime(30)));
        match at(&Lockout::ACCOUNT, Some(&past), 3600) {
            Attempt::Reserved(attempts) => assert_eq!(attempts.failures, 1),
            refused => panic!("{refused:?}"),
        }
    }

    #[test]
    fn what_is_remembered_under_another_id_does_not_count() {
        let other = LoginAttempts { id: AttemptsId::parse("another").unwrap(), ..past(16, 1000) };
        assert_eq!(at(&Lockout::ACCOUNT, Some(&other), 1000), Attempt::Reserved(past(1, 1000)));
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out() {
        let year = 365 * 86_400;
        let future = past(16, 10 * year);
        match at(&Lockout::ACCOUNT, Some(&future), 9 * year) {
            Attempt::Reserved(attempts) => {
                assert_eq!(attempts.failures, 17, "what was counted stays counted");
                assert_eq!(attempts.forgotten_at, UnixTime(9 * year + 3600));
            }
            refused => panic!("{refused:?}"),
        }
    }

    #[test]
    fn clocks_that_differ_by_seconds_give_no_attempt_away() {
        for skew in [1, 2, 60, 3600] {
            let past = past(10, 10_000);
            assert_eq!(
                at(&Lockout::ACCOUNT, Some(&past), 10_000 - skew),
                Attempt::Wait(Lifetime(60)),
                "{skew}"
            );
        }
    }

    //= LC-14
    #[test]
    fn lc_14_an_address_has_a_hundred_free_attempts_and_a_success_gives_back_only_itself() {
        assert_eq!(allowed(&Lockout::ADDRESS, vec![5; 1000]).len(), 100);
        let spraying = past(100, 1000);
        assert_eq!(give_back(&spraying), past(99, 1000));
        assert_eq!(give_back(&past(0, 1000)), past(0, 1000));
        match at(&Lockout::ADDRESS, Some(&give_back(&spraying)), 1000) {
            Attempt::Reserved(attempts) => assert_eq!(attempts.failures, 100),
            refused => panic!("{refused:?}"),
        }
    }

    #[test]
    fn whoever_never_rests_has_fifteen_attempts_in_the_first_hour() {
        assert_eq!(allowed(&Lockout::ACCOUNT, (0..3600).flat_map(|second| [second; 12])).len(), 15);
    }

    proptest! {
        #[test]
        fn attempts_in_any_hour_are_bounded(pauses in proptest::collection::vec(
            prop_oneof![Just(0_u64), 0_u64..120, 0..4000_u64, Just(3599), Just(3600)], 0..400,
        )) {
            let times = pauses.iter().scan(0, |now, pause| { *now += pause; Some(*now) });
            for (rule, most) in [(Lockout::ACCOUNT, 15), (Lockout::ADDRESS, 105)] {
                let allowed = allowed(&rule, times.clone());
                for (from, start) in allowed.iter().enumerate() {
                    let within = allowed[from..].iter().take_while(|time| **time < start + 3600).count();
                    prop_assert!(within <= most, "{} from {}", within, start);
                }
            }
        }

        #[test]
        fn nobody_waits_longer_than_the_longest_wait(
            failures: u32, last_at in 0_u64..1_000_000, now in 0_u64..1_000_000, forgotten: u64,
        ) {
            let past = LoginAttempts { forgotten_at: UnixTime(forgotten), ..past(failures, last_at) };
            if let Attempt::Wait(Lifetime(wait)) = at(&Lockout::ACCOUNT, Some(&past), now) {
                prop_assert!((1..=3600).contains(&wait));
            }
        }
    }
}
