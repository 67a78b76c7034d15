//! The messages of usage that crossed one threshold: the reminder and its audit record `fired`,
//! with the same JSON as the core.
//!
//! Only Python knows texts and zones. It teaches the words of a text, and the offset of a zone for
//! a day; only then are they used here. Until then, and for everything unusual, the result is
//! `None`: then Python makes the message. Unusual are several thresholds, opted-out categories, and
//! names with characters other than plain ASCII.

use std::collections::HashMap;

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};

use crate::account::Applied;
use crate::bucket::{read_bucket, Bucket};
use crate::calendar::write_number;
use crate::constants_generated::{DAY_MINUTES, DAY_MS, NEVER_MS};
use crate::json::Json;
use crate::msgpack::Reader;
use crate::outputs_generated::{
    Audited, Balance, BucketFigures, Cause, Reminder, Threshold, TELLS,
};
use crate::row::Row;
use crate::rows_generated::{account as at, ACCOUNT};
use crate::usage::Usage;
use crate::views_generated::{Rules, TaughtText};
use crate::words::{plain, About};

const HEX: &[u8; 16] = b"0123456789abcdef";
const MINUTE_MS: i64 = 60_000;
const MOST_TAUGHT: usize = 65_536;
/// For how many days words are kept per locale.
const MOST_DAYS: usize = 800;

/// The words and offsets that Python has taught.
#[derive(Default)]
pub struct Taught {
    /// By the account's locale and its local day: two texts of each rule, for buckets with bytes
    /// left and for empty ones.
    words: HashMap<Vec<u8>, HashMap<i64, Vec<Option<TaughtText>>>>,
    /// Offset of a zone during a UTC day, in milliseconds.
    offsets: HashMap<Vec<u8>, HashMap<i64, i64>>,
}

impl Taught {
    pub fn learn_words(
        &mut self,
        rule: usize,
        locale: &[u8],
        local_day: i64,
        is_empty: bool,
        words: TaughtText,
    ) {
        if self.words.len() >= MOST_TAUGHT {
            self.words.clear();
        }
        let of_locale = self.words.entry(locale.to_vec()).or_default();
        if of_locale.len() >= MOST_DAYS {
            of_locale.clear();
        }
        let of_day = of_locale.entry(local_day).or_default();
        let place = place_of(rule, is_empty);
        while of_day.len() <= place {
            of_day.push(None);
        }
        of_day[place] = Some(words);
    }

    pub fn learn_offset(&mut self, zone: &[u8], utc_day: i64, offset_ms: i64) {
        let of_zone = self.offsets.entry(zone.to_vec()).or_default();
        if of_zone.len() >= MOST_TAUGHT {
            of_zone.clear();
        }
        of_zone.insert(utc_day, offset_ms);
    }

    /// The words of a rule about a bucket, on a local day.
    fn words(
        &self,
        locale: &[u8],
        local_day: i64,
        rule: usize,
        bucket: &Bucket<'_>,
    ) -> Option<&TaughtText> {
        let of_day = self.words.get(locale)?.get(&local_day)?;
        of_day
            .get(place_of(rule, bucket.remaining() == 0))?
            .as_ref()
    }

    fn local_minute(&self, zone: &[u8], instant_ms: i64) -> Option<i64> {
        let offset_ms = self
            .offsets
            .get(zone)?
            .get(&instant_ms.div_euclid(DAY_MS))?;
        Some((instant_ms + offset_ms).div_euclid(MINUTE_MS))
    }
}

/// The position of a rule's words among those of a day.
fn place_of(rule: usize, is_empty: bool) -> usize {
    2 * rule + usize::from(is_empty)
}

/// The input record of the usage.
pub struct Origin<'a> {
    pub topic: &'a str,
    pub partition: i64,
    pub offset: i64,
}

/// The fields that are read from the packed account after the usage.
struct Standing<'a> {
    zone: &'a [u8],
    locale: &'a [u8],
    cycle_start_ms: i64,
    cycle_end_ms: i64,
    /// The bucket in which a threshold was crossed.
    crossed: Bucket<'a>,
    all: Balance,
}

