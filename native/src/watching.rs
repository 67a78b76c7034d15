//! Figures of a whole account, and whether usage has moved one to a threshold of a watch rule.
//!
//! This code makes no messages. If a rule might have one, the usage is not plain, and the core
//! decides. So it is enough to recognise usage that certainly causes none.

use crate::msgpack::Reader;
use crate::row::Row;
use crate::rows_generated::{closed_cycle, CLOSED_CYCLE};
use crate::views_generated::{AnomalyWatch, Speed, Watch};

impl Speed {
    /// Whether a threshold lies between two values of a figure.
    pub fn is_reached(&self, before: i64, after: i64) -> bool {
        self.thresholds
            .iter()
            .any(|one| is_crossed((*one).max(1), before, after))
    }
}

/// The figures that watch rules compare, before and after usage.
#[derive(Default)]
pub struct Figures {
    left_before: i64,
    left_after: i64,
    used_before: i64,
    used_after: i64,
    overage_before: i64,
    overage: i64,
    /// Bytes left in buckets that cover ordinary usage.
    ordinary_before: i64,
    ordinary_after: i64,
}

impl Figures {
    /// Add a bucket that can be charged: its bytes left, its used bytes, and the bytes taken now.
    pub fn add_live(
        &mut self,
        left: i64,
        used: i64,
        take: i64,
        is_of_plan: bool,
        is_ordinary: bool,
    ) -> Option<()> {
        self.left_before = self.left_before.checked_add(left)?;
        self.left_after = self.left_after.checked_add(left - take)?;
        if is_ordinary {
            self.ordinary_before = self.ordinary_before.checked_add(left)?;
            self.ordinary_after = self.ordinary_after.checked_add(left - take)?;
        }
        if is_of_plan {
            self.add_used(used, take)?;
        }
        Some(())
    }

    /// Add a part of the cycle's usage, with the bytes added to it now.
    pub fn add_used(&mut self, used: i64, more: i64) -> Option<()> {
        self.used_before = self.used_before.checked_add(used)?;
        self.used_after = self.used_after.checked_add(used.checked_add(more)?)?;
        Some(())
    }

    pub fn add_overage(&mut self, overage: i64, more: i64) -> Option<()> {
        self.overage_before = overage;
        self.overage = more;
        self.add_used(overage, more)
    }

    /// Whether a part of the usage is overage.
    pub fn has_overage(&self) -> bool {
        self.overage > 0
    }

    /// Whether bytes for ordinary usage are left, of any live bucket.
    pub fn is_ordinary_left(&self) -> bool {
        self.ordinary_after > 0
    }

    /// Whether ordinary usage has begun to cost, for the first time or again.
    fn begins_to_cost(&self) -> Option<bool> {
        let is_now = self.overage_before.checked_add(self.overage)? > 0 && self.ordinary_after <= 0;
        Some(is_now && (self.overage_before <= 0 || self.ordinary_before > 0))
    }
}

