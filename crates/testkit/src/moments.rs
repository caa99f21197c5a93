//! A clock that stands still until it is told to move, and bytes that come from a seed.

use std::sync::atomic::{AtomicU64, Ordering};

use authd::moment::Moments;
use oauth_grants::Moment;
use records::UnixTime;

/// The time and randomness of a test. The same seed gives the same bytes in the same order.
#[derive(Debug)]
pub struct TestMoments {
    now: AtomicU64,
    seed: u64,
    drawn: AtomicU64,
}

impl TestMoments {
    /// A clock at this time, and bytes from this seed.
    pub fn new(now: UnixTime, seed: u64) -> Self {
        Self { now: AtomicU64::new(now.0), seed, drawn: AtomicU64::new(0) }
    }

    /// The time.
    pub fn now(&self) -> UnixTime {
        UnixTime(self.now.load(Ordering::SeqCst))
    }

    /// Moves the clock forward.
    pub fn advance(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: UnixTime) {
        self.now.store(now.0, Ordering::SeqCst);
    }
}

impl Moments for TestMoments {
    fn draw(&self) -> Moment {
        // No secret hangs on these bytes; they only have to be distinct and repeatable. A moment expands them.
        let count = self.drawn.fetch_add(1, Ordering::SeqCst);
        let mut seed = [0; 32];
        for (byte, value) in
            seed.iter_mut().zip(self.seed.to_le_bytes().into_iter().chain(count.to_le_bytes()))
        {
            *byte = value;
        }
        Moment::new(self.now(), seed)
    }
}