impl<'a> Standing<'a> {
    /// None if the account has opted out of any category.
    fn read(account: &'a [u8], position: usize) -> Option<Self> {
        let mut reader = Reader::new(account);
        let mut row = Row::begin(&mut reader, &ACCOUNT)?;
        row.to(&mut reader, at::TIME_ZONE)?;
        let zone = reader.string()?;
        row.to(&mut reader, at::LOCALE)?;
        let locale = reader.string()?;
        row.to(&mut reader, at::CYCLE_START_MS)?;
        let cycle_start_ms = reader.integer()?;
        row.to(&mut reader, at::CYCLE_END_MS)?;
        let cycle_end_ms = reader.integer()?;
        let mut all = Balance {
            granted_bytes: 0,
            used_bytes: 0,
            remaining_bytes: 0,
            overage_bytes: 0,
        };
        let mut crossed = None;
        row.to(&mut reader, at::BUCKETS)?;
        for place in 0..reader.array()? {
            let bucket = read_bucket(&mut reader)?;
            all.granted_bytes += bucket.granted;
            all.used_bytes += bucket.used;
            all.remaining_bytes += bucket.remaining();
            if place == position {
                crossed = Some(bucket);
            }
        }
        row.to(&mut reader, at::OVERAGE_BYTES)?;
        all.overage_bytes = reader.integer()?;
        row.to(&mut reader, at::OPTED_OUT)?;
        if reader.array()? != 0 {
            return None;
        }
        Some(Standing {
            zone,
            locale,
            cycle_start_ms,
            cycle_end_ms,
            crossed: crossed?,
            all,
        })
    }
}

/// The reminder and its audit record; `account` is the packed account after the usage.
pub fn tell(
    account: &[u8],
    usage: &Usage<'_>,
    applied: &Applied,
    origin: &Origin<'_>,
    rules: &Rules,
    taught: &Taught,
) -> Option<(Vec<u8>, Vec<u8>)> {
    if !TELLS {
        return None;
    }
    let &[(position, used_before)] = applied.crossed.as_slice() else {
        return None;
    };
    let Standing {
        zone,
        locale,
        cycle_start_ms,
        cycle_end_ms,
        crossed: bucket,
        all,
    } = Standing::read(account, position)?;
    let (number, rule, value) = rules.only_crossing(&bucket, used_before)?;
    let as_of_ms = applied.as_of_ms;
    let minute = taught.local_minute(zone, as_of_ms)?;
    let words = taught.words(locale, minute.div_euclid(DAY_MINUTES), number, &bucket)?;
    let about = About {
        kind: plain(bucket.kind)?,
        source: plain(bucket.source)?,
        granted: bucket.granted,
        used: bucket.used,
        remaining: bucket.remaining(),
        overage: all.overage_bytes,
    };
    let text = words.fill(&about, rule, value, minute)?;
    let (encoding, segments) = words.segments(&text);
    let (subscriber, bucket_id) = (plain(usage.subscriber)?, plain(bucket.id)?);
    let id = reminder_id(
        &rules.id_key,
        subscriber,
        &rule.id,
        cycle_start_ms,
        bucket_id,
        value,
        bucket.arming,
    );
    let cause = || {
        Some(Cause {
            event_id: plain(usage.id)?,
            source: plain(usage.source)?,
            topic: plain(origin.topic.as_bytes())?,
            partition: origin.partition,
            offset: origin.offset,
        })
    };
    let reminder = Reminder {
        id: &id,
        kind: &rule.kind,
        rule: &rule.name,
        subscriber,
        buckets: BucketFigures {
            id: bucket_id,
            kind: about.kind,
            granted_bytes: about.granted,
            used_bytes: about.used,
            remaining_bytes: about.remaining,
            expires_time: (bucket.expires_ms < NEVER_MS).then_some(bucket.expires_ms),
        },
        threshold: Threshold {
            unit: &rule.unit,
            value,
        },
        cycle_start: cycle_start_ms,
        cycle_end: cycle_end_ms,
        used_bytes: about.used,
        granted_bytes: about.granted,
        remaining_bytes: about.remaining,
        overage_bytes: about.overage,
        as_of: as_of_ms,
        locale: &words.locale,
        text: &text,
        encoding,
        segments,
        category: &rule.category,
        priority: rule.priority,
        mandatory: rule.mandatory,
        not_before: as_of_ms,
        expires_time: as_of_ms.checked_add(rule.ttl_ms)?,
        cause: cause()?,
        severity: &rule.severity,
    };
    let taken = usage.used_bytes - applied.overage_bytes;
    let audit = Audited {
        subscriber,
        time: as_of_ms,
        cause: cause()?,
        rule: &rule.name,
        bucket: bucket_id,
        threshold: value,
        category: &rule.category,
        before: Balance {
            granted_bytes: all.granted_bytes,
            used_bytes: all.used_bytes - taken,
            remaining_bytes: all.remaining_bytes + taken,
            overage_bytes: all.overage_bytes - applied.overage_bytes,
        },
        after: all,
        reminder: &id,
    };
    Some((
        written(|json| reminder.write(json)),
        written(|json| audit.write(json)),
    ))
}

