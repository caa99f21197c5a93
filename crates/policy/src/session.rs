//! How long does a person stay logged in? (OpenID Connect Core 1.0 §2, `auth_time`; Auth0's session lifetimes.)

use records::{Lifetime, Session, TenantSettings, UnixTime};

/// When a session that begins now ends: whatever happens, and unless it is used.
pub fn ends(settings: &TenantSettings, now: UnixTime) -> (UnixTime, UnixTime) {
    let expires_at = now.after(settings.session_lifetime);
    (expires_at, now.after(settings.idle_session_lifetime).min(expires_at))
}

/// The new `idle_expires_at` of a session that is used now; `None` where writing it is not worth it, or where
/// it ended.
///
/// It is written once in a twentieth of the idle lifetime, and at most once a minute (of an idle lifetime
/// below two minutes: once in half of it): a session is no hot row, and ends at most so much too early. A
/// setting that was shortened since takes effect with the next use.
pub fn renewed(settings: &TenantSettings, session: &Session, now: UnixTime) -> Option<UnixTime> {
    if !session.is_live(now) {
        return None;
    }
    let Lifetime(idle) = settings.idle_session_lifetime;
    let step = (idle / 20).max(60).min(idle / 2);
    let renewed = now.after(Lifetime(idle)).min(session.expires_at);
    // The last step before the absolute end may be a short one; it is taken once.
    let is_worth_it = renewed != session.idle_expires_at
        && (renewed == session.expires_at
            || renewed.0.abs_diff(session.idle_expires_at.0) >= u64::from(step));
    is_worth_it.then_some(renewed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::session;
    use proptest::prelude::*;

    const HOUR: u64 = 3600;

    fn settings(session_lifetime: u32, idle_session_lifetime: u32) -> TenantSettings {
        TenantSettings {
            session_lifetime: Lifetime(session_lifetime),
            idle_session_lifetime: Lifetime(idle_session_lifetime),
            ..TenantSettings::default()
        }
    }

    fn begun(settings: &TenantSettings, now: u64) -> Session {
        let (expires_at, idle_expires_at) = ends(settings, UnixTime(now));
        Session { expires_at, idle_expires_at, ..session(UnixTime(now)) }
    }

    #[test]
    fn a_session_ends_after_168_hours_or_72_unused_ones() {
        let now = UnixTime(1_000_000);
        let (expires_at, idle_expires_at) = ends(&TenantSettings::default(), now);
        assert_eq!((expires_at.0 - now.0, idle_expires_at.0 - now.0), (168 * HOUR, 72 * HOUR));
    }

    #[test]
    fn a_session_never_outlives_its_absolute_end_by_being_idle() {
        let (expires_at, idle_expires_at) = ends(&settings(60, 3600), UnixTime(0));
        assert_eq!((expires_at, idle_expires_at), (UnixTime(60), UnixTime(60)));
    }

    //= LC-05
    #[test]
    fn lc_05_an_idle_session_and_an_old_session_are_over() {
        let settings = settings(7200, 3600);
        let mut session = begun(&settings, 0);
        assert!(session.is_live(UnixTime(3599)));
        assert!(!session.is_live(UnixTime(3600)), "unused for an hour");
        assert_eq!(renewed(&settings, &session, UnixTime(3600)), None, "what is over is not renewed");

        session.idle_expires_at = renewed(&settings, &session, UnixTime(3599)).unwrap();
        assert_eq!(session.idle_expires_at, UnixTime(7199));
        session.idle_expires_at =
            renewed(&settings, &session, UnixTime(7000)).unwrap_or(session.idle_expires_at);
        assert!(session.is_live(UnixTime(7198)));
        assert!(!session.is_live(UnixTime(7200)), "used, but two hours old");
    }

    #[test]
    fn a_session_is_written_once_in_a_twentieth_of_its_idle_lifetime() {
        let settings = settings(168 * 3600, 72 * 3600);
        let session = begun(&settings, 0);
        let step = 72 * HOUR / 20;
        assert_eq!(renewed(&settings, &session, UnixTime(0)), None);
        assert_eq!(renewed(&settings, &session, UnixTime(step - 1)), None);
        assert_eq!(renewed(&settings, &session, UnixTime(step)), Some(UnixTime(step + 72 * HOUR)));
    }

    #[test]
    fn a_session_is_written_once_a_minute_at_most() {
        let settings = settings(7200, 600);
        let session = begun(&settings, 0);
        assert_eq!(renewed(&settings, &session, UnixTime(59)), None);
        assert_eq!(renewed(&settings, &session, UnixTime(60)), Some(UnixTime(660)));
    }

    #[test]
    fn a_very_short_idle_lifetime_is_renewed_too() {
        let settings = settings(7200, 60);
        let session = begun(&settings, 0);
        assert_eq!(renewed(&settings, &session, UnixTime(29)), None);
        assert_eq!(renewed(&settings, &session, UnixTime(30)), Some(UnixTime(90)));
    }

    #[test]
    fn a_shortened_idle_lifetime_takes_effect_with_the_next_use() {
        let session = begun(&settings(168 * 3600, 72 * 3600), 0);
        let shortened = settings(168 * 3600, 3600);
        assert_eq!(renewed(&shortened, &session, UnixTime(10)), Some(UnixTime(3610)));
    }

    #[test]
    fn near_its_absolute_end_a_session_is_written_once_more() {
        let settings = settings(7200, 3600);
        let session = Session { idle_expires_at: UnixTime(7190), ..begun(&settings, 0) };
        assert_eq!(renewed(&settings, &session, UnixTime(3600)), Some(UnixTime(7200)));
        let session = Session { idle_expires_at: UnixTime(7200), ..session };
        assert_eq!(renewed(&settings, &session, UnixTime(7199)), None);
    }

    proptest! {
        #[test]
        fn a_session_in_use_lives_to_its_absolute_end_and_no_longer(
            lifetime in 1_u32..100_000, idle in 1_u32..100_000, uses in proptest::collection::vec(1_u64..2000, 0..60),
        ) {
            let settings = settings(lifetime, idle);
            let mut session = begun(&settings, 0);
            let mut now = 0;
            for pause in uses {
                // Used at least every half of the idle lifetime: then the steps of writing must not end it early.
                now += pause.min(u64::from(idle / 2));
                let renewal = renewed(&settings, &session, UnixTime(now));
                prop_assert_eq!(session.is_live(UnixTime(now)), now < u64::from(lifetime), "at {}", now);
                if let Some(idle_expires_at) = renewal {
                    prop_assert!(idle_expires_at <= session.expires_at);
                    session.idle_expires_at = idle_expires_at;
                }
            }
        }
    }
}
