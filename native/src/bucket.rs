//! One bucket of an account, as it is packed.

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
    /// Where `used` stands in the packed account.
    pub used_at: Range<usize>,
    pub arming: i64,
    expired: i64,
    rolled_over: i64,
}

impl Bucket<'_> {
    pub fn is_unlimited(&self) -> bool {
        self.kind == UNLIMITED
    }

    /// Whether a plan grants it anew in each cycle.
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
