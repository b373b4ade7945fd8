//! Times and durations as people write and read them.

use std::time::Duration;

/// Longest duration accepted.
const LONGEST: Duration = Duration::from_hours(366 * 24);

/// Reads `500ms`, `5s`, `2m`, `1h` or `7d`; a fraction is allowed (`1.5s`).
pub fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        "h" => 3_600e3,
        "d" => 86_400e3,
        "" => return Err(format!("{text:?} needs a unit: ms, s, m, h or d, as in \"5s\"")),
        _ => return Err(format!("{unit:?} is no unit of time: ms, s, m, h, d")),
    };
    let plain = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let amount = number.parse::<f64>().ok().filter(|_| plain);
    let amount = amount.ok_or_else(|| format!("{number:?} is no number"))?;
    Duration::try_from_secs_f64(amount * unit_ms / 1e3)
        .ok()
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| format!("{text} is too long: at most 366d"))
}

/// Whole milliseconds of a duration.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds with three decimals, for machines.
#[must_use]
pub fn exact_ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// `3.1 ms`, `2.4 s`: for people.
#[must_use]
pub fn elapsed(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", duration.as_secs_f64())
    }
}

/// `2026-11-23T18:28:43.123Z` for milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn timestamp(at_ms: u64) -> String {
    let (days, ms_of_day) = (at_ms / 86_400_000, at_ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, rest) = (ms_of_day / 3_600_000, ms_of_day % 3_600_000);
    let (minute, second, ms) = (rest / 60_000, rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// The time of day out of a [`timestamp`]: `18:28:43.123`.
#[must_use]
pub fn time_of_day(at_ms: u64) -> String {
    let timestamp = timestamp(at_ms);
    let (_, time) = timestamp.split_once('T').expect("a timestamp has a T");
    time.trim_end_matches('Z').to_owned()
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian
/// calendar. Years begin in March here, so that the leap day is the last.
fn civil(days: u64) -> (u64, u64, u64) {
    // Days from 0000-03-01 to 1970-01-01, and in 400 years.
    const TO_1970: u64 = 719_468;
    const IN_400_YEARS: u64 = 146_097;
    let days = days + TO_1970;
    let (era, day_of_era) = (days / IN_400_YEARS, days % IN_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) =
        if month_from_march < 10 { (month_from_march + 3, 0) } else { (month_from_march - 9, 1) };
    (era * 400 + year_of_era + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        let cases = [
            ("500ms", Some(500)),
            ("5s", Some(5_000)),
            ("1.5s", Some(1_500)),
            ("2m", Some(120_000)),
            ("1h", Some(3_600_000)),
            ("7d", Some(604_800_000)),
            ("0s", Some(0)),
            ("5", None),
            ("", None),
            ("s", None),
            ("5 s", None),
            ("-5s", None),
            ("1e3s", None),
            ("infs", None),
            ("5w", None),
            ("5S", None),
            ("1..5s", None),
            ("367d", None),
            ("99999999999999999999d", None),
        ];
        for (text, ms) in cases {
            assert_eq!(duration(text).ok().map(millis), ms, "{text}");
        }
    }

    #[test]
    fn timestamps_are_those_of_the_calendar() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_795_458_523_123, "2026-11-23T18:28:43.123Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ];
        for (at_ms, text) in cases {
            assert_eq!(timestamp(at_ms), text);
        }
        assert_eq!(time_of_day(1_795_458_523_123), "18:28:43.123");
    }

    #[test]
    fn elapsed_time_is_short() {
        let cases = [(0, "0.0 ms"), (3_140, "3.1 ms"), (999_900, "999.9 ms"), (2_400_000, "2.4 s")];
        for (micros, text) in cases {
            assert_eq!(elapsed(Duration::from_micros(micros)), text);
        }
        assert!((exact_ms(Duration::from_nanos(3_250_499)) - 3.25).abs() < 1e-9);
    }
}
