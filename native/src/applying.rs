//! One record applied to one row.

use std::io::Write;

use xxhash_rust::xxh3::xxh3_64;

use crate::account::{self, Applied};
use crate::constants_generated::DUE_BYTES;
use crate::usage::{self, Usage};
use crate::views_generated::Rules;

/// Apply the usage in a record's value to a row (its due instant and the packed account), of which
/// the new one is appended to `out`. None: not plain.
///
/// `name` is space to work in.
pub fn apply<'a>(
    rules: &Rules,
    value: &'a [u8],
    key: &[u8],
    before: &[u8],
    received_ms: i64,
    name: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> Option<(Usage<'a>, Applied)> {
    let usage = usage::parse(value)?;
    let now_ms = usage.time_ms.max(received_ms);
    let due_ms = i64::from_be_bytes(before.get(..DUE_BYTES)?.try_into().ok()?);
    if usage.subscriber != key
        || usage.time_ms > received_ms.checked_add(rules.max_ahead_ms)?
        || usage.time_ms < received_ms.checked_sub(rules.max_age_ms)?
        || usage.used_bytes > rules.max_event_bytes
        || now_ms >= due_ms
    {
        return None;
    }
    name.clear();
    write!(name, "{}:", usage.source.len()).ok()?;
    name.extend_from_slice(usage.source);
    name.extend_from_slice(usage.id);
    let id = xxh3_64(name).to_be_bytes();
    out.extend_from_slice(&before[..DUE_BYTES]);
    let account = &before[DUE_BYTES..];
    let applied = account::apply(account, &usage, received_ms, id, rules, out)?;
    Some((usage, applied))
}
