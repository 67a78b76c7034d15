//! What of the rulebook the plain case needs.

use std::collections::{HashMap, HashSet};

use pyo3::prelude::*;

use crate::account::Bucket;
use crate::usage::Usage;

/// A usage rule. What ends up in messages as it stands is JSON already.
#[derive(FromPyObject)]
pub struct Thresholds {
    bucket_kinds: HashSet<String>,
    /// Sources of the buckets that it is about; None: all of its kinds.
    buckets: Option<HashSet<String>>,
    /// `percent` used, bytes `used` or bytes `remaining`.
    levels_are: String,
    /// One for each of `values`.
    levels: Vec<i64>,
    values: Vec<i64>,
    pub id: String,
    pub name: String,
    pub kind: String,
    pub unit: String,
    pub category: String,
    pub severity: String,
    pub priority: i64,
    pub mandatory: bool,
    pub ttl_ms: i64,
}

impl Thresholds {
    /// Whether its thresholds are in percent, used or remaining.
    pub fn is_percent(&self) -> bool {
        self.levels_are == "percent"
    }

    /// Used bytes at which a level of a bucket of this size is reached. None beyond i64.
    fn used_bytes(&self, level: i64, granted: i64) -> Option<i64> {
        match self.levels_are.as_str() {
            "percent" => Some(granted.checked_mul(level)?.checked_add(99)? / 100),
            "used" => Some(level),
            _ => granted.checked_sub(level),
        }
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

#[derive(FromPyObject)]
pub struct Scope {
    rating_groups: Option<HashSet<i64>>,
    roaming_zones: Option<HashSet<String>>,
}

#[derive(FromPyObject)]
pub struct Rules {
    pub fingerprint: i64,
    pub max_event_bytes: i64,
    pub max_ahead_ms: i64,
    pub max_age_ms: i64,
    pub dedupe_horizon_ms: i64,
    pub dedupe_max_ids: usize,
    /// Crossing a threshold changes no account: it has to be told, and no more.
    pub only_told: bool,
    pub thresholds: Vec<Thresholds>,
    pub scopes: HashMap<String, Scope>,
}

impl Rules {
    /// Whether a bucket's source covers this usage; sources without a scope cover everything.
    pub fn covers(&self, source: &[u8], usage: &Usage<'_>) -> bool {
        if self.scopes.is_empty() {
            return true;
        }
        let Ok(source) = std::str::from_utf8(source) else {
            return false;
        };
        let Some(scope) = self.scopes.get(source) else {
            return true;
        };
        let group = match &scope.rating_groups {
            None => true,
            Some(groups) => groups.contains(&usage.rating_group),
        };
        let zone = match &scope.roaming_zones {
            None => true,
            // The parser lets ASCII through only.
            Some(zones) => std::str::from_utf8(usage.roaming_zone).is_ok_and(|z| zones.contains(z)),
        };
        group && zone
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

fn is_crossed(used_bytes: i64, before: i64, after: i64) -> bool {
    used_bytes > 0 && before < used_bytes && used_bytes <= after
}
