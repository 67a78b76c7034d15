//! Reads record batches of Kafka's format 2 that were fetched: where each record lies.
//!
//! Only what is surely well-formed is read. For all else the client library's reader decides, and
//! its errors say more.

use crate::batches::{CHECKED_FROM, HEAD_BYTES, MAGIC};

const MAGIC_AT: usize = 16;
const LAST_DELTA_AT: usize = 23;
const FIRST_TIMESTAMP_AT: usize = 27;
const LATEST_TIMESTAMP_AT: usize = 35;
const COUNT_AT: usize = 57;
const CODEC_MASK: i16 = 7;
/// The broker has set the time: all records have the latest one.
const LOG_APPEND_TIME: i16 = 1 << 3;
const CONTROL: i16 = 1 << 5;
/// A record has no fewer bytes.
const LEAST_RECORD_BYTES: usize = 7;
/// The length of a part that is null.
const NULL: u32 = u32::MAX;

/// Part of the content of a batch.
#[derive(Clone, Copy)]
struct Part {
    at: u32,
    length: u32,
}

struct Place {
    offset: i64,
    timestamp_ms: i64,
    key: Part,
    value: Part,
    headers_at: u32,
    headers: u32,
}

/// Where the records of a batch lie in its unpacked content, in the order of their offsets.
pub struct Fetched {
    places: Vec<Place>,
    pub has_append_time: bool,
}

/// A record, in the bytes of its batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    pub headers: Headers<'a>,
}

/// Names and values of headers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Headers<'a> {
    rest: &'a [u8],
    pub count: u32,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        let mut reader = Reader {
            data: self.rest,
            at: 0,
        };
        let (name, value) = (reader.part()?, reader.part()?);
        self.rest = &self.rest[reader.at..];
        Some((of(reader.data, name)?, of(reader.data, value)))
    }
}

fn of(content: &[u8], part: Part) -> Option<&[u8]> {
    if part.length == NULL {
        return None;
    }
    content.get(part.at as usize..part.at as usize + part.length as usize)
}

/// Whether the checksum of a batch is right.
pub fn is_intact(batch: &[u8]) -> bool {
    let checked = batch.get(CHECKED_FROM..).unwrap_or_default();
    batch.get(CHECKED_FROM - 4..CHECKED_FROM) == Some(&crc32c::crc32c(checked).to_be_bytes())
}

impl Fetched {
    /// `batch`: the whole of it, whose checksum and size have been checked. `content`: its
    /// unpacked records, if they are compressed. None: not surely a batch of records.
    pub fn walk(batch: &[u8], content: Option<&[u8]>) -> Option<Self> {
        let attributes = i16::from_be_bytes(array(batch, CHECKED_FROM)?);
        if batch.len() < HEAD_BYTES
            || batch[MAGIC_AT] != MAGIC
            || attributes & CONTROL != 0
            || (attributes & CODEC_MASK != 0) != content.is_some()
        {
            return None;
        }
        let content = content.unwrap_or(&batch[HEAD_BYTES..]);
        let head = Head {
            base_offset: i64::from_be_bytes(array(batch, 0)?),
            last_delta: i64::from(i32::from_be_bytes(array(batch, LAST_DELTA_AT)?)),
            first_ms: i64::from_be_bytes(array(batch, FIRST_TIMESTAMP_AT)?),
            append_ms: (attributes & LOG_APPEND_TIME != 0)
                .then_some(i64::from_be_bytes(array(batch, LATEST_TIMESTAMP_AT)?)),
        };
        let count = usize::try_from(i32::from_be_bytes(array(batch, COUNT_AT)?)).ok()?;
        if content.len() >= i32::MAX as usize || count > content.len() / LEAST_RECORD_BYTES {
            return None;
        }
        Some(Fetched {
            places: places(content, &head, count)?,
            has_append_time: head.append_ms.is_some(),
        })
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn offset(&self, index: usize) -> i64 {
        self.places[index].offset
    }

    pub fn headers(&self, index: usize) -> usize {
        self.places[index].headers as usize
    }

    pub fn value_bytes(&self, index: usize) -> usize {
        let length = self.places[index].value.length;
        if length == NULL {
            0
        } else {
            length as usize
        }
    }

    /// A record; `content`: that of its batch.
    pub fn at<'a>(&self, content: &'a [u8], index: usize) -> Record<'a> {
        let place = &self.places[index];
        Record {
            offset: place.offset,
            timestamp_ms: place.timestamp_ms,
            key: of(content, place.key),
            value: of(content, place.value),
            headers: Headers {
                rest: content.get(place.headers_at as usize..).unwrap_or_default(),
                count: place.headers,
            },
        }
    }
}

