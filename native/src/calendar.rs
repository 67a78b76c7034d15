//! Instants as the core reads and writes them: RFC 3339 in UTC, and minutes of a local clock.

use crate::constants_generated::{DAY_MINUTES, DAY_MS};

/// Year, month and day for a number of days since 1970-01-01.
fn date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted - era * 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// Write the last `WIDTH` digits, with leading zeros.
#[inline]
pub fn write_digits<const WIDTH: usize>(out: &mut Vec<u8>, value: i64) {
    let (mut text, mut rest) = ([b'0'; WIDTH], value as u32);
    for place in text.iter_mut().rev() {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend_from_slice(&text);
}

/// Write a whole number in decimal.
pub fn write_number(out: &mut Vec<u8>, value: i64) {
    let mut text = [0; 20];
    let (mut at, mut rest) = (text.len(), value.unsigned_abs());
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        at -= 1;
        text[at] = b'-';
    }
    out.extend_from_slice(&text[at..]);
}

fn write_date(out: &mut Vec<u8>, day: i64) {
    let (year, month, day) = date(day);
    write_digits::<4>(out, year);
    out.push(b'-');
    write_digits::<2>(out, month);
    out.push(b'-');
    write_digits::<2>(out, day);
}

/// Write `"2026-01-05T08:00:00.123000Z"`, with a fraction only if it is not 0.
pub fn write_instant(out: &mut Vec<u8>, instant_ms: i64) {
    let (day, of_day) = (instant_ms.div_euclid(DAY_MS), instant_ms.rem_euclid(DAY_MS));
    out.push(b'"');
    write_date(out, day);
    out.push(b'T');
    write_digits::<2>(out, of_day / 3_600_000);
    out.push(b':');
    write_digits::<2>(out, of_day / 60_000 % 60);
    out.push(b':');
    write_digits::<2>(out, of_day / 1000 % 60);
    if of_day % 1000 != 0 {
        out.push(b'.');
        write_digits::<3>(out, of_day % 1000);
        out.extend_from_slice(b"000");
    }
    out.extend_from_slice(b"Z\"");
}

/// Write `2026-01-05 16:00` for a number of minutes since 1970-01-01T00:00 on the same clock.
pub fn write_minute(out: &mut Vec<u8>, minute: i64) {
    write_date(out, minute.div_euclid(DAY_MINUTES));
    let of_day = minute.rem_euclid(DAY_MINUTES);
    out.push(b' ');
    write_digits::<2>(out, of_day / 60);
    out.push(b':');
    write_digits::<2>(out, of_day % 60);
}

/// Two ASCII digits as a number.
fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (*text.get(at)?, *text.get(at + 1)?);
    (tens.is_ascii_digit() && ones.is_ascii_digit())
        .then(|| i64::from(tens - b'0') * 10 + i64::from(ones - b'0'))
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

/// Read `2026-01-05T11:22:33.123Z`, with at most three digits after the second, in UTC only.
pub fn read_instant(text: &[u8]) -> Option<i64> {
    if text.len() < 20 || text[4] != b'-' || text[7] != b'-' || text[10] != b'T' {
        return None;
    }
    if text[13] != b':' || text[16] != b':' || text[text.len() - 1] != b'Z' {
        return None;
    }
    let year = two(text, 0)? * 100 + two(text, 2)?;
    if !(1970..=2090).contains(&year) {
        return None;
    }
    let day = days(year, two(text, 5)?, two(text, 8)?)?;
    let (hour, minute, second) = (two(text, 11)?, two(text, 14)?, two(text, 17)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = &text[19..text.len() - 1];
    let mut millis = 0;
    if !fraction.is_empty() {
        if fraction[0] != b'.' || fraction.len() < 2 || fraction.len() > 4 {
            return None;
        }
        for place in 1..4 {
            let digit = *fraction.get(place).unwrap_or(&b'0');
            if !digit.is_ascii_digit() {
                return None;
            }
            millis = millis * 10 + i64::from(digit - b'0');
        }
    }
    Some(day * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(instant_ms: i64) -> String {
        let mut out = Vec::new();
        write_instant(&mut out, instant_ms);
        String::from_utf8(out).unwrap()
    }

    fn minute(local_minute: i64) -> String {
        let mut out = Vec::new();
        write_minute(&mut out, local_minute);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn instants_are_shown_with_a_fraction_only_if_there_is_one() {
        assert_eq!(shown(0), r#""1970-01-01T00:00:00Z""#);
        assert_eq!(shown(1_767_600_001_000), r#""2026-01-05T08:00:01Z""#);
        assert_eq!(shown(1_767_600_001_120), r#""2026-01-05T08:00:01.120000Z""#);
        assert_eq!(shown(-1), r#""1969-12-31T23:59:59.999000Z""#);
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for value in [0, 7, 10, 1_234_567_890, -1, -90, i64::MAX, i64::MIN] {
            let mut out = Vec::new();
            write_number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }

    #[test]
    fn minutes_are_shown_by_day_and_clock() {
        assert_eq!(minute(0), "1970-01-01 00:00");
        assert_eq!(minute(DAY_MINUTES + 61), "1970-01-02 01:01");
        assert_eq!(minute(-1), "1969-12-31 23:59");
    }

    #[test]
    fn what_is_shown_is_read_again_on_every_day_of_the_calendar() {
        // From 1970 to 2090: the only special year is 2000, which has a 29 February.
        for day in 0..44_195 {
            let instant_ms = day * DAY_MS + (day * 7_919_333) % DAY_MS / 1000 * 1000;
            let text = shown(instant_ms);
            assert_eq!(
                read_instant(&text.as_bytes()[1..text.len() - 1]),
                Some(instant_ms)
            );
        }
    }

    #[test]
    fn one_to_three_digits_of_a_second_are_read() {
        for (fraction, millis) in [("", 0), (".5", 500), (".05", 50), (".123", 123)] {
            let text = format!("2026-01-05T08:00:01{fraction}Z");
            assert_eq!(
                read_instant(text.as_bytes()),
                Some(1_767_600_001_000 + millis)
            );
        }
    }

    #[test]
    fn unusual_and_impossible_instants_are_not_read() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-05T24:00:00Z",
            "2026-01-05T08:60:00Z",
            "2026-01-05T08:00:60Z",
            "2026-01-05 08:00:01Z",
            "2026-01-05T08:00:01z",
            "2026-01-05T08:00:01+08:00",
            "2026-01-05T08:00:01.Z",
            "2026-01-05T08:00:01.1234Z",
            "2026-01-05T08:00:01,5Z",
            "1969-12-31T23:59:59Z",
            "2091-01-01T00:00:00Z",
            "2026-1-05T08:00:01Z",
            "",
        ] {
            assert_eq!(read_instant(text.as_bytes()), None, "{text}");
        }
    }
}
