//! Applies one usage event to one packed account, if the usage is plain.
//!
//! The account must be active, scheduled with the present rules, and have a plan without tariffs or
//! policies. The usage must belong to the present cycle. It must not be late or too large. It must
//! not meet a bucket that has ended since, that is unlimited, or that is limited to
//! some hours.
//!
//! Then only these fields change: used bytes of buckets, overage, charged bytes, and the rarely used
//! state that `extra` knows. All other bytes are copied.
//! `None` means: not plain, nothing was changed.
//!
//! A crossed threshold is plain only under rules whose messages change no account, and in accounts
//! without rarely used state. Then the core must make the message (`Applied::crossed`).

use crate::bucket::read_bucket;
use crate::constants_generated::{ACTIVE, STATE_VERSION};
use crate::extra;
use crate::msgpack::{write_natural, Reader};
use crate::row::Row;
use crate::rows_generated::{account as at, ACCOUNT};
use crate::usage::Usage;
use crate::views_generated::Rules;
use crate::watching::Figures;

/// The result of usage that was applied.
pub struct Applied {
    /// The instant of the figures: the arrival of the event, or the account's clock if that is
    /// later.
    pub as_of_ms: i64,
    pub overage_bytes: i64,
    /// Positions of the buckets whose thresholds were crossed, with their used bytes before.
    pub crossed: Vec<(usize, i64)>,
}

/// The packed account after the event is appended to `out`.
pub fn apply(
    account: &[u8],
    usage: &Usage<'_>,
    received_ms: i64,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> Option<Applied> {
    let mut reader = Reader::new(account);
    let mut row = Row::begin(&mut reader, &ACCOUNT)?;
    row.to(&mut reader, at::VERSION)?;
    if reader.integer()? != STATE_VERSION {
        return None;
    }
    row.to(&mut reader, at::STATUS)?;
    if reader.integer()? != ACTIVE {
        return None;
    }
    row.to(&mut reader, at::PLAN)?;
    if rules.is_special(reader.string()?) {
        return None;
    }
    row.to(&mut reader, at::ACTIVATED_MS)?;
    let activated_ms = reader.integer()?;
    row.to(&mut reader, at::CYCLE_START_MS)?;
    let cycle_start_ms = reader.integer()?;
    if usage.time_ms < activated_ms || usage.time_ms < cycle_start_ms {
        return None;
    }

    row.to(&mut reader, at::BUCKETS)?;
    let mut rest = usage.used_bytes;
    let mut copied = 0;
    let mut crossed = Vec::new();
    let mut figures = Figures::default();
    let (account_at, buckets_at) = (out.len(), reader.at);
    for position in 0..reader.array()? {
        let charged = charge(
            &mut reader,
            &mut copied,
            usage,
            rest,
            rules,
            &mut figures,
            out,
        )?;
        rest = charged.rest;
        if let Some(used_before) = charged.crossed_from {
            crossed.push((position, used_before));
        }
    }
    row.to(&mut reader, at::OVERAGE_BYTES)?;
    let overage_bytes = natural(&mut reader, account, &mut copied, out)?;
    write_natural(out, overage_bytes.checked_add(rest)?);
    figures.add_overage(overage_bytes, rest)?;
    copied = reader.at;
    row.to(&mut reader, at::CHARGED_BYTES)?;
    let charged_bytes = natural(&mut reader, account, &mut copied, out)?;
    write_natural(out, charged_bytes.checked_add(usage.used_bytes)?);
    copied = reader.at;
    row.to(&mut reader, at::HISTORY)?;
    let history = &account[reader.at..];
    reader.skip()?;

    row.to(&mut reader, at::CLOCK_MS)?;
    let clock_ms = reader.integer()?;
    row.to(&mut reader, at::RULES_ID)?;
    if reader.integer()? != rules.fingerprint {
        return None;
    }
    row.to(&mut reader, at::ENDED)?;
    for _ in 0..reader.array()? {
        let ended = read_bucket(&mut reader)?;
        if ended.is_valid(usage.time_ms) {
            return None; // late usage could be charged to it
        }
        if ended.is_of_plan() {
            figures.add_used(ended.used, 0)?;
        }
    }
    if !rules.watch.is_silent(&figures, history, activated_ms)? {
        return None;
    }
    if rules.watch.of_uncovered && figures.has_overage() {
        // A rule may report this usage separately. What is left was bought after the usage: then
        // the message is about the instant of the purchase.
        if figures.is_ordinary_left() || !rules.is_for_home_data(usage)? {
            return None;
        }
    }
    row.to(&mut reader, at::EXTRA)?;
    out.extend_from_slice(&account[copied..reader.at]);
    let around = extra::Around {
        usage,
        received_ms,
        activated_ms,
        clock_ms,
        buckets_at: account_at + buckets_at,
    };
    let is_special = extra::copy(&mut reader, &around, rules, out)?;
    copied = reader.at;
    row.end(&mut reader)?;
    out.extend_from_slice(&account[copied..reader.at]);
    if reader.at != account.len() || (is_special && !crossed.is_empty()) {
        return None;
    }
    Some(Applied {
        as_of_ms: received_ms.max(clock_ms),
        overage_bytes: rest,
        crossed,
    })
}

/// Copy everything up to the next number, and read that number.
fn natural(
    reader: &mut Reader<'_>,
    account: &[u8],
    copied: &mut usize,
    out: &mut Vec<u8>,
) -> Option<i64> {
    out.extend_from_slice(&account[*copied..reader.at]);
    *copied = reader.at;
    reader.natural()
}

struct Charged {
    rest: i64,
    /// The used bytes before, if the usage crossed a threshold.
    crossed_from: Option<i64>,
}

/// Charge one bucket. None if a threshold is crossed and that is not plain.
fn charge(
    reader: &mut Reader<'_>,
    copied: &mut usize,
    usage: &Usage<'_>,
    rest: i64,
    rules: &Rules,
    figures: &mut Figures,
    out: &mut Vec<u8>,
) -> Option<Charged> {
    let account = reader.data;
    let bucket = read_bucket(reader)?;
    if bucket.is_unlimited() {
        return None;
    }
    let (used, remaining) = (bucket.used, bucket.remaining());
    let is_ordinary = rules.is_ordinary(bucket.source)?;
    let is_chargeable = rest > 0 && remaining > 0 && bucket.is_valid(usage.time_ms);
    if !is_chargeable || !rules.covers(bucket.source, usage)? {
        figures.add_live(remaining, used, 0, bucket.is_of_plan(), is_ordinary)?;
        return Some(Charged {
            rest,
            crossed_from: None,
        });
    }
    let take = rest.min(remaining);
    let crosses = rules.crosses(&bucket, used + take)?;
    if crosses && !rules.only_told {
        return None;
    }
    figures.add_live(remaining, used, take, bucket.is_of_plan(), is_ordinary)?;
    out.extend_from_slice(&account[*copied..bucket.used_at.start]);
    write_natural(out, used + take);
    *copied = bucket.used_at.end;
    Some(Charged {
        rest: rest - take,
        crossed_from: crosses.then_some(used),
    })
}
