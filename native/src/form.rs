//! Reads the values of a JSON object, in narrow forms only.
//!
//! Anything unusual (escapes, other types, other number forms) is `None`. Then Python reads the
//! record and accepts or rejects it by the contract. So this code may be narrow, but must never
//! accept what the contract rejects.

use crate::calendar::read_instant;

/// The values that a field accepts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    /// A string with a number of characters in these bounds.
    Text { least: usize, most: usize },
    /// A string that must equal the record's key; the caller compares it.
    Key,
    /// A whole number.
    Natural { least: i64, most: i64 },
    /// An instant in UTC.
    Instant,
    /// `true` or `false`.
    #[allow(dead_code)] // Of no field now.
    Truth,
    /// One of these strings.
    Choice(&'static [&'static [u8]]),
}

/// A value in its form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Text(&'a [u8]),
    /// A whole number, or an instant in milliseconds since 1970.
    Number(i64),
    Truth,
}

/// How many of the first bytes of a string are printable ASCII other than quotes and escapes. Each
/// test finds its lowest byte for certain; above that it may err.
#[inline]
fn plain_bytes(word: [u8; 8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x80 * ONES;
    let word = u64::from_le_bytes(word);
    let is_below = |word: u64, least: u64| word.wrapping_sub(least * ONES) & !word;
    let is_byte = |byte: u8| is_below(word ^ (u64::from(byte) * ONES), 1);
    let is_control = is_below(word, 0x20) | is_byte(0x7f) | word;
    let ends = (is_control | is_byte(b'"') | is_byte(b'\\')) & TOPS;
    ends.trailing_zeros() as usize / 8
}

pub struct Cursor<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Cursor { data, at: 0 }
    }

    /// Whether nothing but white space is left.
    pub fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.at == self.data.len()
    }

    fn skip_space(&mut self) {
        while matches!(self.data.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// The next byte after white space.
    pub fn take(&mut self) -> Option<u8> {
        self.skip_space();
        let byte = *self.data.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    pub fn expect(&mut self, byte: u8) -> Option<()> {
        (self.take()? == byte).then_some(())
    }

    /// A string of printable ASCII without escapes.
    pub fn string(&mut self, least: usize, most: usize) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.at;
        while let Some(word) = self.data.get(self.at..self.at + 8) {
            let plain = plain_bytes(word.try_into().ok()?);
            self.at += plain;
            if plain < 8 {
                break;
            }
        }
        loop {
            match *self.data.get(self.at)? {
                b'"' => break,
                b'\\' | 0..=0x1f | 0x7f..=0xff => return None,
                _ => self.at += 1,
            }
        }
        let text = &self.data[start..self.at];
        self.at += 1;
        (text.len() >= least && text.len() <= most).then_some(text)
    }

    /// A whole number without sign, leading zeros, fraction or exponent.
    fn natural(&mut self, least: i64, most: i64) -> Option<i64> {
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
        if length == 0 || (length > 1 && self.data[start] == b'0') {
            return None;
        }
        if matches!(self.data.get(self.at), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        (least <= value && value <= most).then_some(value)
    }

    fn truth(&mut self) -> Option<()> {
        self.skip_space();
        let rest = &self.data[self.at..];
        let word = [&b"true"[..], b"false"]
            .into_iter()
            .find(|word| rest.starts_with(word))?;
        self.at += word.len();
        Some(())
    }

    /// Read a value of a form.
    #[inline(always)]
    pub fn value(&mut self, form: Form) -> Option<Value<'a>> {
        Some(match form {
            Form::Text { least, most } => Value::Text(self.string(least, most)?),
            Form::Key => Value::Text(self.string(0, usize::MAX)?),
            Form::Natural { least, most } => Value::Number(self.natural(least, most)?),
            Form::Instant => Value::Number(read_instant(self.string(20, 24)?)?),
            Form::Truth => {
                self.truth()?;
                Value::Truth
            }
            Form::Choice(choices) => {
                let text = self.string(0, usize::MAX)?;
                Value::Text(choices.contains(&text).then_some(text)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(json: &str, form: Form) -> Option<Value<'_>> {
        let mut cursor = Cursor::new(json.as_bytes());
        let found = cursor.value(form)?;
        cursor.is_at_end().then_some(found)
    }

    #[test]
    fn texts_are_ascii_without_escapes_within_their_bounds() {
        let form = Form::Text { least: 1, most: 3 };
        assert_eq!(whole(r#" "abc" "#, form), Some(Value::Text(b"abc")));
        for unusual in [
            r#""""#,
            r#""abcd""#,
            r#""a\n""#,
            "\"a\u{1}\"",
            "\"ä\"",
            "\"a",
            "a",
            "1",
        ] {
            assert_eq!(whole(unusual, form), None, "{unusual}");
        }
    }

    #[test]
    fn every_byte_ends_a_string_wherever_it_stands_unless_it_is_plain() {
        for byte in 0..=u8::MAX {
            for at in 0..20 {
                let mut json = vec![b'x'; 24];
                (json[0], json[23], json[1 + at]) = (b'"', b'"', byte);
                let found = Cursor::new(&json).string(0, usize::MAX);
                let expected = match byte {
                    b'"' => Some(at),
                    b'\\' | 0..=0x1f | 0x7f..=0xff => None,
                    _ => Some(22),
                };
                assert_eq!(found.map(<[u8]>::len), expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn numbers_are_whole_and_within_their_bounds() {
        let form = Form::Natural {
            least: 1,
            most: 100,
        };
        assert_eq!(whole("1", form), Some(Value::Number(1)));
        assert_eq!(whole("\n100", form), Some(Value::Number(100)));
        for unusual in [
            "0", "101", "01", "-1", "+1", "1.0", "1e1", "\"1\"", "", "1_0",
        ] {
            assert_eq!(whole(unusual, form), None, "{unusual}");
        }
        let any = Form::Natural {
            least: 0,
            most: i64::MAX,
        };
        assert_eq!(whole("0", any), Some(Value::Number(0)));
        assert_eq!(
            whole("9223372036854775807", any),
            Some(Value::Number(i64::MAX))
        );
        assert_eq!(whole("9223372036854775808", any), None);
    }

    #[test]
    fn truths_and_choices_are_taken_word_for_word() {
        assert_eq!(whole("true", Form::Truth), Some(Value::Truth));
        assert_eq!(whole(" false", Form::Truth), Some(Value::Truth));
        for unusual in ["True", "1", "null", "truely", "tru"] {
            assert_eq!(whole(unusual, Form::Truth), None, "{unusual}");
        }
        let form = Form::Choice(&[b"4g", b"5g"]);
        assert_eq!(whole(r#""5g""#, form), Some(Value::Text(b"5g")));
        assert_eq!(whole(r#""6g""#, form), None);
    }
}
