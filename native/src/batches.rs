//! Record batches of Kafka's format 2, for the producer of a partition's transactions: the same
//! bytes as aiokafka's builder makes.
//!
//! All records of a batch have the same time, and none has headers. A batch is not compressed.

pub const HEAD_BYTES: usize = 61;
/// What the checksum covers begins here.
pub const CHECKED_FROM: usize = 21;
const PRODUCER_AT: usize = 43;
pub const MAGIC: u8 = 2;
const TRANSACTIONAL: i16 = 1 << 4;

/// A batch that is complete but for its producer's number and its checksum.
#[derive(Debug, PartialEq)]
pub struct Batch {
    pub data: Vec<u8>,
    pub count: i32,
}

/// Fills one batch after the other.
pub struct Batches {
    timestamp_ms: i64,
    batch_bytes: usize,
    data: Vec<u8>,
    count: i32,
    full: Vec<Batch>,
}

impl Batches {
    /// A batch has fewer bytes than `batch_bytes`, or a single record.
    pub fn new(timestamp_ms: i64, batch_bytes: usize) -> Self {
        Batches {
            timestamp_ms,
            batch_bytes,
            data: vec![0; HEAD_BYTES],
            count: 0,
            full: Vec::new(),
        }
    }

    /// Append a record; a key or value of None is null.
    pub fn append(&mut self, key: Option<&[u8]>, value: Option<&[u8]>) {
        let mut size = self.size_of(key, value);
        if self.count > 0 && self.data.len() + varint_bytes(size) + size >= self.batch_bytes {
            self.end();
            size = self.size_of(key, value);
        }
        let number = i64::from(self.count);
        let out = &mut self.data;
        write_varint(out, size as i64);
        out.extend_from_slice(&[0, 0]); // no attributes, the time of the batch
        write_varint(out, number);
        for part in [key, value] {
            match part {
                Some(part) => {
                    write_varint(out, part.len() as i64);
                    out.extend_from_slice(part);
                }
                None => write_varint(out, -1),
            }
        }
        out.push(0); // no headers
        self.count += 1;
    }

    /// Bytes of the next record after its length.
    fn size_of(&self, key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
        let part = |part: Option<&[u8]>| part.map_or(1, |one| varint_bytes(one.len()) + one.len());
        2 + varint_bytes(self.count as usize) + part(key) + part(value) + 1
    }

    fn end(&mut self) {
        let (data, count) = (
            std::mem::replace(&mut self.data, vec![0; HEAD_BYTES]),
            std::mem::take(&mut self.count),
        );
        self.full.push(finished(data, count, self.timestamp_ms));
    }

    /// The batches of all records, in order.
    pub fn finish(mut self) -> Vec<Batch> {
        if self.count > 0 {
            self.end();
        }
        self.full
    }
}

/// Write the head, without what only the sender knows.
fn finished(mut data: Vec<u8>, count: i32, timestamp_ms: i64) -> Batch {
    let length = (data.len() - 12) as i32;
    data[8..12].copy_from_slice(&length.to_be_bytes());
    data[12..16].copy_from_slice(&(-1_i32).to_be_bytes()); // the broker's epoch
    data[16] = MAGIC;
    data[21..23].copy_from_slice(&TRANSACTIONAL.to_be_bytes());
    data[23..27].copy_from_slice(&(count - 1).to_be_bytes());
    data[27..35].copy_from_slice(&timestamp_ms.to_be_bytes());
    data[35..43].copy_from_slice(&timestamp_ms.to_be_bytes());
    data[57..61].copy_from_slice(&count.to_be_bytes());
    Batch { data, count }
}

impl Batch {
    /// Write who sends the batch, and the checksum.
    pub fn seal(&mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) {
        let (data, at) = (&mut self.data, PRODUCER_AT);
        data[at..at + 8].copy_from_slice(&producer_id.to_be_bytes());
        data[at + 8..at + 10].copy_from_slice(&producer_epoch.to_be_bytes());
        data[at + 10..at + 14].copy_from_slice(&base_sequence.to_be_bytes());
        let checksum = crc32c::crc32c(&data[CHECKED_FROM..]);
        data[CHECKED_FROM - 4..CHECKED_FROM].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Bytes of a number that is not negative, as a zigzag varint.
fn varint_bytes(value: usize) -> usize {
    let bits = (usize::BITS - value.leading_zeros()) as usize + 1;
    bits.div_ceil(7)
}

fn write_varint(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &[u8] =
        b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x42\xff\xff\xff\xff\x02\x61\xa9\x58\
        \x49\x00\x10\x00\x00\x00\x01\x00\x00\x01\x9b\x8d\x2b\x8c\x00\x00\x00\x01\x9b\x8d\
        \x2b\x8c\x00\x00\x00\x00\x00\x00\x00\x00\x07\x00\x03\x00\x00\x00\x0b\x00\x00\x00\
        \x02\x10\x00\x00\x00\x02\x6b\x02\x76\x00\x0e\x00\x00\x02\x02\x6b\x01\x00";

    fn varint(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        write_varint(&mut out, value);
        out
    }

    #[test]
    fn numbers_are_zigzag_varints() {
        for (value, bytes) in [
            (0, &b"\x00"[..]),
            (-1, b"\x01"),
            (1, b"\x02"),
            (63, b"\x7e"),
            (64, b"\x80\x01"),
            (8_191, b"\xfe\x7f"),
            (8_192, b"\x80\x80\x01"),
        ] {
            assert_eq!(varint(value), bytes, "{value}");
        }
        for value in [0, 1, 63, 64, 8_191, 8_192, 1 << 20, 1 << 40] {
            assert_eq!(varint_bytes(value), varint(value as i64).len(), "{value}");
        }
    }

    #[test]
    fn a_batch_has_the_bytes_of_aiokafka_s_builder() {
        // python: DefaultRecordBatchBuilder(2, 0, 1, 7, 3, 11, 1000), records (b"k", b"v") and
        // (b"k", None) at 1767600000000
        let mut batches = Batches::new(1_767_600_000_000, 1_000);
        batches.append(Some(b"k"), Some(b"v"));
        batches.append(Some(b"k"), None);
        let mut found = batches.finish();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].count, 2);
        found[0].seal(7, 3, 11);
        assert_eq!(found[0].data, BUILT);
    }

    #[test]
    fn a_full_batch_is_followed_by_another() {
        let mut batches = Batches::new(0, HEAD_BYTES + 100);
        for size in [40, 40, 40, 500, 1] {
            batches.append(None, Some(&vec![7; size]));
        }
        let found = batches.finish();
        let counts: Vec<i32> = found.iter().map(|one| one.count).collect();
        assert_eq!(counts, [2, 1, 1, 1]);
        assert!(found
            .iter()
            .all(|one| one.data.len() < 161 || one.count == 1));
        assert!(Batches::new(0, 1_000).finish().is_empty());
    }
}
