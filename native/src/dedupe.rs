//! Remembering an event's id, as `streamproc.core.usage.dedupe` does.

use crate::constants_generated::{ID_BYTES, SEGMENT_MS};
use crate::msgpack::{write_array_head, write_binary_head, write_natural, Reader};
use crate::views_generated::Rules;

pub type Id = [u8; ID_BYTES];

/// Read the counts of remembered ids by segment, and write ids and counts with one id more. They
/// are neighbours in an account.
///
/// None if the id is a repeat, or if it has no room.
pub fn remember(
    seen: &[u8],
    reader: &mut Reader<'_>,
    id: Id,
    received_ms: i64,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> Option<()> {
    if seen.len() % ID_BYTES != 0 || seen.len() / ID_BYTES + 1 > rules.dedupe_max_ids {
        return None;
    }
    if seen.chunks_exact(ID_BYTES).any(|one| one == id) {
        return None;
    }
    let marks_at = reader.at;
    let length = reader.array()?;
    if length % 2 != 0 {
        return None;
    }
    for _ in 2..length {
        reader.skip()?;
    }
    let last_at = reader.at;
    let segment = received_ms.div_euclid(SEGMENT_MS);
    if length > 0 && reader.integer()? >= segment {
        let counted_at = reader.at;
        let count = reader.natural()?;
        write_binary_head(out, seen.len() + ID_BYTES);
        out.extend_from_slice(seen);
        out.extend_from_slice(&id);
        out.extend_from_slice(&reader.data[marks_at..counted_at]);
        write_natural(out, count + 1);
        return Some(());
    }
    reader.at = last_at;
    if length > 0 {
        reader.skip()?;
        reader.skip()?;
    }
    begin_segment(
        &reader.data[marks_at..reader.at],
        seen,
        id,
        segment,
        received_ms,
        rules,
        out,
    )
}

/// The same where the id is the first of its segment: then segments before the horizon end.
fn begin_segment(
    marks: &[u8],
    seen: &[u8],
    id: Id,
    segment: i64,
    received_ms: i64,
    rules: &Rules,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut reader = Reader::new(marks);
    let mut left = reader.array()?;
    let oldest_ms = received_ms.checked_sub(rules.dedupe_horizon_ms)?;
    let mut forgotten: usize = 0;
    let mut kept_at = reader.at;
    while left > 0 && (reader.integer()?.checked_add(1)?).checked_mul(SEGMENT_MS)? <= oldest_ms {
        forgotten = forgotten.checked_add(reader.integer()?.try_into().ok()?)?;
        left -= 2;
        kept_at = reader.at;
    }
    let kept = seen.get(forgotten.checked_mul(ID_BYTES)?..)?;
    write_binary_head(out, kept.len() + ID_BYTES);
    out.extend_from_slice(kept);
    out.extend_from_slice(&id);
    write_array_head(out, left + 2);
    out.extend_from_slice(&marks[kept_at..]);
    write_natural(out, segment);
    write_natural(out, 1);
    Some(())
}
