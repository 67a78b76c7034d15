//! Remembers the id of an event, as `streamproc.core.usage.dedupe` does.

use crate::constants_generated::{ID_BYTES, SEGMENT_MS};
use crate::msgpack::{write_array_head, write_binary_head, write_natural, Reader};
use crate::views_generated::Rules;

pub type Id = [u8; ID_BYTES];

/// Read the counts of remembered ids by segment, and write ids and counts with one more id. They
/// are neighbours in an account.
///
/// None if the id is a repeat, or if there is no room for it.
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

/// The same if the id is the first of its segment: then segments before the horizon are removed.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packed;

    const NEW: Id = [9; ID_BYTES];

    fn rules() -> Rules {
        Rules {
            dedupe_horizon_ms: 2 * SEGMENT_MS,
            dedupe_max_ids: 5,
            ..Rules::default()
        }
    }

    /// The ids (each is one byte repeated eight times) and the counts by segment, after a new id.
    fn after(ids: &[u8], marks: &[i64], received_ms: i64) -> Option<(Vec<u8>, Vec<i64>)> {
        let seen: Vec<u8> = ids.iter().flat_map(|id| [*id; ID_BYTES]).collect();
        let (marks, mut out) = (packed(marks), Vec::new());
        let mut reader = Reader::new(&marks);
        remember(&seen, &mut reader, NEW, received_ms, &rules(), &mut out)?;
        assert_eq!(reader.at, marks.len());
        let mut reader = Reader::new(&out);
        let ids = reader.binary()?.chunks(ID_BYTES).map(|id| id[0]).collect();
        let count = reader.array()?;
        let marks = (0..count)
            .map(|_| reader.integer())
            .collect::<Option<_>>()?;
        assert_eq!(reader.at, out.len());
        Some((ids, marks))
    }

    #[test]
    fn the_first_id_begins_a_segment() {
        assert_eq!(after(&[], &[], 0), Some((vec![9], vec![0, 1])));
        assert_eq!(after(&[], &[], 3 * SEGMENT_MS), Some((vec![9], vec![3, 1])));
    }

    #[test]
    fn an_id_of_the_last_segment_or_an_earlier_one_counts_there() {
        let expected = Some((vec![1, 2, 9], vec![3, 3]));
        assert_eq!(after(&[1, 2], &[3, 2], 3 * SEGMENT_MS), expected);
        assert_eq!(after(&[1, 2], &[3, 2], SEGMENT_MS), expected);
    }

    #[test]
    fn segments_before_the_horizon_are_forgotten_when_one_begins() {
        let (ids, marks) = (&[1, 2, 3], &[3, 2, 4, 1]);
        assert_eq!(
            after(ids, marks, 5 * SEGMENT_MS),
            Some((vec![1, 2, 3, 9], vec![3, 2, 4, 1, 5, 1]))
        );
        assert_eq!(
            after(ids, marks, 6 * SEGMENT_MS),
            Some((vec![3, 9], vec![4, 1, 6, 1]))
        );
        assert_eq!(
            after(ids, marks, 9 * SEGMENT_MS),
            Some((vec![9], vec![9, 1]))
        );
    }

    #[test]
    fn repeats_and_ids_without_room_are_left_to_the_core() {
        assert_eq!(after(&[1, 9], &[3, 2], 3 * SEGMENT_MS), None);
        assert!(after(&[1, 2, 3, 4], &[3, 4], 3 * SEGMENT_MS).is_some());
        assert_eq!(after(&[1, 2, 3, 4, 5], &[3, 5], 3 * SEGMENT_MS), None);
    }

    #[test]
    fn bytes_of_two_neighbours_are_no_repeat() {
        let mut seen = vec![0; 2 * ID_BYTES];
        seen[4..4 + ID_BYTES].copy_from_slice(&NEW);
        let (marks, mut out) = (packed(&[3, 2]), Vec::new());
        let mut reader = Reader::new(&marks);
        assert!(remember(&seen, &mut reader, NEW, 0, &rules(), &mut out).is_some());
    }
}