impl Watch {
    /// Whether there is certainly no message; velocities are checked elsewhere. `history` are an
    /// account's closed cycles, packed. None if it has an unexpected form.
    pub fn is_silent(&self, figures: &Figures, history: &[u8], activated_ms: i64) -> Option<bool> {
        let (before, after) = (figures.used_before, figures.used_after);
        let is_emptied = figures.left_before > 0 && figures.left_after <= 0;
        if (self.of_overage && figures.overage > 0) || (self.of_nothing_left && is_emptied) {
            return Some(false);
        }
        if self.of_uncovered && figures.begins_to_cost()? {
            return Some(false);
        }
        if self
            .steps
            .iter()
            .any(|step| *step > 0 && after / step > before / step)
        {
            return Some(false);
        }
        for one in &self.anomalies {
            if one.is_reached(before, after, history, activated_ms)? {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl AnomalyWatch {
    fn is_reached(
        &self,
        before: i64,
        after: i64,
        history: &[u8],
        activated_ms: i64,
    ) -> Option<bool> {
        let usual = usual_bytes(history, self.cycles, activated_ms)?;
        if usual == 0 {
            return Some(false);
        }
        let whole = self.cycles.checked_mul(100)?;
        for threshold in &self.thresholds {
            let share = usual.checked_mul((*threshold).max(1))?;
            let level = share.checked_add(whole - 1)? / whole;
            if is_crossed(level.max(self.min_bytes), before, after) {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// Usage of the last `cycles` cycles together; 0 if a cycle is unknown or incomplete.
fn usual_bytes(history: &[u8], cycles: i64, activated_ms: i64) -> Option<i64> {
    let mut reader = Reader::new(history);
    let known = i64::try_from(reader.array()?).ok()?;
    if cycles < 1 || known < cycles {
        return Some(0);
    }
    for _ in cycles..known {
        reader.skip()?;
    }
    let mut usual: i64 = 0;
    for position in 0..cycles {
        let mut row = Row::begin(&mut reader, &CLOSED_CYCLE)?;
        row.to(&mut reader, closed_cycle::START_MS)?;
        let start_ms = reader.integer()?;
        if position == 0 && start_ms <= activated_ms {
            return Some(0);
        }
        row.to(&mut reader, closed_cycle::USED_BYTES)?;
        usual = usual.checked_add(reader.integer()?)?;
        row.to(&mut reader, closed_cycle::OVERAGE_BYTES)?;
        usual = usual.checked_add(reader.integer()?)?;
        row.end(&mut reader)?;
    }
    Some(usual)
}

/// Whether a figure has reached a level. A level that holds from the start is never reached.
pub fn is_crossed(level: i64, before: i64, after: i64) -> bool {
    level > 0 && before < level && level <= after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packed;

    const NONE: &[u8] = b"\x90";

    /// Figures of one bucket of a plan: bytes left and used before, bytes taken, and overage.
    fn figures(left: i64, used: i64, take: i64, overage: i64, beyond: i64) -> Figures {
        let mut found = Figures::default();
        found.add_live(left, used, take, true, true).unwrap();
        found.add_overage(overage, beyond).unwrap();
        found
    }

    fn is_silent(watch: Watch, figures: &Figures) -> Option<bool> {
        watch.is_silent(figures, NONE, 0)
    }

    #[test]
    fn levels_are_crossed_once_and_never_hold_from_the_start() {
        assert!(is_crossed(10, 9, 10));
        assert!(!is_crossed(10, 10, 11));
        assert!(!is_crossed(10, 0, 9));
        assert!(!is_crossed(0, -1, 1));
    }

    #[test]
    fn without_rules_there_is_nothing_to_say() {
        assert_eq!(
            is_silent(Watch::default(), &figures(10, 0, 10, 5, 5)),
            Some(true)
        );
    }

    #[test]
    fn rules_about_overage_speak_at_any_of_it() {
        let watch = || Watch {
            of_overage: true,
            ..Watch::default()
        };
        assert_eq!(is_silent(watch(), &figures(10, 0, 10, 5, 0)), Some(true));
        assert_eq!(is_silent(watch(), &figures(0, 0, 0, 5, 1)), Some(false));
    }

    #[test]
    fn the_first_byte_that_costs_is_one_after_all_that_is_covered() {
        let watch = || Watch {
            of_uncovered: true,
            ..Watch::default()
        };
        assert_eq!(is_silent(watch(), &figures(10, 0, 10, 0, 1)), Some(false));
        assert_eq!(
            is_silent(watch(), &figures(0, 10, 0, 1, 1)),
            Some(true),
            "it costs already"
        );
        assert_eq!(
            is_silent(watch(), &figures(10, 0, 10, 5, 0)),
            Some(false),
            "it costs again"
        );
        assert_eq!(is_silent(watch(), &figures(10, 0, 9, 5, 0)), Some(true));
    }

    #[test]
    fn the_last_byte_leaves_nothing() {
        let watch = || Watch {
            of_nothing_left: true,
            ..Watch::default()
        };
        assert_eq!(is_silent(watch(), &figures(10, 0, 9, 0, 0)), Some(true));
        assert_eq!(is_silent(watch(), &figures(10, 0, 10, 0, 0)), Some(false));
        assert_eq!(
            is_silent(watch(), &figures(0, 10, 0, 0, 1)),
            Some(true),
            "nothing was left"
        );
    }

    #[test]
    fn steps_are_multiples_of_all_that_was_used() {
        let watch = || Watch {
            steps: vec![100],
            ..Watch::default()
        };
        assert_eq!(is_silent(watch(), &figures(500, 101, 98, 0, 0)), Some(true));
        assert_eq!(
            is_silent(watch(), &figures(500, 101, 99, 0, 0)),
            Some(false)
        );
        assert_eq!(
            is_silent(watch(), &figures(0, 50, 0, 49, 1)),
            Some(false),
            "overage counts"
        );
    }

    #[test]
    fn an_anomaly_is_judged_by_the_last_whole_cycles() {
        let watch = |min_bytes| Watch {
            anomalies: vec![AnomalyWatch {
                cycles: 2,
                thresholds: vec![150],
                min_bytes,
            }],
            ..Watch::default()
        };
        // Start, end, granted, used, expired, overage: 100 and 300 bytes were used, so 200 are
        // usual.
        let cycles = [packed(&[5, 6, 0, 90, 0, 10]), packed(&[6, 7, 0, 300, 0, 0])].concat();
        let history = [b"\x92", &cycles[..]].concat();
        let silent = |watch: Watch, used, since| {
            watch.is_silent(&figures(9_999, used, 1, 0, 0), &history, since)
        };
        assert_eq!(silent(watch(0), 298, 4), Some(true));
        assert_eq!(silent(watch(0), 299, 4), Some(false));
        assert_eq!(
            silent(watch(0), 300, 4),
            Some(true),
            "it was reached before"
        );
        assert_eq!(
            silent(watch(1_000), 299, 4),
            Some(true),
            "too little to be one"
        );
        assert_eq!(silent(watch(1_000), 999, 4), Some(false));
        assert_eq!(
            silent(watch(0), 299, 5),
            Some(true),
            "the first cycle was no whole one"
        );
        assert_eq!(
            is_silent(watch(0), &figures(9_999, 299, 1, 0, 0)),
            Some(true),
            "no cycles"
        );
    }
}
