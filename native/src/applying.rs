//! Applies one record to one row.

use crate::account::{self, Applied};
use crate::calendar::write_number;
use xxhash_rust::xxh3::xxh3_64;

use crate::constants_generated::{DUE_BYTES, LONGEST_KEY_BYTES, SHORTEST_KEY_BYTES};
use crate::ids::SeenIds;
use crate::usage::{self, Usage};
use crate::views_generated::Rules;

/// Apply the usage in a record to a row (its due instant and the packed account); the new row is
/// appended to `out`, and `ids` remembers the event. None: not plain.
///
/// `name` is a buffer that is reused.
#[allow(clippy::too_many_arguments)]
pub fn apply<'a>(
    rules: &Rules,
    ids: &mut SeenIds,
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
        || !is_plain_key(key, rules.only_numbers)
        || usage.time_ms > received_ms.checked_add(rules.max_ahead_ms)?
        || usage.used_bytes > rules.max_event_bytes
        || now_ms >= due_ms
    {
        return None;
    }
    let max_age_ms = rules.max_age_of(usage.source);
    let digest = ids.digest(name_of(key, &usage, name)?);
    if usage.time_ms < received_ms.checked_sub(max_age_ms)?
        || usage.time_ms < ids.forgotten_ms().checked_sub(max_age_ms)?
        || usage.time_ms < ids.unsure_until_ms()
        || ids.is_seen(digest, received_ms)
    {
        return None;
    }
    if received_ms < ids.old_until_ms() {
        let digest = ids.digest(old_name_of(key, &usage, name)?);
        if ids.is_seen(digest, received_ms) {
            return None;
        }
    }
    out.extend_from_slice(&before[..DUE_BYTES]);
    let account = &before[DUE_BYTES..];
    let applied = account::apply(account, &usage, received_ms, rules, out)?;
    let until_ms = received_ms
        .checked_add(max_age_ms)?
        .checked_add(rules.max_ahead_ms)?
        .max(ids.forgotten_ms());
    ids.remember(digest, received_ms, until_ms)?;
    Some((usage, applied))
}

/// What identifies an event, as `name_of` of `streamproc.core.usage.dedupe` makes it.
fn name_of<'a>(key: &[u8], usage: &Usage<'_>, name: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    name.clear();
    write_length(name, key);
    write_length(name, usage.source);
    name.extend_from_slice(key);
    name.extend_from_slice(usage.source);
    name.extend_from_slice(usage.id);
    Some(name)
}

/// The same as earlier releases kept it in the account.
fn old_name_of<'a>(key: &[u8], usage: &Usage<'_>, name: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    name.clear();
    write_length(name, usage.source);
    name.extend_from_slice(usage.source);
    name.extend_from_slice(usage.id);
    let digest = xxh3_64(name).to_be_bytes();
    name.clear();
    name.extend_from_slice(b"old:");
    name.extend_from_slice(key);
    name.extend_from_slice(&digest);
    Some(name)
}

fn write_length(out: &mut Vec<u8>, text: &[u8]) {
    write_number(out, text.len() as i64);
    out.push(b':');
}

