//! Windows of velocity rules, as `slide` and `speed_up` of `streamproc.core.usage.figures` keep
//! them: pairs (part of the window since 1970, bytes used in it), ascending.

use crate::msgpack::{write_array_head, write_natural, Reader};
use crate::views_generated::Speed;

/// Bytes in the window before and after usage.
#[derive(Clone, Copy)]
pub struct Sped {
    pub before: i64,
    pub after: i64,
}

/// Read a window, add usage to its part, and write it.
pub fn speed_up(
    reader: &mut Reader<'_>,
    speed: &Speed,
    time_ms: i64,
    used_bytes: i64,
    out: &mut Vec<u8>,
) -> Option<Sped> {
    let length = reader.array()?;
    if length % 2 != 0 || speed.slot_ms <= 0 {
        return None;
    }
    let mut parts: Vec<(i64, i64)> = Vec::with_capacity(length / 2 + 1);
    for _ in 0..length / 2 {
        parts.push((reader.natural()?, reader.natural()?));
    }
    let part = time_ms / speed.slot_ms;
    let newest = parts.last().map_or(part, |last| part.max(last.0));
    let over = parts.partition_point(|one| one.0 <= newest - speed.slots);
    parts.drain(..over);
    let before = sum(&parts)?;
    if parts.last().is_none_or(|last| part > last.0 - speed.slots) {
        let place = parts.partition_point(|one| one.0 <= part);
        match place.checked_sub(1).map(|last| &mut parts[last]) {
            Some(same) if same.0 == part => same.1 = same.1.checked_add(used_bytes)?,
            _ => parts.insert(place, (part, used_bytes)),
        }
    }
    write_array_head(out, parts.len() * 2);
    for (part, bytes) in &parts {
        write_natural(out, *part);
        write_natural(out, *bytes);
    }
    Some(Sped {
        before,
        after: sum(&parts)?,
    })
}

fn sum(parts: &[(i64, i64)]) -> Option<i64> {
    parts
        .iter()
        .try_fold(0_i64, |total, one| total.checked_add(one.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packed;

    /// The window's parts, and the bytes in it before and after usage.
    fn after(parts: &[i64], time_ms: i64, used_bytes: i64) -> Option<(Vec<i64>, i64, i64)> {
        let speed = Speed {
            slot_ms: 100,
            slots: 3,
            ..Speed::default()
        };
        let (data, mut out) = (packed(parts), Vec::new());
        let found = speed_up(
            &mut Reader::new(&data),
            &speed,
            time_ms,
            used_bytes,
            &mut out,
        )?;
        let mut reader = Reader::new(&out);
        let count = reader.array()?;
        let parts = (0..count)
            .map(|_| reader.integer())
            .collect::<Option<_>>()?;
        Some((parts, found.before, found.after))
    }

    #[test]
    fn usage_is_counted_into_its_part() {
        assert_eq!(after(&[], 1_050, 7), Some((vec![10, 7], 0, 7)));
        assert_eq!(after(&[10, 7], 1_099, 3), Some((vec![10, 10], 7, 10)));
        assert_eq!(after(&[10, 7], 1_100, 3), Some((vec![10, 7, 11, 3], 7, 10)));
        assert_eq!(
            after(&[10, 7, 12, 1], 1_100, 3),
            Some((vec![10, 7, 11, 3, 12, 1], 8, 11))
        );
    }

    #[test]
    fn parts_leave_the_window_as_it_slides() {
        assert_eq!(
            after(&[10, 7, 11, 2], 1_300, 1),
            Some((vec![11, 2, 13, 1], 2, 3))
        );
        assert_eq!(after(&[10, 7, 11, 2], 9_900, 1), Some((vec![99, 1], 0, 1)));
    }

    #[test]
    fn usage_from_before_the_window_is_not_counted() {
        assert_eq!(after(&[10, 7], 700, 5), Some((vec![10, 7], 7, 7)));
        assert_eq!(after(&[10, 7], 800, 5), Some((vec![8, 5, 10, 7], 7, 12)));
    }

    #[test]
    fn odd_windows_and_sums_beyond_i64_are_left_to_the_core() {
        assert_eq!(after(&[10], 1_000, 1), None);
        assert_eq!(after(&[10, i64::MAX], 1_000, 1), None);
        assert_eq!(after(&[9, i64::MAX], 1_000, 1), None);
    }
}