/// What a batch says of all its records.
struct Head {
    base_offset: i64,
    last_delta: i64,
    first_ms: i64,
    /// The time of all records, if the broker has set it.
    append_ms: Option<i64>,
}

fn places(content: &[u8], head: &Head, count: usize) -> Option<Vec<Place>> {
    let mut found = Vec::with_capacity(count);
    let mut reader = Reader {
        data: content,
        at: 0,
    };
    let mut least_delta = 0;
    for _ in 0..count {
        let length = usize::try_from(reader.number()?).ok()?;
        let end = reader.at.checked_add(length)?;
        if *content.get(reader.at)? >= 0x80 {
            return None; // attributes: none are in use, and clients read them differently
        }
        reader.skip(1)?;
        let late_ms = reader.number()?;
        let delta = reader.number()?;
        if delta < least_delta || delta > head.last_delta {
            return None;
        }
        least_delta = delta + 1;
        let (key, value) = (reader.part()?, reader.part()?);
        let headers = u32::try_from(reader.number()?).ok()?;
        let headers_at = reader.at as u32;
        for _ in 0..headers {
            if reader.part()?.length == NULL {
                return None; // a name is never null
            }
            reader.part()?;
        }
        if reader.at != end {
            return None;
        }
        found.push(Place {
            offset: head.base_offset.checked_add(delta)?,
            timestamp_ms: match head.append_ms {
                Some(at_ms) => at_ms,
                None => head.first_ms.checked_add(late_ms)?,
            },
            key,
            value,
            headers_at,
            headers,
        });
    }
    (reader.at == content.len()).then_some(found)
}

fn array<const BYTES: usize>(data: &[u8], at: usize) -> Option<[u8; BYTES]> {
    data.get(at..at + BYTES)?.try_into().ok()
}

