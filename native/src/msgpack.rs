//! Reads and writes the few MessagePack forms of a state record. It always writes the shortest
//! form, as the Python side does.

pub const NIL: u8 = 0xc0;

/// The whole length of a value by its first byte; 0 if that byte does not tell it.
const LENGTHS: [u8; 256] = lengths();

const fn lengths() -> [u8; 256] {
    let mut of = [0; 256];
    let mut tag = 0;
    while tag < 256 {
        of[tag] = match tag {
            0x00..=0x7f | 0x80 | 0x90 | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
            0xa0..=0xbf => (tag & 0x1f) as u8 + 1,
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xce | 0xd2 => 5,
            0xcf | 0xd3 => 9,
            _ => 0,
        };
        tag += 1;
    }
    of
}

pub struct Reader<'a> {
    pub data: &'a [u8],
    pub at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Reader { data, at: 0 }
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let found = self.data.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(found)
    }

    #[inline]
    fn big_endian<const LENGTH: usize>(&mut self) -> Option<u64> {
        let mut value = [0; 8];
        value[8 - LENGTH..].copy_from_slice(self.bytes(LENGTH)?);
        Some(u64::from_be_bytes(value))
    }

    /// A whole number; None for anything else or beyond i64.
    #[inline]
    pub fn integer(&mut self) -> Option<i64> {
        let tag = self.byte()?;
        match tag {
            0x00..=0x7f => Some(i64::from(tag)),
            0xe0..=0xff => Some(i64::from(tag as i8)),
            0xcc => self.big_endian::<1>()?.try_into().ok(),
            0xcd => self.big_endian::<2>()?.try_into().ok(),
            0xce => self.big_endian::<4>()?.try_into().ok(),
            0xcf => self.big_endian::<8>()?.try_into().ok(),
            0xd0 => Some(i64::from(self.big_endian::<1>()? as u8 as i8)),
            0xd1 => Some(i64::from(self.big_endian::<2>()? as u16 as i16)),
            0xd2 => Some(i64::from(self.big_endian::<4>()? as u32 as i32)),
            0xd3 => Some(self.big_endian::<8>()? as i64),
            _ => None,
        }
    }

    /// A whole number that is not negative, as [`write_natural`] writes it.
    #[inline]
    pub fn natural(&mut self) -> Option<i64> {
        self.integer().filter(|value| *value >= 0)
    }

    #[inline]
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let tag = self.byte()?;
        let length = match tag {
            0xa0..=0xbf => usize::from(tag & 0x1f),
            0xd9 => self.big_endian::<1>()? as usize,
            0xda => self.big_endian::<2>()? as usize,
            0xdb => self.big_endian::<4>()? as usize,
            _ => return None,
        };
        self.bytes(length)
    }

    pub fn binary(&mut self) -> Option<&'a [u8]> {
        let length = match self.byte()? {
            0xc4 => self.big_endian::<1>()? as usize,
            0xc5 => self.big_endian::<2>()? as usize,
            0xc6 => self.big_endian::<4>()? as usize,
            _ => return None,
        };
        self.bytes(length)
    }

    #[inline]
    pub fn array(&mut self) -> Option<usize> {
        self.count(0x90, 0xdc)
    }

    /// The number of pairs of a map.
    pub fn map(&mut self) -> Option<usize> {
        self.count(0x80, 0xde)
    }

    /// A count within a tag of the `short` form, or after a `long` tag in two bytes, or after the
    /// next tag in four bytes.
    #[inline]
    fn count(&mut self, short: u8, long: u8) -> Option<usize> {
        let tag = self.byte()?;
        if tag & 0xf0 == short {
            Some(usize::from(tag & 0x0f))
        } else if tag == long {
            Some(self.big_endian::<2>()? as usize)
        } else if tag == long + 1 {
            Some(self.big_endian::<4>()? as usize)
        } else {
            None
        }
    }

    pub fn truth(&mut self) -> Option<bool> {
        match self.byte()? {
            0xc2 => Some(false),
            0xc3 => Some(true),
            _ => None,
        }
    }

    /// Skip one value: nil, a boolean, a number, a text, an instant, or an array or map of such
    /// values.
    #[inline]
    pub fn skip(&mut self) -> Option<()> {
        let length = usize::from(LENGTHS[usize::from(*self.data.get(self.at)?)]);
        if length == 0 {
            return self.skip_long();
        }
        let end = self.at + length;
        (end <= self.data.len()).then(|| self.at = end)
    }

    /// Skip a value whose first byte does not tell its length.
    fn skip_long(&mut self) -> Option<()> {
        match *self.data.get(self.at)? {
            0x80..=0x8f | 0xde | 0xdf => {
                for _ in 0..self.map()? {
                    self.skip()?;
                    self.skip()?;
                }
            }
            // Instants have 4, 8 or 12 bytes, after their type.
            0xd6 => {
                self.bytes(1 + 1 + 4)?;
            }
            0xd7 => {
                self.bytes(1 + 1 + 8)?;
            }
            0xc7 => {
                self.byte()?;
                let length = self.big_endian::<1>()? as usize;
                self.bytes(1 + length)?;
            }
            0x90..=0x9f | 0xdc | 0xdd => {
                for _ in 0..self.array()? {
                    self.skip()?;
                }
            }
            0xd9..=0xdb => {
                self.string()?;
            }
            0xc4..=0xc6 => {
                self.binary()?;
            }
            _ => return None,
        }
        Some(())
    }
}

