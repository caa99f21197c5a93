//! Points in time and durations, in whole seconds (RFC 7519 §2, NumericDate).

/// Seconds since 1970-01-01T00:00:00Z, leap seconds ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// This time and a duration later; saturates at the end of representable time.
    #[must_use]
    pub fn after(self, lifetime: Lifetime) -> Self {
        Self(self.0.saturating_add(u64::from(lifetime.0)))
    }
}

/// A duration in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lifetime(pub u32);

impl Lifetime {
    /// 24 hours: an access token's lifetime unless its API says otherwise (Auth0).
    pub const DAY: Self = Self(86_400);
    /// 30 days: the longest an access token may live (Auth0).
    pub const MONTH: Self = Self(2_592_000);
}
