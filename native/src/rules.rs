//! What of the rulebook the plain case needs: questions to what Python has handed over.

use std::collections::HashSet;

use crate::bucket::Bucket;
use crate::usage::Usage;
use crate::views_generated::{LevelsAre, Rules, Thresholds, Tracked};
use crate::watching::is_crossed;

impl Thresholds {
    /// Whether its thresholds are in percent, used or remaining.
    pub fn is_percent(&self) -> bool {
        self.levels_are == LevelsAre::Percent
    }

    /// Used bytes at which a level of a bucket of this size is reached. None beyond i64.
    fn used_bytes(&self, level: i64, granted: i64) -> Option<i64> {
        match self.levels_are {
            LevelsAre::Percent => Some(granted.checked_mul(level)?.checked_add(99)? / 100),
            LevelsAre::Used => Some(level),
            LevelsAre::Remaining => granted.checked_sub(level),
        }
    }

    /// Whether the threshold at a place is reached in a bucket, or would be if it were `margin`
    /// nearer.
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
    /// Whether usage under a plan moves more than buckets.
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
            // The parser lets ASCII through only.
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

    /// Whether usage of a bucket up to `after` reaches one of its thresholds.
    /// None where the arithmetic would not fit.
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

    /// The rule, with its number, and the threshold that a bucket reached since `before` was used
    /// of it. None if it is not one alone.
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
