//! The one event of the plain case: `usage.recorded` in its usual JSON form.
//!
//! Whatever is unusual (escapes, other types, other number forms, unknown or repeated fields) is
//! `None`: the caller then takes the long way through Python, which accepts or rejects it by the
//! contract. So this parser may be narrow, but must never accept what the contract rejects.

const MAX_INTEGER: i64 = (1 << 53) - 1;
const DAY_MS: i64 = 86_400_000;

pub struct Usage<'a> {
    pub id: &'a [u8],
    pub source: &'a [u8],
    pub subscriber: &'a [u8],
    pub time_ms: i64,
    pub used_bytes: i64,
    pub rating_group: i64,
    pub roaming_zone: &'a [u8],
}

struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn skip_space(&mut self) {
        while matches!(self.data.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The next byte after white space.
    fn take(&mut self) -> Option<u8> {
        self.skip_space();
        let byte = *self.data.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.take()? == byte).then_some(())
    }

    /// A string of printable ASCII without escapes, after its opening quote.
    fn rest_of_string(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        loop {
            match *self.data.get(self.at)? {
                b'"' => break,
                b'\\' | 0..=0x1f | 0x7f..=0xff => return None,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(&self.data[start..self.at - 1])
    }

    fn string(&mut self, least: usize, most: usize) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let text = self.rest_of_string()?;
        (text.len() >= least && text.len() <= most).then_some(text)
    }

    /// A whole number without sign, leading zeros, fraction or exponent.
    fn natural(&mut self, most: i64) -> Option<i64> {
        self.skip_space();
        let start = self.at;
        let mut value: i64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.data.get(self.at) {
            value = value
                .checked_mul(10)?
                .checked_add(i64::from(digit - b'0'))?;
            self.at += 1;
        }
        let length = self.at - start;
        if length == 0 || (length > 1 && self.data[start] == b'0') || value > most {
            return None;
        }
        if matches!(self.data.get(self.at), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        Some(value)
    }
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

/// `2026-01-05T11:22:33.123Z`, with none to three digits of a second, in UTC only.
pub fn instant_ms(text: &[u8]) -> Option<i64> {
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

/// Store a field that may be given once only.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

pub fn parse(data: &[u8]) -> Option<Usage<'_>> {
    let mut cursor = Cursor { data, at: 0 };
    let (mut kind, mut id, mut source, mut subscriber) = (None, None, None, None);
    let (mut time_ms, mut total, mut up, mut down) = (None, None, None, None);
    let (mut rating_group, mut service, mut zone) = (None, None, None);
    cursor.expect(b'{')?;
    loop {
        let name = cursor.string(1, 64)?;
        cursor.expect(b':')?;
        match name {
            b"type" => once(&mut kind, cursor.string(1, 64)?)?,
            b"id" => once(&mut id, cursor.string(1, 128)?)?,
            b"source" => once(&mut source, cursor.string(1, 64)?)?,
            b"subscriber" => once(&mut subscriber, cursor.string(3, 64)?)?,
            b"time" => once(&mut time_ms, instant_ms(cursor.string(20, 24)?)?)?,
            b"total_bytes" => once(&mut total, cursor.natural(MAX_INTEGER)?)?,
            b"uplink_bytes" => once(&mut up, cursor.natural(MAX_INTEGER)?)?,
            b"downlink_bytes" => once(&mut down, cursor.natural(MAX_INTEGER)?)?,
            b"rating_group" => once(&mut rating_group, cursor.natural((1 << 32) - 1)?)?,
            b"service" => once(&mut service, cursor.string(1, 64)?)?,
            b"roaming_zone" => once(&mut zone, cursor.string(1, 64)?)?,
            _ => return None,
        }
        match cursor.take()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    cursor.skip_space();
    if cursor.at != data.len() || kind? != b"usage.recorded" {
        return None;
    }
    let used_bytes = match (total, up, down) {
        (Some(total), None, None) => total,
        (None, Some(up), Some(down)) => up + down,
        _ => return None,
    };
    Some(Usage {
        id: id?,
        source: source?,
        subscriber: subscriber?,
        time_ms: time_ms?,
        used_bytes,
        rating_group: rating_group.unwrap_or(0),
        roaming_zone: zone.unwrap_or(b"home"),
    })
}