/// Digits of a phone number, or an id that nobody takes for one. The core judges all others.
fn is_plain_key(key: &[u8], only_numbers: bool) -> bool {
    let is_number = matches!(key.first(), Some(b'1'..=b'9'))
        && (SHORTEST_KEY_BYTES..=LONGEST_KEY_BYTES).contains(&key.len())
        && key.iter().all(u8::is_ascii_digit);
    let is_id = key
        .iter()
        .any(|&one| one.is_ascii_alphabetic() && !matches!(one, b'e' | b'E'))
        && !key
            .get(..4)
            .is_some_and(|first| first.eq_ignore_ascii_case(b"tel:"));
    is_number || (is_id && !only_numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures_generated::{
        AUDIT, BEFORE, CROSSING_AFTER, CROSSING_EVENT, KEY, PLAIN_AFTER, PLAIN_EVENT, RECEIVED_MS,
        REMINDER,
    };
    use crate::telling::{tell, Origin, Taught};
    use crate::testing::rules;
    use crate::views_generated::{Figure, TaughtText};

    fn after_at(rules: &Rules, event: &[u8], before: &[u8], received_ms: i64) -> Option<Vec<u8>> {
        let mut ids = SeenIds::default();
        remembering(&mut ids, rules, event, before, received_ms)
    }

    fn remembering(
        ids: &mut SeenIds,
        rules: &Rules,
        event: &[u8],
        before: &[u8],
        received_ms: i64,
    ) -> Option<Vec<u8>> {
        let (mut name, mut out) = (Vec::new(), Vec::new());
        apply(
            rules,
            ids,
            event,
            KEY,
            before,
            received_ms,
            &mut name,
            &mut out,
        )?;
        Some(out)
    }

    fn after(rules: &Rules, event: &[u8], before: &[u8]) -> Option<Vec<u8>> {
        after_at(rules, event, before, RECEIVED_MS)
    }

    #[test]
    fn usage_makes_the_row_that_the_core_makes() {
        let row = after(&rules(), PLAIN_EVENT, BEFORE).unwrap();
        assert_eq!(row, PLAIN_AFTER);
        assert_eq!(
            after(&rules(), CROSSING_EVENT, &row).unwrap(),
            CROSSING_AFTER
        );
    }

    #[test]
    fn a_key_that_may_be_a_number_in_another_form_is_left_to_the_core() {
        for key in ["8613800000001", "1234567", "sub-001", "acct:77", "C-9"] {
            assert!(is_plain_key(key.as_bytes(), false), "{key}");
        }
        for key in [
            "tel:+8613800000001",
            "TEL:86",
            "8.6138E+12",
            "008613800000001",
            "86-138-0000-0001",
            "123456",
            "1234567890123456",
            "",
        ] {
            assert!(!is_plain_key(key.as_bytes(), false), "{key}");
        }
        assert!(is_plain_key(b"8613800000001", true));
        assert!(!is_plain_key(b"sub-001", true));
    }

    #[test]
    fn a_repeat_is_left_to_the_core() {
        let mut ids = SeenIds::default();
        let mut again = |at_ms| remembering(&mut ids, &rules(), PLAIN_EVENT, BEFORE, at_ms);
        assert!(again(RECEIVED_MS).is_some());
        assert!(again(RECEIVED_MS).is_none());
        assert!(again(RECEIVED_MS + 1_000).is_none());
        assert_eq!(ids.len(), 1);
    }

    #[test]
    fn an_event_is_remembered_only_if_it_was_applied() {
        let mut ids = SeenIds::default();
        let mut small = rules();
        small.max_event_bytes = 999;
        assert!(remembering(&mut ids, &small, PLAIN_EVENT, BEFORE, RECEIVED_MS).is_none());
        assert_eq!(ids.len(), 0);
    }

    #[test]
    fn what_may_have_been_forgotten_is_left_to_the_core() {
        let rules = rules();
        let mut ids = SeenIds::default();
        ids.expire(RECEIVED_MS + rules.max_age_ms);
        assert!(remembering(&mut ids, &rules, PLAIN_EVENT, BEFORE, RECEIVED_MS).is_some());
        ids.expire(RECEIVED_MS + rules.max_age_ms + 86_400_000);
        assert!(remembering(&mut ids, &rules, PLAIN_EVENT, BEFORE, RECEIVED_MS).is_none());
    }

    #[test]
    fn what_an_earlier_age_may_refuse_is_left_to_the_core() {
        let usage = usage::parse(PLAIN_EVENT).unwrap();
        let mut ids = SeenIds::default();
        ids.keep_ages(b"", usage.time_ms + 1);
        assert!(remembering(&mut ids, &rules(), PLAIN_EVENT, BEFORE, RECEIVED_MS).is_none());
        ids.keep_ages(b"", usage.time_ms);
        assert!(remembering(&mut ids, &rules(), PLAIN_EVENT, BEFORE, RECEIVED_MS).is_some());
    }

    #[test]
    fn what_an_earlier_release_counted_is_left_to_the_core() {
        let usage = usage::parse(PLAIN_EVENT).unwrap();
        let mut ids = SeenIds::default();
        let mut name = Vec::new();
        let old = ids.digest(old_name_of(KEY, &usage, &mut name).unwrap());
        ids.remember(old, RECEIVED_MS, RECEIVED_MS + 1).unwrap();
        ids.expect_old(RECEIVED_MS + 1);
        assert!(remembering(&mut ids, &rules(), PLAIN_EVENT, BEFORE, RECEIVED_MS).is_none());
    }

    #[test]
    fn a_source_has_an_age_of_its_own() {
        let mut strict = rules();
        strict.max_age_by_source.insert("ocs".into(), 1_000);
        assert!(after_at(&strict, PLAIN_EVENT, BEFORE, RECEIVED_MS + 1_000).is_some());
        assert!(after_at(&strict, PLAIN_EVENT, BEFORE, RECEIVED_MS + 1_001).is_none());
    }

    #[test]
    fn a_crossed_threshold_is_told_of_as_the_core_does() {
        let rules = rules();
        let (mut name, mut out) = (Vec::new(), Vec::new());
        let received_ms = RECEIVED_MS;
        let (usage, applied) = apply(
            &rules,
            &mut SeenIds::default(),
            CROSSING_EVENT,
            KEY,
            PLAIN_AFTER,
            received_ms,
            &mut name,
            &mut out,
        )
        .unwrap();
        assert_eq!(applied.crossed, [(0, 1_000)]);
        assert_eq!((applied.overage_bytes, applied.as_of_ms), (0, received_ms));

        let origin = Origin {
            topic: "events",
            partition: 0,
            offset: 7,
        };
        let mut taught = Taught::default();
        let account = &out[DUE_BYTES..];
        let untaught = tell(account, &usage, &applied, &origin, &rules, &taught);
        assert!(
            untaught.is_none(),
            "without words and clocks the core tells"
        );
        let utc_day = received_ms / 86_400_000;
        taught.learn_offset(b"Asia/Shanghai", utc_day, 8 * 3_600_000);
        let words = TaughtText {
            locale: "\"en\"".into(),
            pieces: vec![
                (String::new(), Some(Figure::Percent)),
                ("% of ".into(), Some(Figure::Bucket)),
                (" used".into(), None),
            ],
            ..TaughtText::default()
        };
        taught.learn_words(0, b"en", utc_day, false, words);
        let (reminder, audit) = tell(account, &usage, &applied, &origin, &rules, &taught).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&reminder),
            String::from_utf8_lossy(REMINDER)
        );
        assert_eq!(
            String::from_utf8_lossy(&audit),
            String::from_utf8_lossy(AUDIT)
        );
    }

    #[test]
    fn a_crossed_threshold_is_the_core_s_where_telling_changes_the_account() {
        let mut rules = rules();
        rules.only_told = false;
        assert!(after(&rules, PLAIN_EVENT, BEFORE).is_some());
        assert!(after(&rules, CROSSING_EVENT, PLAIN_AFTER).is_none());
    }

    #[test]
    fn usage_beyond_limits_or_time_is_left_to_the_core() {
        let event = PLAIN_EVENT;
        let mut small = rules();
        small.max_event_bytes = 999;
        assert!(after(&small, event, BEFORE).is_none());
        assert!(after_at(&rules(), event, BEFORE, RECEIVED_MS - 300_000).is_some());
        assert!(after_at(&rules(), event, BEFORE, RECEIVED_MS - 300_001).is_none());
        let due = i64::from_be_bytes(BEFORE[..DUE_BYTES].try_into().unwrap());
        assert!(after_at(&rules(), event, BEFORE, due - 1).is_some());
        assert!(
            after_at(&rules(), event, BEFORE, due).is_none(),
            "something is due before it"
        );
        let earlier = String::from_utf8(event.to_vec())
            .unwrap()
            .replace("T08", "T07");
        assert!(
            after(&rules(), earlier.as_bytes(), BEFORE).is_none(),
            "before the activation"
        );
    }

    #[test]
    fn other_rules_plans_and_subscribers_are_left_to_the_core() {
        let mut other = rules();
        other.fingerprint += 1;
        assert!(after(&other, PLAIN_EVENT, BEFORE).is_none());
        let mut special = rules();
        special.special_plans.insert("basic".into());
        assert!(after(&special, PLAIN_EVENT, BEFORE).is_none());
        let (mut name, mut out) = (Vec::new(), Vec::new());
        let key = b"8613800000002";
        assert!(apply(
            &rules(),
            &mut SeenIds::default(),
            PLAIN_EVENT,
            key,
            BEFORE,
            RECEIVED_MS,
            &mut name,
            &mut out
        )
        .is_none());
    }

    #[test]
    fn a_broken_row_is_left_to_the_core() {
        for end in 0..BEFORE.len() {
            assert!(
                after(&rules(), PLAIN_EVENT, &BEFORE[..end]).is_none(),
                "cut at {end}"
            );
        }
        let longer = [BEFORE, b"\x00"].concat();
        assert!(after(&rules(), PLAIN_EVENT, &longer).is_none());
        // No byte of a row may make this code panic.
        for at in 0..BEFORE.len() {
            for byte in [
                0x00, 0x7f, 0x80, 0x9f, 0xc0, 0xc4, 0xcf, 0xd9, 0xdc, 0xdf, 0xff,
            ] {
                let mut row = BEFORE.to_vec();
                row[at] = byte;
                let _ = after(&rules(), PLAIN_EVENT, &row);
            }
        }
    }
}
