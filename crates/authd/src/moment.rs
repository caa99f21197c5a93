//! The one place that reads the clock and the entropy source; everything else is handed a `Moment`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use oauth_grants::Moment;
use records::UnixTime;

/// Where moments come from: the machine, or a test's fake clock and seed.
pub trait Moments: Send + Sync + 'static {
    /// The present time and 32 fresh random bytes. Each attempt at a decision draws its own.
    fn draw(&self) -> Moment;
}

/// The machine's clock and entropy source.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemMoments;

impl Moments for SystemMoments {
    #[expect(
        clippy::expect_used,
        reason = "without entropy no token may be issued: there is nothing to go on with"
    )]
    fn draw(&self) -> Moment {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the operating system has no entropy source");
        Moment::new(UnixTime(since_1970().as_secs()), seed)
    }
}

/// The time since 1970 on the machine's clock. To be called for logs alone: decisions are handed a [`Moment`].
pub fn since_1970() -> Duration {
    // A clock before 1970 reads as 1970: every token is then long expired, none is valid too long.
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Measures how long something takes, for logs: never decides anything.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Microseconds since the start.
    pub fn microseconds(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
