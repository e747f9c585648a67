//! Dates as our formats have them: RFC 3339 in UTC, `2026-11-22T19:00:00Z`, to seconds since 1970 and back.
//!
//! Whole seconds from 1970 to the end of 9999; a fraction is read and dropped. No other time zone, no leap
//! second but as the second after it.

/// The last second that has a date: the end of 9999.
pub const LAST: i64 = 253_402_300_799;

/// The date of a second since 1970; one out of range becomes the nearest that has a date.
pub fn from_seconds(seconds: i64) -> String {
    let seconds = seconds.clamp(0, LAST);
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The second since 1970 of a date; `None` for anything else, and for one before 1970.
pub fn to_seconds(date: &str) -> Option<i64> {
    let (whole, fraction) = date.strip_suffix('Z')?.split_at_checked(19)?;
    if !fraction.is_empty() {
        let digits = fraction.strip_prefix('.')?;
        if !(1..=9).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
    }
    let form = whole.bytes().enumerate().all(|(at, b)| match at {
        4 | 7 => b == b'-',
        10 => b == b'T',
        13 | 16 => b == b':',
        _ => b.is_ascii_digit(),
    });
    if !form {
        return None;
    }
    let number = |from: usize, to: usize| whole.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let days = days(year, month, day);
    if year < 1970 || civil(days) != (year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some((days * 86_400 + hour * 3600 + minute * 60 + second).min(LAST))
}

/// Now, by the system's clock.
pub fn now() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or(0)
}

/// Days in 400 years of the Gregorian calendar.
const ERA: i64 = 146_097;

/// Days from 0000-03-01 to 1970-01-01: counted from March a leap day is the last day of its year.
const TO_1970: i64 = 719_468;

/// Year, month and day of a day since 1970.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + TO_1970;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (
        era * 400 + year + i64::from(month <= 2),
        month,
        day_of_month,
    )
}

/// The day since 1970 of a date; of one that is none (the 31st of June) some day near it.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_1970
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_that_are_known() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(from_seconds(seconds), date);
            assert_eq!(to_seconds(date), Some(seconds));
        }
        assert_eq!(
            to_seconds("2023-11-14T22:13:20.999999999Z"),
            Some(1_700_000_000)
        );
        assert_eq!(from_seconds(-1), "1970-01-01T00:00:00Z");
        assert_eq!(from_seconds(i64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for date in [
            "",
            "Z",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20Z",
            "2023-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-06-31T00:00:00Z",
            "2023-06-00T00:00:00Z",
            "2023-06-01T24:00:00Z",
            "2023-06-01T00:60:00Z",
            "2023-06-01T00:00:61Z",
            "1969-12-31T23:59:59Z",
            "2023-11-14T22:13:20.Z",
            "2023-11-14T22:13:20.1234567890Z",
            "2023-11-14T22:13:20+00:00",
            "+023-11-14T22:13:20Z",
        ] {
            assert_eq!(to_seconds(date), None, "{date}");
        }
    }

    proptest! {
        #[test]
        fn seconds_come_back(seconds in 0..=LAST) {
            prop_assert_eq!(to_seconds(&from_seconds(seconds)), Some(seconds));
        }
    }
}