pub fn write_natural(out: &mut Vec<u8>, value: i64) {
    let value = value as u64;
    match value {
        0..=0x7f => out.push(value as u8),
        0x80..=0xff => out.extend([0xcc, value as u8]),
        0x100..=0xffff => {
            out.push(0xcd);
            out.extend((value as u16).to_be_bytes());
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xce);
            out.extend((value as u32).to_be_bytes());
        }
        _ => {
            out.push(0xcf);
            out.extend(value.to_be_bytes());
        }
    }
}

pub fn write_array_head(out: &mut Vec<u8>, length: usize) {
    match length {
        0..=0x0f => out.push(0x90 | length as u8),
        0x10..=0xffff => {
            out.push(0xdc);
            out.extend((length as u16).to_be_bytes());
        }
        _ => {
            out.push(0xdd);
            out.extend((length as u32).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_binary_head(out: &mut Vec<u8>, length: usize) {
        match length {
            0..=0xff => out.extend([0xc4, length as u8]),
            0x100..=0xffff => {
                out.push(0xc5);
                out.extend((length as u16).to_be_bytes());
            }
            _ => {
                out.push(0xc6);
                out.extend((length as u32).to_be_bytes());
            }
        }
    }

    fn written(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        write_natural(&mut out, value);
        out
    }

    #[test]
    fn numbers_are_written_in_the_shortest_form_and_read_again() {
        for (value, length) in [
            (0, 1),
            (0x7f, 1),
            (0x80, 2),
            (0xff, 2),
            (0x100, 3),
            (0xffff, 3),
            (0x1_0000, 5),
            (0xffff_ffff, 5),
            (0x1_0000_0000, 9),
            (i64::MAX, 9),
        ] {
            let data = written(value);
            assert_eq!(data.len(), length, "{value}");
            assert_eq!(Reader::new(&data).natural(), Some(value));
        }
    }

    #[test]
    fn negative_numbers_are_read_but_are_no_naturals() {
        for (data, value) in [
            (&b"\xff"[..], -1),
            (b"\xe0", -32),
            (b"\xd0\x80", -128),
            (b"\xd1\x80\x00", -32_768),
            (b"\xd2\x80\x00\x00\x00", -2_147_483_648),
            (b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", i64::MIN),
        ] {
            assert_eq!(Reader::new(data).integer(), Some(value));
            assert_eq!(Reader::new(data).natural(), None);
        }
    }

    #[test]
    fn what_does_not_fit_or_is_no_number_is_none() {
        assert_eq!(
            Reader::new(b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00").integer(),
            None
        );
        for data in [
            &b"\xc0"[..],
            b"\xa1x",
            b"\x90",
            b"\xca\x00\x00\x00\x00",
            b"\xcd\x01",
            b"",
        ] {
            assert_eq!(Reader::new(data).integer(), None, "{data:?}");
        }
    }

    #[test]
    fn texts_and_bytes_have_short_and_long_heads() {
        for length in [0, 31, 32, 255, 256, 65_536] {
            let mut data = Vec::new();
            write_binary_head(&mut data, length);
            data.resize(data.len() + length, 7);
            let mut reader = Reader::new(&data);
            assert_eq!(reader.binary().map(<[u8]>::len), Some(length));
            assert_eq!(reader.at, data.len());
        }
        assert_eq!(Reader::new(b"\xa2ab").string(), Some(&b"ab"[..]));
        assert_eq!(Reader::new(b"\xd9\x02ab").string(), Some(&b"ab"[..]));
        assert_eq!(Reader::new(b"\xda\x00\x02ab").string(), Some(&b"ab"[..]));
        assert_eq!(Reader::new(b"\xa3ab").string(), None);
    }

    #[test]
    fn heads_of_arrays_are_written_in_the_shortest_form_and_read_again() {
        for (length, size) in [(0, 1), (15, 1), (16, 3), (65_535, 3), (65_536, 5)] {
            let mut data = Vec::new();
            write_array_head(&mut data, length);
            assert_eq!(data.len(), size, "{length}");
            assert_eq!(Reader::new(&data).array(), Some(length));
        }
        assert_eq!(Reader::new(b"\x81").array(), None);
        assert_eq!(Reader::new(b"\x82").map(), Some(2));
        assert_eq!(Reader::new(b"\x92").map(), None);
    }

    #[test]
    fn any_value_can_be_passed_over() {
        for value in [
            &b"\x07"[..],
            b"\xff",
            b"\xc0",
            b"\xc2",
            b"\xc3",
            b"\xcf\x00\x00\x00\x00\x00\x00\x00\x01",
            b"\xa3abc",
            b"\xc4\x02\x01\x02",
            b"\x93\x01\xa1x\x90",
            b"\x82\xa1a\x01\xa1b\x92\x01\x02",
            b"\xd6\xff\x00\x00\x00\x01",
            b"\xd7\xff\x00\x00\x00\x01\x00\x00\x00\x01",
            b"\xc7\x0c\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01",
        ] {
            let data = [value, b"\x2a"].concat();
            let mut reader = Reader::new(&data);
            assert_eq!(reader.skip(), Some(()), "{value:?}");
            assert_eq!(reader.integer(), Some(0x2a), "{value:?}");
            assert_eq!(
                Reader::new(&value[..value.len() - 1]).skip(),
                None,
                "{value:?}"
            );
        }
    }
}
