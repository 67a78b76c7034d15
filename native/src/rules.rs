//! What of the rulebook the plain case needs.

use std::collections::{HashMap, HashSet};

use pyo3::prelude::*;

use crate::usage::Usage;

#[derive(FromPyObject)]
pub struct Thresholds {
    bucket_kinds: HashSet<String>,
    is_percent: bool,
    values: Vec<i64>,
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

    /// Whether usage from `before` to `after` reaches a threshold of a bucket of this size.
    /// None where the arithmetic would not fit.
    pub fn crosses(&self, kind: &[u8], granted: i64, before: i64, after: i64) -> Option<bool> {
        for rule in &self.thresholds {
            if !rule.bucket_kinds.iter().any(|one| one.as_bytes() == kind) {
                continue;
            }
            for value in &rule.values {
                let level = if rule.is_percent {
                    (granted.checked_mul(*value)?.checked_add(99)?) / 100
                } else {
                    granted - value
                };
                if level > 0 && before < level && level <= after {
                    return Some(true);
                }
            }
        }
        Some(false)
    }
}
