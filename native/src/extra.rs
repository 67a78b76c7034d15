//! The rarely used state of an account, if usage changes only windows of velocity rules and the
//! time of the last use.
//!
//! The list of fields is generated. A field that this release does not know is not plain.

use crate::bucket::{read_bucket, Bucket};
use crate::msgpack::{write_natural, Reader, NIL};
use crate::row::Row;
use crate::rows_generated::{remembered_threshold, RareState, REMEMBERED_THRESHOLD};
use crate::speed::{speed_up, Sped};
use crate::usage::Usage;
use crate::views_generated::{Rules, Tracked};

/// The parts of the account that the rarely used state depends on.
pub struct Around<'a> {
    pub usage: &'a Usage<'a>,
    pub received_ms: i64,
    pub activated_ms: i64,
    /// All work due up to this instant is done.
    pub clock_ms: i64,
    /// Position of the live buckets in `out`, as they are after the usage.
    pub buckets_at: usize,
}

/// Read the rarely used state and append it to `out` as it is after the usage. Watch rules, alarms
/// and inactivity rules must have no message then. Returns whether there is such state.
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
        match RareState::of(reader.string()?)? {
            RareState::Alarms => {
                alarms = Some(reader.at);
                reader.skip()?;
            }
            RareState::Speeds => {
                out.extend_from_slice(&reader.data[copied..reader.at]);
                speeds(reader, around.usage, rules, &mut sped, out)?;
                copied = reader.at;
            }
            RareState::UsedMs => {
                let Some(silent_ms) = watch.surely_silent_ms else {
                    reader.skip()?;
                    continue;
                };
                out.extend_from_slice(&reader.data[copied..reader.at]);
                let used_ms = reader.natural()?;
                let since_ms = used_ms.max(around.activated_ms).checked_add(silent_ms)?;
                if around.clock_ms >= since_ms {
                    return None; // an inactivity reminder may be due earlier than the account
                }
                write_natural(out, used_ms.max(around.usage.time_ms));
                copied = reader.at;
                is_noted = true;
            }
            RareState::BoundaryMs => {
                if around.usage.time_ms < reader.natural()? {
                    return None; // late: later usage may have to move
                }
            }
            RareState::Carried => reader.skip()?,
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

/// The windows of velocity rules, in their order.
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

/// An alarm that was sent and whose threshold is still reached. None: not certain.
fn is_at_rest(
    reader: &mut Reader<'_>,
    around: &Around<'_>,
    rules: &Rules,
    sped: &[Option<Sped>],
    buckets: &[u8],
) -> Option<()> {
    let mut row = Row::begin(reader, &REMEMBERED_THRESHOLD)?;
    row.to(reader, remembered_threshold::RULE)?;
    let rule = std::str::from_utf8(reader.string()?).ok()?;
    row.to(reader, remembered_threshold::BUCKET)?;
    let bucket = reader.string()?;
    row.to(reader, remembered_threshold::THRESHOLD)?;
    let threshold = reader.integer()?;
    row.to(reader, remembered_threshold::IS_TOLD)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rules;
    use crate::views_generated::Speed;

    const USAGE: Usage<'_> = Usage {
        id: b"u",
        source: b"s",
        subscriber: b"k",
        time_ms: 5_000,
        used_bytes: 10,
        rating_group: 0,
        roaming_zone: b"home",
    };
    /// One bucket `b` of 1000 bytes, 900 of them used.
    const BUCKETS: &[u8] =
        b"\x91\x9b\xa1b\xa9allowance\xa4data\x0a\x00\xcd\xff\xff\xcd\x03\xe8\xcd\x03\x84\x00\x00\x00";

    /// The state after the usage, and whether there is any. None: not plain.
    fn after(state: &[u8], rules: &Rules) -> Option<(Vec<u8>, bool)> {
        let around = Around {
            usage: &USAGE,
            received_ms: 5_000,
            activated_ms: 0,
            clock_ms: 4_000,
            buckets_at: 0,
        };
        let mut out = BUCKETS.to_vec();
        let mut reader = Reader::new(state);
        let is_any = copy(&mut reader, &around, rules, &mut out)?;
        assert_eq!(reader.at, state.len());
        Some((out.split_off(BUCKETS.len()), is_any))
    }

    fn of_uses() -> Rules {
        let mut rules = rules();
        rules.watch.surely_silent_ms = Some(3_000);
        rules
    }

    fn of_speed(threshold: i64) -> Rules {
        let mut rules = rules();
        rules.watch.speeds = vec![Speed {
            key: "fast".into(),
            slot_ms: 1_000,
            slots: 10,
            thresholds: vec![threshold],
        }];
        rules
    }

    #[test]
    fn no_state_stays_none_unless_usage_begins_it() {
        assert_eq!(after(b"\xc0", &rules()), Some((b"\xc0".to_vec(), false)));
        assert_eq!(after(b"\xc0", &of_uses()), None);
        assert_eq!(after(b"\xc0", &of_speed(1_000)), None);
    }

    #[test]
    fn fields_that_are_known_are_carried_and_others_are_not_plain() {
        let known = b"\x82\xa9questions\x90\xa6listed\x91\xa1x";
        assert_eq!(after(known, &rules()), Some((known.to_vec(), true)));
        assert_eq!(after(b"\x81\xa6colour\xa3red", &rules()), None);
        assert_eq!(after(b"\x81\xaeown_thresholds\x80", &rules()), None);
    }

    #[test]
    fn a_use_is_noted_where_somebody_asks_for_silences() {
        let state = b"\x81\xa7used_ms\xcd\x0f\xa0"; // 4000
        let noted = b"\x81\xa7used_ms\xcd\x13\x88"; // 5000
        assert_eq!(after(state, &rules()), Some((state.to_vec(), true)));
        assert_eq!(after(state, &of_uses()), Some((noted.to_vec(), true)));
        let long_ago = b"\x81\xa7used_ms\xcd\x03\xe8"; // 1000: at 4000 an inactivity rule may fire
        assert_eq!(after(long_ago, &of_uses()), None);
        assert_eq!(after(b"\x80", &of_uses()), None, "the first use");
    }

    #[test]
    fn usage_from_before_a_purchase_is_not_plain() {
        let bought = |at: &[u8]| [b"\x81\xabboundary_ms", at].concat();
        let before = bought(b"\xcd\x13\x88"); // 5000, when the usage happened
        assert_eq!(after(&before, &rules()), Some((before.clone(), true)));
        assert_eq!(after(&bought(b"\xcd\x13\x89"), &rules()), None);
    }

    #[test]
    fn windows_slide_until_a_threshold_is_reached() {
        let state = b"\x81\xa6speeds\x82\xa4fast\x92\x04\x07\xa3old\x90";
        let slid = b"\x81\xa6speeds\x82\xa4fast\x94\x04\x07\x05\x0a\xa3old\x90";
        assert_eq!(after(state, &of_speed(18)), Some((slid.to_vec(), true)));
        assert_eq!(after(state, &of_speed(17)), None);
        assert_eq!(
            after(state, &of_speed(7)),
            Some((slid.to_vec(), true)),
            "reached before"
        );
    }

    #[test]
    fn an_alarm_rests_while_its_threshold_is_reached() {
        let mut rules = rules();
        let tracked = Tracked {
            valid_until_ms: i64::MAX,
            thresholds: vec![80],
            number: Some(0),
            ..Tracked::default()
        };
        rules.tracked.insert("low".into(), tracked);
        let alarm = |rule: &str, threshold: u8, told: u8| {
            let mut state = b"\x81\xa6alarms\x91\x95\xa3".to_vec();
            state.extend_from_slice(rule.as_bytes());
            state.extend_from_slice(&[0xa1, b'b', threshold, 0x01, told]);
            state
        };
        let at_rest = alarm("low", 80, 0xc3);
        assert_eq!(after(&at_rest, &rules), Some((at_rest.clone(), true)));
        assert_eq!(after(&alarm("low", 80, 0xc2), &rules), None, "not told yet");
        assert_eq!(
            after(&alarm("low", 90, 0xc3), &rules),
            None,
            "no such threshold"
        );
        assert_eq!(after(&alarm("new", 80, 0xc3), &rules), None, "no such rule");
        rules.tracked.get_mut("low").unwrap().valid_until_ms = 5_000;
        assert_eq!(after(&at_rest, &rules), None, "it ended");
    }
}
