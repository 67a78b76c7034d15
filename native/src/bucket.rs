//! One bucket of an account, as it is packed.

use std::ops::Range;

use crate::msgpack::Reader;

const BUCKET_FIELDS: usize = 11;
const ALLOWANCE: &[u8] = b"allowance";
const UNLIMITED: &[u8] = b"unlimited";

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
    if reader.array()? != BUCKET_FIELDS {
        return None;
    }
    let (id, kind, source) = (reader.string()?, reader.string()?, reader.string()?);
    reader.skip()?; // priority
    let (granted_ms, expires_ms) = (reader.integer()?, reader.integer()?);
    let granted = reader.integer()?;
    let used_from = reader.at;
    let used = reader.integer()?;
    let used_at = used_from..reader.at;
    Some(Bucket {
        id,
        kind,
        source,
        granted_ms,
        expires_ms,
        granted,
        used,
        used_at,
        arming: reader.integer()?,
        expired: reader.integer()?,
        rolled_over: reader.integer()?,
    })
}
