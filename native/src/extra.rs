//! The rarely used state of an account, where usage touches no more of it than windows of
//! velocity rules and the time of the last use.
//!
//! Which fields there are is generated: one that this release does not know is not plain.

use crate::bucket::{read_bucket, Bucket};
use crate::msgpack::{write_natural, Reader, NIL};
use crate::row::Row;
use crate::rows_generated::{alarm, Extra, ALARM};
use crate::speed::{speed_up, Sped};
use crate::usage::Usage;
use crate::views_generated::{Rules, Tracked};

/// What of the account bears on its rarely used state.
pub struct Around<'a> {
    pub usage: &'a Usage<'a>,
    pub received_ms: i64,
    pub activated_ms: i64,
    /// Everything due up to here has been done.
    pub clock_ms: i64,
    /// Where the live buckets stand in `out`, as they are after the usage.
    pub buckets_at: usize,
}

/// Read the rarely used state and append it to `out` as it is after the usage, of which watch
/// rules, alarms and silences have nothing to say. Returns whether there is any.
pub fn copy(
    reader: &mut Reader<'_>,
    around: &Around<'_>,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> Option<bool> {
    let watch = &rules.watch;
    if *reader.data.get(reader.at)? == NIL {
        reader.skip()?;
        out.push(NIL);
        let begins = !watch.speeds.is_empty() || watch.surely_silent_ms.is_some();
        return (!begins).then_some(false);
    }
    let mut copied = reader.at;
    let mut alarms = None;
    let mut sped: Vec<Option<Sped>> = vec![None; watch.speeds.len()];
    let mut is_noted = watch.surely_silent_ms.is_none();
    for _ in 0..reader.map()? {
        match Extra::of(reader.string()?)? {
            Extra::Alarms => {
                alarms = Some(reader.at);
                reader.skip()?;
            }
            Extra::Speeds => {
                out.extend_from_slice(&reader.data[copied..reader.at]);
                speeds(reader, around.usage, rules, &mut sped, out)?;
                copied = reader.at;
            }
            Extra::UsedMs => {
                let Some(silent_ms) = watch.surely_silent_ms else {
                    reader.skip()?;
                    continue;
                };
                out.extend_from_slice(&reader.data[copied..reader.at]);
                let used_ms = reader.natural()?;
                let since_ms = used_ms.max(around.activated_ms).checked_add(silent_ms)?;
                if around.clock_ms >= since_ms {
                    return None; // silences may be told of earlier than it is due
                }
                write_natural(out, used_ms.max(around.usage.time_ms));
                copied = reader.at;
                is_noted = true;
            }
            Extra::Carried => reader.skip()?,
        }
    }
    out.extend_from_slice(&reader.data[copied..reader.at]);
    if !is_noted || sped.iter().any(Option::is_none) {
        return None; // the first use of its kind
    }
    if let Some(at) = alarms {
        let mut alarms = Reader::new(reader.data);
        alarms.at = at;
        for _ in 0..alarms.array()? {
            is_at_rest(&mut alarms, around, rules, &sped, &out[around.buckets_at..])?;
        }
    }
    Some(true)
}

/// The windows of velocity rules, in the order in which they stand.
fn speeds(
    reader: &mut Reader<'_>,
    usage: &Usage<'_>,
    rules: &Rules,
    sped: &mut [Option<Sped>],
    out: &mut Vec<u8>,
) -> Option<()> {
    let known = &rules.watch.speeds;
    let mut copied = reader.at;
    for _ in 0..reader.map()? {
        let key = reader.string()?;
        let Some(number) = known.iter().position(|one| one.key.as_bytes() == key) else {
            reader.skip()?;
            continue;
        };
        out.extend_from_slice(&reader.data[copied..reader.at]);
        let found = speed_up(reader, &known[number], usage.time_ms, usage.used_bytes, out)?;
        if known[number].is_reached(found.before, found.after) {
            return None;
        }
        sped[number] = Some(found);
        copied = reader.at;
    }
    out.extend_from_slice(&reader.data[copied..reader.at]);
    Some(())
}

/// An alarm that was told of, and whose threshold is still reached. None: not surely.
fn is_at_rest(
    reader: &mut Reader<'_>,
    around: &Around<'_>,
    rules: &Rules,
    sped: &[Option<Sped>],
    buckets: &[u8],
) -> Option<()> {
    let mut row = Row::begin(reader, &ALARM)?;
    row.to(reader, alarm::RULE)?;
    let rule = std::str::from_utf8(reader.string()?).ok()?;
    row.to(reader, alarm::BUCKET)?;
    let bucket = reader.string()?;
    row.to(reader, alarm::THRESHOLD)?;
    let threshold = reader.integer()?;
    row.to(reader, alarm::IS_TOLD)?;
    let is_told = reader.truth()?;
    row.end(reader)?;
    let rule: &Tracked = rules.tracked.get(rule)?;
    let at_ms = around.received_ms.max(around.clock_ms);
    if !is_told || !rule.is_valid(at_ms) {
        return None;
    }
    let place = rule.thresholds.iter().position(|one| *one == threshold)?;
    let holds = if let Some(number) = rule.speed {
        let found = sped.get(number).copied().flatten()?;
        let level = threshold.checked_sub(rule.hysteresis)?.max(1);
        found.before >= level && found.after >= level
    } else {
        let found = bucket_of(buckets, bucket)?;
        rules
            .thresholds
            .get(rule.number?)?
            .holds(place, rule.hysteresis, &found)?
    };
    holds.then_some(())
}

fn bucket_of<'a>(buckets: &'a [u8], id: &[u8]) -> Option<Bucket<'a>> {
    let mut reader = Reader::new(buckets);
    for _ in 0..reader.array()? {
        let bucket = read_bucket(&mut reader)?;
        if bucket.id == id {
            return Some(bucket);
        }
    }
    None
}
