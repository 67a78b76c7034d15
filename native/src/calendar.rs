//! Instants as the core shows them: RFC 3339 in UTC, and minutes of a local clock.

const DAY_MS: i64 = 86_400_000;
const DAY_MINUTES: i64 = 1440;

/// Year, month and day of a day counted from 1970-01-01.
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

/// Two digits and more, with leading zeros.
fn digits(out: &mut Vec<u8>, value: i64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10_i64.pow(place) % 10) as u8);
    }
}

fn write_date(out: &mut Vec<u8>, day: i64) {
    let (year, month, day) = date(day);
    digits(out, year, 4);
    out.push(b'-');
    digits(out, month, 2);
    out.push(b'-');
    digits(out, day, 2);
}

/// `"2026-01-05T08:00:00.123000Z"`, the fraction only if there is one.
pub fn write_instant(out: &mut Vec<u8>, instant_ms: i64) {
    let (day, of_day) = (instant_ms.div_euclid(DAY_MS), instant_ms.rem_euclid(DAY_MS));
    out.push(b'"');
    write_date(out, day);
    out.push(b'T');
    digits(out, of_day / 3_600_000, 2);
    out.push(b':');
    digits(out, of_day / 60_000 % 60, 2);
    out.push(b':');
    digits(out, of_day / 1000 % 60, 2);
    if of_day % 1000 != 0 {
        out.push(b'.');
        digits(out, of_day % 1000, 3);
        out.extend_from_slice(b"000");
    }
    out.extend_from_slice(b"Z\"");
}

/// `2026-01-05 16:00` of a clock that shows so many minutes since its 1970-01-01T00:00.
pub fn write_minute(out: &mut Vec<u8>, minute: i64) {
    write_date(out, minute.div_euclid(DAY_MINUTES));
    let of_day = minute.rem_euclid(DAY_MINUTES);
    out.push(b' ');
    digits(out, of_day / 60, 2);
    out.push(b':');
    digits(out, of_day % 60, 2);
}
