//! The part of the rulebook that plain usage needs, as Python passed it.

use crate::hashing::HashSet;

use crate::bucket::Bucket;
use crate::usage::Usage;
use crate::views_generated::{LevelsAre, Rules, Thresholds, Tracked};
use crate::watching::is_crossed;

impl Thresholds {
    /// Whether its thresholds are percentages, used or remaining.
    pub fn is_percent(&self) -> bool {
        self.levels_are == LevelsAre::Percent
    }

    /// Used bytes at which a level of a bucket of this size is reached. None if the number exceeds
    /// i64.
    fn used_bytes(&self, level: i64, granted: i64) -> Option<i64> {
        match self.levels_are {
            LevelsAre::Percent => Some(granted.checked_mul(level)?.checked_add(99)? / 100),
            LevelsAre::Used => Some(level),
            LevelsAre::Remaining => granted.checked_sub(level),
        }
    }

    /// Whether the threshold at a place is reached in a bucket, or would be reached if it were
    /// `margin` lower.
    pub fn holds(&self, place: usize, margin: i64, bucket: &Bucket<'_>) -> Option<bool> {
        if !self.is_about(bucket.kind, bucket.source) {
            return Some(false);
        }
        let level = *self.levels.get(place)?;
        let nearer = match self.levels_are {
            LevelsAre::Remaining => level.checked_add(margin)?,
            LevelsAre::Percent | LevelsAre::Used => level.checked_sub(margin)?,
        };
        let used_bytes = self.used_bytes(nearer, bucket.granted)?;
        Some(bucket.used >= used_bytes.max(1))
    }

    fn is_about(&self, kind: &[u8], source: &[u8]) -> bool {
        let is_named = |known: &HashSet<String>, name: &[u8]| {
            std::str::from_utf8(name).is_ok_and(|name| known.contains(name))
        };
        is_named(&self.bucket_kinds, kind)
            && self
                .buckets
                .as_ref()
                .is_none_or(|known| is_named(known, source))
    }
}

impl Tracked {
    pub fn is_valid(&self, at_ms: i64) -> bool {
        self.valid_from_ms <= at_ms && at_ms < self.valid_until_ms
    }
}

impl Rules {
    /// How old an event of a source may be when it arrives, in milliseconds.
    pub fn max_age_of(&self, source: &[u8]) -> i64 {
        if self.max_age_by_source.is_empty() {
            return self.max_age_ms;
        }
        let of_source = std::str::from_utf8(source)
            .ok()
            .and_then(|source| self.max_age_by_source.get(source));
        of_source.copied().unwrap_or(self.max_age_ms)
    }

    /// Whether usage under a plan changes more than buckets.
    pub fn is_special(&self, plan: &[u8]) -> bool {
        !self.special_plans.is_empty()
            && std::str::from_utf8(plan).map_or(true, |plan| self.special_plans.contains(plan))
    }

    /// Whether a bucket's source covers this usage; sources without a scope cover everything. None
    /// if that depends on the time of day.
    pub fn covers(&self, source: &[u8], usage: &Usage<'_>) -> Option<bool> {
        if self.scopes.is_empty() {
            return Some(true);
        }
        let Some(scope) = self.scopes.get(std::str::from_utf8(source).ok()?) else {
            return Some(true);
        };
        if scope.hours.is_some() {
            return None;
        }
        let group = match &scope.rating_groups {
            None => true,
            Some(groups) => groups.contains(&usage.rating_group),
        };
        let zone = match &scope.roaming_zones {
            None => true,
            // The parser accepts ASCII only.
            Some(zones) => std::str::from_utf8(usage.roaming_zone).is_ok_and(|z| zones.contains(z)),
        };
        Some(group && zone)
    }

    /// Whether a bucket's source covers ordinary usage: at home, at any hour.
    pub fn is_ordinary(&self, source: &[u8]) -> Option<bool> {
        Some(
            self.not_home_data.is_empty()
                || !self
                    .not_home_data
                    .contains(std::str::from_utf8(source).ok()?),
        )
    }