/// Reads numbers and parts one after the other. None: beyond the end, or not surely valid.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    /// A zigzag varint.
    #[inline]
    fn number(&mut self) -> Option<i64> {
        let first = *self.data.get(self.at)?;
        self.at += 1;
        let mut found = u64::from(first & 0x7f);
        if first >= 0x80 {
            let mut shift = 7;
            loop {
                let next = *self.data.get(self.at)?;
                self.at += 1;
                if shift == 63 && next > 1 {
                    return None;
                }
                found |= u64::from(next & 0x7f) << shift;
                if next < 0x80 {
                    break;
                }
                shift += 7;
            }
        }
        Some((found >> 1) as i64 ^ -((found & 1) as i64))
    }

    #[inline]
    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self
            .at
            .checked_add(bytes)
            .filter(|&at| at <= self.data.len())?;
        Some(())
    }

    /// Bytes behind their length; -1: null.
    #[inline]
    fn part(&mut self) -> Option<Part> {
        let length = self.number()?;
        let at = self.at as u32;
        if length == -1 {
            return Some(Part { at, length: NULL });
        }
        self.skip(usize::try_from(length).ok()?)?;
        Some(Part {
            at,
            length: length as u32,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::Batches;

    const FIRST_MS: i64 = 1_767_600_000_000;

    /// A batch at offset 7 whose content is this, as a client of another kind would write it.
    fn batch_of(count: i32, last_delta: i32, attributes: i16, content: &[u8]) -> Vec<u8> {
        let mut batch = vec![0; HEAD_BYTES];
        batch[..8].copy_from_slice(&7_i64.to_be_bytes());
        batch[MAGIC_AT] = MAGIC;
        batch[21..23].copy_from_slice(&attributes.to_be_bytes());
        batch[23..27].copy_from_slice(&last_delta.to_be_bytes());
        batch[27..35].copy_from_slice(&FIRST_MS.to_be_bytes());
        batch[35..43].copy_from_slice(&(FIRST_MS + 9).to_be_bytes());
        batch[57..61].copy_from_slice(&count.to_be_bytes());
        batch.extend_from_slice(content);
        batch
    }

    /// Key "k", value "v", a header "h" without a value, one "" with "1"; 3 ms after the first.
    const WITH_HEADERS: &[u8] = b"\x1c\x00\x06\x02\x02k\x02v\x04\x02h\x01\x00\x021";

    #[test]
    fn what_our_writer_makes_is_read() {
        let mut batches = Batches::new(FIRST_MS, 1_000);
        batches.append(Some(b"k"), Some(b"v"));
        batches.append(None, Some(&[7; 300]));
        batches.append(Some(b""), None);
        let mut batch = batches.finish().remove(0);
        batch.seal(1, 2, 3);
        assert!(is_intact(&batch.data));
        let found = Fetched::walk(&batch.data, None).unwrap();
        let all: Vec<_> = (0..found.len())
            .map(|index| found.at(&batch.data[HEAD_BYTES..], index))
            .collect();
        assert_eq!(
            all.iter().map(|one| one.offset).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert_eq!(
            (all[0].key, all[0].value),
            (Some(&b"k"[..]), Some(&b"v"[..]))
        );
        assert_eq!((all[1].key, all[1].value), (None, Some(&[7; 300][..])));
        assert_eq!((all[2].key, all[2].value), (Some(&b""[..]), None));
        assert!(all
            .iter()
            .all(|one| one.timestamp_ms == FIRST_MS && one.headers.count == 0));
        assert!(!is_intact(&batch.data[..10]));
        *batch.data.last_mut().unwrap() ^= 1;
        assert!(!is_intact(&batch.data));
    }

    #[test]
    fn headers_and_times_are_read() {
        let batch = batch_of(1, 1, 0, WITH_HEADERS);
        let found = Fetched::walk(&batch, None).unwrap();
        let one = found.at(WITH_HEADERS, 0);
        assert_eq!((one.offset, one.timestamp_ms), (8, FIRST_MS + 3));
        assert_eq!(
            one.headers.collect::<Vec<_>>(),
            [(&b"h"[..], None), (&b""[..], Some(&b"1"[..]))]
        );
        let batch = batch_of(1, 1, LOG_APPEND_TIME, WITH_HEADERS);
        let found = Fetched::walk(&batch, None).unwrap();
        assert!(found.has_append_time);
        assert_eq!(found.at(WITH_HEADERS, 0).timestamp_ms, FIRST_MS + 9);
    }

    #[test]
    fn unpacked_content_takes_the_place_of_the_packed() {
        let batch = batch_of(1, 1, 4, b"packed");
        assert!(Fetched::walk(&batch, None).is_none());
        assert_eq!(
            Fetched::walk(&batch, Some(WITH_HEADERS)).unwrap().offset(0),
            8
        );
        assert!(Fetched::walk(&batch_of(1, 1, 0, WITH_HEADERS), Some(WITH_HEADERS)).is_none());
    }

    #[test]
    fn what_is_not_surely_right_is_left_to_the_library() {
        let walk = |batch: &[u8]| Fetched::walk(batch, None).map(|found| found.len());
        let good = batch_of(1, 1, 0, WITH_HEADERS);
        assert_eq!(walk(&good), Some(1));
        for end in 0..good.len() {
            assert_eq!(walk(&good[..end]), None, "cut at {end}");
        }
        let longer = [&good[..], b"\x00"].concat();
        assert_eq!(walk(&longer), None);
        assert_eq!(
            walk(&batch_of(1, 0, 0, WITH_HEADERS)),
            None,
            "beyond the last offset"
        );
        assert_eq!(walk(&batch_of(1, 1, CONTROL, WITH_HEADERS)), None);
        assert_eq!(walk(&batch_of(-1, 1, 0, WITH_HEADERS)), None);
        assert_eq!(walk(&batch_of(1_000_000, 1, 0, WITH_HEADERS)), None);
        let twice = [WITH_HEADERS, WITH_HEADERS].concat();
        assert_eq!(walk(&batch_of(2, 1, 0, &twice)), None, "an offset twice");
        assert_eq!(walk(&batch_of(0, 1, 0, b"")), Some(0));
        let mut old = good.clone();
        old[MAGIC_AT] = 1;
        assert_eq!(walk(&old), None);
        // No byte may make this code panic.
        for at in HEAD_BYTES..good.len() {
            for byte in 0..=255 {
                let mut batch = good.clone();
                batch[at] = byte;
                if let Some(found) = Fetched::walk(&batch, None) {
                    let _ = found.at(&batch[HEAD_BYTES..], 0).headers.count();
                }
            }
        }
    }

    #[test]
    fn numbers_have_at_most_64_bits() {
        let number = |data: &[u8]| Reader { data, at: 0 }.number();
        assert_eq!(number(b"\x01"), Some(-1));
        assert_eq!(
            number(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Some(i64::MAX)
        );
        assert_eq!(
            number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            Some(i64::MIN)
        );
        assert_eq!(number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), None);
        assert_eq!(
            number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x80\x00"),
            None
        );
        assert_eq!(number(b"\x80"), None);
    }
}