fn written(write: impl FnOnce(&mut Json)) -> Vec<u8> {
    let mut json = Json::default();
    write(&mut json);
    json.out
}

/// The same id in every run; see `record_id` of `streamproc.core.state.effects`.
fn reminder_id(
    id_key: &str,
    subscriber: &str,
    rule: &str,
    cycle_start_ms: i64,
    bucket_id: &str,
    value: i64,
    arming: i64,
) -> String {
    let mut reason = Vec::with_capacity(192);
    if !id_key.is_empty() {
        reason.extend_from_slice(id_key.as_bytes());
        reason.push(0);
    }
    reason.extend_from_slice(subscriber.as_bytes());
    reason.push(0);
    reason.extend_from_slice(rule.as_bytes());
    reason.push(0);
    write_number(&mut reason, cycle_start_ms);
    reason.push(0);
    reason.extend_from_slice(bucket_id.as_bytes());
    reason.push(b'/');
    write_number(&mut reason, value);
    reason.push(b'/');
    write_number(&mut reason, arming);
    let mut id = String::with_capacity(32);
    for byte in Blake2b::<U16>::digest(&reason) {
        for half in [byte >> 4, byte & 15] {
            id.push(char::from(HEX[usize::from(half)]));
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_core_s() {
        // python: record_id("", "8613800000001", "low", "1767600000000", "b/80/2")
        assert_eq!(
            reminder_id("", "8613800000001", "low", 1_767_600_000_000, "b", 80, 2),
            "ccdd62200b93cf764685f64febf55dd2"
        );
        // python: record_id("a secret key", "8613800000001", "low", "1767600000000", "b/80/2")
        assert_eq!(
            reminder_id(
                "a secret key",
                "8613800000001",
                "low",
                1_767_600_000_000,
                "b",
                80,
                2
            ),
            "f469f23a80fd62c6c504e88a159e702b"
        );
    }

    #[test]
    fn offsets_hold_for_their_zone_and_day_only() {
        let mut taught = Taught::default();
        taught.learn_offset(b"Asia/Shanghai", 1, 8 * 3_600_000);
        assert_eq!(
            taught.local_minute(b"Asia/Shanghai", DAY_MS),
            Some(DAY_MINUTES + 480)
        );
        assert_eq!(taught.local_minute(b"Asia/Shanghai", DAY_MS - 1), None);
        assert_eq!(taught.local_minute(b"Asia/Shanghai", 2 * DAY_MS), None);
        assert_eq!(taught.local_minute(b"Europe/Rome", DAY_MS), None);
    }

    #[test]
    fn words_are_kept_by_rule_and_for_a_bounded_number_of_days() {
        let mut taught = Taught::default();
        taught.learn_words(1, b"en", 0, true, TaughtText::default());
        let of_day = &taught.words[&b"en"[..]][&0];
        let known: Vec<bool> = of_day.iter().map(Option::is_some).collect();
        assert_eq!(known, [false, false, false, true]);
        for day in 1..2 * MOST_DAYS as i64 {
            taught.learn_words(0, b"en", day, false, TaughtText::default());
        }
        assert!(taught.words[&b"en"[..]].len() <= MOST_DAYS);
    }
}