    /// Whether all home data covers the usage, and no other pack or allowance does. None if that
    /// depends on the time of day.
    pub fn is_for_home_data(&self, usage: &Usage<'_>) -> Option<bool> {
        for source in self.scopes.keys() {
            if self.covers(source.as_bytes(), usage)? != self.is_ordinary(source.as_bytes())? {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Whether usage of a bucket up to `after` reaches one of its thresholds. None if a number
    /// would overflow.
    pub fn crosses(&self, bucket: &Bucket<'_>, after: i64) -> Option<bool> {
        for rule in &self.thresholds {
            if !rule.is_about(bucket.kind, bucket.source) {
                continue;
            }
            for level in &rule.levels {
                if is_crossed(rule.used_bytes(*level, bucket.granted)?, bucket.used, after) {
                    return Some(true);
                }
            }
        }
        Some(false)
    }

    /// The rule, with its number, and the threshold that a bucket reached since `before` bytes were
    /// used. None unless there is exactly one.
    pub fn only_crossing(
        &self,
        bucket: &Bucket<'_>,
        before: i64,
    ) -> Option<(usize, &Thresholds, i64)> {
        let mut found = None;
        for (number, rule) in self.thresholds.iter().enumerate() {
            if !rule.is_about(bucket.kind, bucket.source) {
                continue;
            }
            for (level, value) in rule.levels.iter().zip(&rule.values) {
                if is_crossed(
                    rule.used_bytes(*level, bucket.granted)?,
                    before,
                    bucket.used,
                ) && found.replace((number, rule, *value)).is_some()
                {
                    return None;
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::read_bucket;
    use crate::msgpack::{write_natural, Reader};
    use crate::testing::{low, rules};

    /// A packed bucket of 1000 bytes.
    fn bucket_row(kind: &str, used: i64) -> Vec<u8> {
        bucket_row_of(1_000, kind, used)
    }

    fn bucket_row_of(granted: i64, kind: &str, used: i64) -> Vec<u8> {
        let mut out = vec![0x9b, 0xa1, b'b', 0xa0 | kind.len() as u8];
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\xa4data\x0a\x00\xcd\xff\xff");
        write_natural(&mut out, granted);
        write_natural(&mut out, used);
        out.extend_from_slice(b"\x00\x00\x00");
        out
    }

    fn levels(levels_are: LevelsAre, level: i64) -> Thresholds {
        Thresholds {
            levels_are,
            levels: vec![level],
            values: vec![level],
            ..low()
        }
    }

    fn crosses(rule: Thresholds, before: i64, after: i64) -> Option<bool> {
        let row = bucket_row("allowance", before);
        let bucket = read_bucket(&mut Reader::new(&row)).unwrap();
        let mut rules = rules();
        rules.thresholds = vec![rule];
        rules.crosses(&bucket, after)
    }

    #[test]
    fn a_share_is_reached_at_the_first_whole_byte() {
        let mut rules = rules();
        rules.thresholds = vec![levels(LevelsAre::Percent, 33)];
        for (granted, level) in [(1_000, 330), (997, 330), (1_001, 331), (1_003, 331)] {
            for (used, after, crosses) in [
                (0, level - 1, false),
                (level - 1, level, true),
                (level, granted, false),
            ] {
                let row = bucket_row_of(granted, "allowance", used);
                let bucket = read_bucket(&mut Reader::new(&row)).unwrap();
                assert_eq!(
                    rules.crosses(&bucket, after),
                    Some(crosses),
                    "{granted} {used}"
                );
            }
        }
    }

    #[test]
    fn bytes_are_counted_up_or_down() {
        let used = || levels(LevelsAre::Used, 400);
        assert_eq!(crosses(used(), 399, 400), Some(true));
        assert_eq!(crosses(used(), 0, 399), Some(false));
        let left = || levels(LevelsAre::Remaining, 400);
        assert_eq!(crosses(left(), 599, 600), Some(true));
        assert_eq!(crosses(left(), 0, 599), Some(false));
    }

    #[test]
    fn what_holds_from_the_start_is_never_crossed() {
        assert_eq!(
            crosses(levels(LevelsAre::Remaining, 1_000), 0, 1),
            Some(false)
        );
        assert_eq!(
            crosses(levels(LevelsAre::Remaining, 2_000), 0, 1),
            Some(false)
        );
    }

    #[test]
    fn sums_beyond_i64_are_left_to_the_core() {
        assert_eq!(crosses(levels(LevelsAre::Percent, i64::MAX), 0, 1), None);
        assert_eq!(crosses(levels(LevelsAre::Remaining, i64::MIN), 0, 1), None);
    }

    #[test]
    fn rules_are_about_kinds_and_sources_of_buckets() {
        let row = bucket_row("rollover", 0);
        let bucket = read_bucket(&mut Reader::new(&row)).unwrap();
        assert_eq!(rules().crosses(&bucket, 900), Some(false));
        let named = |source: &str| Thresholds {
            buckets: Some([source.into()].into_iter().collect()),
            ..low()
        };
        assert_eq!(crosses(named("data"), 0, 900), Some(true));
        assert_eq!(crosses(named("video"), 0, 900), Some(false));
    }

    #[test]
    fn one_crossing_is_named_and_several_are_left_to_the_core() {
        let row = bucket_row("allowance", 900);
        let bucket = read_bucket(&mut Reader::new(&row)).unwrap();
        let mut rules = rules();
        rules.thresholds = vec![levels(LevelsAre::Used, 1), levels(LevelsAre::Used, 850)];
        let found = rules
            .only_crossing(&bucket, 10)
            .map(|(number, _, value)| (number, value));
        assert_eq!(found, Some((1, 850)));
        assert!(rules.only_crossing(&bucket, 0).is_none(), "two");
        assert!(rules.only_crossing(&bucket, 900).is_none(), "none");
    }

    #[test]
    fn a_threshold_holds_with_its_margin() {
        let row = bucket_row("allowance", 750);
        let bucket = read_bucket(&mut Reader::new(&row)).unwrap();
        assert_eq!(low().holds(0, 0, &bucket), Some(false));
        assert_eq!(low().holds(0, 4, &bucket), Some(false));
        assert_eq!(low().holds(0, 5, &bucket), Some(true));
        let left = levels(LevelsAre::Remaining, 200);
        assert_eq!(left.holds(0, 49, &bucket), Some(false));
        assert_eq!(left.holds(0, 50, &bucket), Some(true));
        assert_eq!(
            left.holds(1, 0, &bucket),
            None,
            "there is no such threshold"
        );
    }

    #[test]
    fn sources_cover_usage_by_group_and_zone() {
        let usage = |rating_group, roaming_zone| Usage {
            id: b"u",
            source: b"s",
            subscriber: b"k",
            time_ms: 0,
            used_bytes: 1,
            rating_group,
            roaming_zone,
        };
        let mut rules = rules();
        assert_eq!(
            rules.covers(b"video", &usage(0, b"home")),
            Some(true),
            "no scopes at all"
        );
        let scope = crate::views_generated::Scope {
            rating_groups: Some([20].into_iter().collect()),
            roaming_zones: Some(["home".to_string()].into_iter().collect()),
            hours: None,
        };
        rules.scopes.insert("video".into(), scope);
        assert_eq!(rules.covers(b"data", &usage(0, b"eu")), Some(true));
        assert_eq!(rules.covers(b"video", &usage(20, b"home")), Some(true));
        assert_eq!(rules.covers(b"video", &usage(0, b"home")), Some(false));
        assert_eq!(rules.covers(b"video", &usage(20, b"eu")), Some(false));
        rules.scopes.get_mut("video").unwrap().hours = Some(vec![(0, 60)]);
        assert_eq!(
            rules.covers(b"video", &usage(20, b"home")),
            None,
            "the core knows clocks"
        );
    }
}
