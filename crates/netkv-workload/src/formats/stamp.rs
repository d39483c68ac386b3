//! Numbers and stamps as text, to integers.
//!
//! A stamp becomes nanoseconds; finer digits are cut. A date without a zone is in UTC. A count may be written as a
//! number with a fraction of 0, which is how pandas writes integers beside missing ones.

use super::table::Clock;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// What is wrong with a text that is not what it should be: the problem, and what is allowed.
pub(super) type Wrong = (&'static str, String);

/// A stamp in nanoseconds, of its clock's zero.
pub(super) fn stamp_ns(text: &str, clock: Clock) -> Result<i64, Wrong> {
    match clock {
        Clock::Units(unit_ns) => units_ns(text, unit_ns),
        Clock::Date => date_ns(text).ok_or_else(|| ("not a date", date_allowed())),
    }
}

/// What a date may be, in words.
pub(super) fn date_allowed() -> String {
    "a date such as 2023-11-16 18:17:03.9799600, with or without a zone such as +00:00, from 1678 to 2261".to_owned()
}

fn date_ns(text: &str) -> Option<i64> {
    let stamp = match has_zone(text) {
        true => text.parse::<Timestamp>().ok()?,
        false => TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()?,
    };
    i64::try_from(stamp.as_nanosecond()).ok()
}

/// Whether something that may be a zone follows the time of day.
fn has_zone(text: &str) -> bool {
    text.get(11..).is_some_and(|time| time.contains(['+', '-', 'Z', 'z', '[']))
}

/// A decimal number of units, in nanoseconds.
fn units_ns(text: &str, unit_ns: i64) -> Result<i64, Wrong> {
    let allowed = || "a number, at least 0 and in ns below 2^63".to_owned();
    if text.starts_with('-') {
        return Err(("negative", allowed()));
    }
    exact_ns(text, unit_ns)
        .or_else(|| rounded_ns(text, unit_ns))
        .ok_or_else(|| ("not a number, or too large", allowed()))
}

/// Digits, and perhaps a point and digits.
fn exact_ns(text: &str, unit_ns: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole_ns = whole.parse::<i64>().ok()?.checked_mul(unit_ns)?;
    let (mut fraction_ns, mut digit_ns) = (0, unit_ns / 10);
    for digit in fraction.bytes().map(|byte| i64::from(byte - b'0')) {
        fraction_ns += digit * digit_ns;
        digit_ns /= 10;
    }
    whole_ns.checked_add(fraction_ns)
}

/// Whatever else is a number, such as 1e-05.
fn rounded_ns(text: &str, unit_ns: i64) -> Option<i64> {
    let ns = text.parse::<f64>().ok().filter(|number| number.is_finite())? * unit_ns as f64;
    // INVARIANT: below 2^63, so that the cast keeps the value.
    (0.0..9.2e18).contains(&ns).then_some(ns as i64)
}

/// A count of tokens.
pub(super) fn tokens(text: &str) -> Result<u64, Wrong> {
    let problem = match text.strip_prefix('-') {
        _ if text.is_empty() => "empty",
        Some(rest) if rest.parse::<f64>().is_ok() => "negative",
        _ => "not a whole number, or too large",
    };
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() && fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => text,
    };
    let is_digits = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    let count = if is_digits { whole.parse().ok() } else { None };
    count.ok_or_else(|| (problem, "a whole number of tokens".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::table::{MILLISECOND, NANOSECOND, SECOND};
    use super::*;

    #[track_caller]
    fn check(text: &str, clock: Clock, expected: Option<i64>) {
        assert_eq!(stamp_ns(text, clock).ok(), expected, "{text}");
    }

    #[test]
    fn decimals_keep_every_nanosecond() {
        check("0", SECOND, Some(0));
        check("5", SECOND, Some(5_000_000_000));
        check("61.114", SECOND, Some(61_114_000_000));
        check("11.836632999999999", SECOND, Some(11_836_632_999));
        check("1e-05", SECOND, Some(10_000));
        check("3000", MILLISECOND, Some(3_000_000_000));
        check("4059740.0", NANOSECOND, Some(4_059_740));
        check("1700000000000000000", NANOSECOND, Some(1_700_000_000_000_000_000));
        for wrong in ["", ".", "-1", "abc", "1e30", "NaN", "inf", "9999999999999999999", "1 2"] {
            check(wrong, SECOND, None);
        }
    }

    #[test]
    fn dates_are_utc_unless_they_say_otherwise() {
        let ns = 1_700_158_623_979_960_000;
        check("2023-11-16 18:17:03.9799600", Clock::Date, Some(ns));
        check("2023-11-16T18:17:03.97996Z", Clock::Date, Some(ns));
        check("2023-11-16 18:17:03.979960+00:00", Clock::Date, Some(ns));
        check("2023-11-16 19:17:03.979960+01:00", Clock::Date, Some(ns));
        check("2023-11-16 13:17:03.979960-05:00", Clock::Date, Some(ns));
        check("2024-05-10 00:00:00+00:00", Clock::Date, Some(1_715_299_200_000_000_000));
        for wrong in ["", "2023-13-01 00:00:00", "yesterday", "18:17:03", "1700158623", "9999-01-01 00:00:00"] {
            check(wrong, Clock::Date, None);
        }
    }

    #[test]
    fn counts_may_have_a_fraction_of_nothing() {
        assert_eq!(tokens("374"), Ok(374));
        assert_eq!(tokens("374.0"), Ok(374));
        for (wrong, problem) in [("", "empty"), ("-4", "negative"), ("3.5", "not a whole number, or too large")] {
            assert_eq!(tokens(wrong).unwrap_err().0, problem, "{wrong}");
        }
        assert!(tokens("-").is_err() && tokens(".0").is_err() && tokens("NaN").is_err() && tokens("+1").is_err());
    }
}
