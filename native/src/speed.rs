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

/// Read a window and write it with usage counted into its part.
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
