//! One bucket of a packed account.

use std::ops::Range;

use crate::constants_generated::{ALLOWANCE, UNLIMITED};
use crate::msgpack::Reader;
use crate::row::Row;
use crate::rows_generated::{bucket, BUCKET};

/// One bucket of an account.
pub struct Bucket<'a> {
    pub id: &'a [u8],
    pub kind: &'a [u8],
    pub source: &'a [u8],
    granted_ms: i64,
    pub expires_ms: i64,
    pub granted: i64,
    pub used: i64,
    /// Position of the used bytes in the packed account.
    pub used_at: Range<usize>,
    pub arming: i64,
    expired: i64,
    rolled_over: i64,
}

impl Bucket<'_> {
    pub fn is_unlimited(&self) -> bool {
        self.kind == UNLIMITED
    }

    /// Whether a plan grants it in each new cycle.
    pub fn is_of_plan(&self) -> bool {
        self.kind == ALLOWANCE || self.is_unlimited()
    }

    pub fn remaining(&self) -> i64 {
        self.granted - self.used - self.expired - self.rolled_over
    }

    pub fn is_valid(&self, time_ms: i64) -> bool {
        self.granted_ms <= time_ms && time_ms < self.expires_ms
    }
}

pub fn read_bucket<'a>(reader: &mut Reader<'a>) -> Option<Bucket<'a>> {
    let mut row = Row::begin(reader, &BUCKET)?;
    row.to(reader, bucket::ID)?;
    let id = reader.string()?;
    row.to(reader, bucket::KIND)?;
    let kind = reader.string()?;
    row.to(reader, bucket::SOURCE)?;
    let source = reader.string()?;
    row.to(reader, bucket::GRANTED_MS)?;
    let granted_ms = reader.integer()?;
    row.to(reader, bucket::EXPIRES_MS)?;
    let expires_ms = reader.integer()?;
    row.to(reader, bucket::GRANTED_BYTES)?;
    let granted = reader.integer()?;
    row.to(reader, bucket::USED_BYTES)?;
    let used_from = reader.at;
    let used = reader.integer()?;
    let used_at = used_from..reader.at;
    row.to(reader, bucket::ARMING)?;
    let arming = reader.integer()?;
    row.to(reader, bucket::EXPIRED_BYTES)?;
    let expired = reader.integer()?;
    row.to(reader, bucket::ROLLED_OVER_BYTES)?;
    let rolled_over = reader.integer()?;
    row.end(reader)?;
    Some(Bucket {
        id,
        kind,
        source,
        granted_ms,
        expires_ms,
        granted,
        used,
        used_at,
        arming,
        expired,
        rolled_over,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bucket `b`: granted 1000 at 10, until 20; used 300, expired 1, rolled over 2.
    const ROW: &[u8] =
        b"\x9b\xa1b\xa9allowance\xa4data\x05\x0a\x14\xcd\x03\xe8\xcd\x01\x2c\x07\x01\x02";

    #[test]
    fn every_field_stands_at_its_place() {
        let mut reader = Reader::new(ROW);
        let found = read_bucket(&mut reader).unwrap();
        assert_eq!(
            (found.id, found.kind, found.source),
            (&b"b"[..], ALLOWANCE, &b"data"[..])
        );
        assert_eq!((found.granted, found.used, found.arming), (1_000, 300, 7));
        assert_eq!(found.remaining(), 697);
        assert_eq!(&ROW[found.used_at.clone()], b"\xcd\x01\x2c");
        assert_eq!(reader.at, ROW.len());
        assert!(found.is_of_plan() && !found.is_unlimited());
    }

    #[test]
    fn it_is_valid_from_its_grant_to_before_its_end() {
        let found = read_bucket(&mut Reader::new(ROW)).unwrap();
        assert_eq!(
            [9, 10, 19, 20].map(|at| found.is_valid(at)),
            [false, true, true, false]
        );
    }

    #[test]
    fn a_cut_bucket_is_none() {
        for end in 0..ROW.len() {
            assert!(
                read_bucket(&mut Reader::new(&ROW[..end])).is_none(),
                "cut at {end}"
            );
        }
    }
}
