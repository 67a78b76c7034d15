//! Helpers of the unit tests.

use crate::fixtures_generated::FINGERPRINT;
use crate::msgpack::{write_array_head, write_natural};
use crate::views_generated::{LevelsAre, Rules, Thresholds};

const DAY_MS: i64 = 86_400_000;

/// The rules of the fixtures: one rule at 80 % of an allowance or a top-up.
pub fn rules() -> Rules {
    Rules {
        fingerprint: FINGERPRINT,
        max_event_bytes: 1 << 40,
        max_ahead_ms: 300_000,
        max_age_ms: 40 * DAY_MS,
        only_told: true,
        thresholds: vec![low()],
        ..Rules::default()
    }
}

pub fn low() -> Thresholds {
    Thresholds {
        bucket_kinds: ["allowance".into(), "topup".into()].into_iter().collect(),
        buckets: None,
        levels_are: LevelsAre::Percent,
        levels: vec![80],
        values: vec![80],
        id: "low".into(),
        name: "\"low\"".into(),
        kind: "\"usage_percent\"".into(),
        unit: "\"percent\"".into(),
        category: "\"balance\"".into(),
        severity: "\"info\"".into(),
        priority: 3,
        mandatory: false,
        ttl_ms: DAY_MS,
    }
}

/// A packed list of numbers.
pub fn packed(numbers: &[i64]) -> Vec<u8> {
    let mut out = Vec::new();
    write_array_head(&mut out, numbers.len());
    for number in numbers {
        write_natural(&mut out, *number);
    }
    out
}
