//! May somebody try another password? (threats LC-10, LC-14; NIST SP 800-63B §5.2.2.)

use records::{AttemptsId, Lifetime, LoginAttempts, UnixTime};

/// How failed attempts slow the next ones down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// How many attempts are free.
    pub free: u32,
    /// How long after the one before it the first attempt past these must wait. Each further one waits twice as long.
    pub first_wait: Lifetime,
    /// The longest wait.
    pub longest_wait: Lifetime,
    /// How long after the last attempt all are forgotten; at least the longest wait, at most an hour.
    pub forgotten_after: Lifetime,
}

impl Lockout {
    /// For one account from one address: at most 15 attempts in any hour without a success.
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
    /// It may, once this is written: only then is the password verified, so that parallel attempts are counted too.
    Reserved(LoginAttempts),
    /// It may not for so long; at least a second.
    Wait(Lifetime),
}

/// Counts an attempt before it is verified, or refuses it. `past` is what is remembered under `id`.
///
/// A refused attempt is not counted and does not make the wait longer: whoever keeps knocking does not lock the owner
/// out any longer. Where the clock was set back by more than the longest wait, the wait is void: nobody is locked out
/// until the clock has caught up. A success ends the count: of an account by forgetting it, of an address by
/// [`give_back`].
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
/// For an address: where a success forgot all, whoever has an account could guess other people's passwords as often
/// as they log in themselves.
#[must_use]
pub fn give_back(attempts: &LoginAttempts) -> LoginAttempts {
    LoginAttempts { failures: attempts.failures.saturating_sub(1), ..attempts.clone() }
}
