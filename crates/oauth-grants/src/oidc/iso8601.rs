//! Points in time as text (RFC 3339 §5.6), as Auth0 writes `updated_at`: `2017-03-30T15:13:40.000Z`.

use records::UnixTime;

/// The latest time that four digits can name the year of: the end of 9999.
const LATEST: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

/// Writes a time in UTC, with the milliseconds that Auth0's have, ours being whole seconds.
pub(super) fn text(time: UnixTime) -> String {
    let seconds = time.0.min(LATEST);
    let (year, month, day) = date(seconds / DAY);
    let (hour, minute, second) = (seconds % DAY / 3600, seconds % 3600 / 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
}

/// The date that is so many days after 1970-01-01, in the Gregorian calendar.
///
/// Counted from 0000-03-01, so that a leap day ends its year and whatever recurs does so evenly: 146097 days in 400
/// years, 36524 in 100, 1461 in 4, 153 in the five months from March (and from August) on.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months_since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months_since_march + 2) / 5 + 1;
    let month = if months_since_march < 10 { months_since_march + 3 } else { months_since_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_are_written_as_everybody_writes_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_490_886_820, "2017-03-30T15:13:40.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(text(UnixTime(seconds)), expected);
        }
    }

    #[test]
    fn every_day_until_the_year_3000_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        let mut days = 0;
        while year < 3000 {
            assert_eq!(date(days), (year, month, day));
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let last = match month {
                2 if is_leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (year, month, day) = match (month, day) {
                (12, 31) => (year + 1, 1, 1),
                _ if day == last => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
            days += 1;
        }
    }
}
