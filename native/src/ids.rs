//! The identities that a partition has counted, as `streamproc/engine/ids.py` keeps them: the same
//! records of the changelog, byte for byte. That file explains them.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

use crate::constants_generated::DAY_MS;

const KEY_BYTES: usize = 16;
const DIGEST_BYTES: usize = 8;
pub const IDS_KEY: &[u8] = b"\0ids";
pub const SLOTS: usize = 256;
pub const MERGED_IDS: usize = 65_536;
const LONGEST_DAYS: i64 = 250;
const FAR_DAYS: i64 = 18;
const SPAN_DAYS: i64 = 255;
const HEAD_BYTES: usize = KEY_BYTES + 8 + 4 + 8 + 8 + 4;
const SPAN_BYTES: usize = 8;

pub type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A last day and a digest.
type Kept = (i64, u64);

#[derive(Clone, Default)]
struct Head {
    key: Option<[u8; KEY_BYTES]>,
    turn: i64,
    forgotten_day: i64,
    old_until_ms: i64,
    unsure_until_ms: i64,
    ages: Vec<u8>,
    /// Days with the number of their lasting records, in the order in which they began.
    lasting: Vec<(i64, usize)>,
}

/// The identities of one partition.
pub struct SeenIds {
    slots: usize,
    merged_ids: usize,
    head: Head,
    table: Table,
    added: Vec<Kept>,
    unmerged: Vec<Kept>,
    slot: usize,
    gone: Vec<i64>,
    is_head_changed: bool,
    is_head_written: bool,
    found: Vec<(usize, i64, Vec<Kept>)>,
    pub forgets_with_arrivals: bool,
}

impl Default for SeenIds {
    fn default() -> Self {
        SeenIds::new(SLOTS, MERGED_IDS)
    }
}

impl SeenIds {
    pub fn new(slots: usize, merged_ids: usize) -> Self {
        SeenIds {
            slots,
            merged_ids,
            head: Head::default(),
            table: Table::default(),
            added: Vec::new(),
            unmerged: Vec::new(),
            slot: 0,
            gone: Vec::new(),
            is_head_changed: false,
            is_head_written: false,
            found: Vec::new(),
            forgets_with_arrivals: true,
        }
    }

    pub fn len(&self) -> usize {
        self.table.days.iter().map(|(_, count)| count).sum()
    }

    pub fn forgotten_ms(&self) -> i64 {
        self.head.forgotten_day * DAY_MS
    }

    pub fn old_until_ms(&self) -> i64 {
        self.head.old_until_ms
    }

    pub fn unsure_until_ms(&self) -> i64 {
        self.head.unsure_until_ms
    }

    pub fn ages(&self) -> &[u8] {
        &self.head.ages
    }

    pub fn keep_ages(&mut self, ages: &[u8], unsure_until_ms: i64) {
        self.head.ages = ages.to_vec();
        self.head.unsure_until_ms = unsure_until_ms;
        self.is_head_changed = true;
    }

    pub fn digest(&self, name: &[u8]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.head.key.unwrap_or_default());
        hasher.write(name);
        hasher.finish().max(1) // zero is a free place of the table
    }

    pub fn is_seen(&self, digest: u64, received_ms: i64) -> bool {
        let last_day = self.table.find(digest);
        let day = received_ms.div_euclid(DAY_MS);
        last_day > day || (last_day > 0 && self.is_far(day))
    }

    /// Whether names that arrived on this day may be kept for less than was asked.
    fn is_far(&self, day: i64) -> bool {
        !self.forgets_with_arrivals && day > self.head.forgotten_day + FAR_DAYS
    }

    /// None if it would have to be kept for too long.
    pub fn remember(&mut self, digest: u64, received_ms: i64, until_ms: i64) -> Option<()> {
        if self.forgets_with_arrivals || self.head.forgotten_day == 0 {
            self.expire(received_ms);
        }
        let mut last_day = until_ms.div_euclid(DAY_MS) + 1;
        if last_day - self.head.forgotten_day > LONGEST_DAYS {
            if self.forgets_with_arrivals {
                return None;
            }
            last_day = self.head.forgotten_day + LONGEST_DAYS;
        }
        if last_day > self.head.forgotten_day {
            self.table.put(digest, last_day);
            self.added.push((last_day, digest));
        }
        Some(())
    }

    pub fn expect_old(&mut self, until_ms: i64) {
        if until_ms > self.head.old_until_ms {
            self.head.old_until_ms = until_ms;
            self.is_head_changed = true;
        }
    }

    pub fn begin(&mut self, key: [u8; KEY_BYTES]) {
        if self.head.key.is_none() {
            self.head.key = Some(key);
            self.is_head_changed = true;
        }
    }

    pub fn expire(&mut self, now_ms: i64) {
        let today = now_ms.div_euclid(DAY_MS);
        if today <= self.head.forgotten_day {
            return;
        }
        self.head.forgotten_day = today;
        self.table.drop(today);
        self.added.retain(|one| one.0 > today);
        self.unmerged.retain(|one| one.0 > today);
        let lasting = self.head.lasting.iter().map(|one| one.0);
        let gone: Vec<i64> = lasting.filter(|day| *day <= today).collect();
        for day in gone {
            if !self.gone.contains(&day) {
                self.gone.push(day);
            }
        }
        self.is_head_changed |= self.head.key.is_some();
    }

    pub fn is_changed(&self) -> bool {
        !self.added.is_empty() || (self.is_head_changed && self.is_head_written)
    }

    pub fn take_changes(&mut self) -> Changes {
        let mut changes = Changes::new();
        if !self.added.is_empty() {
            let added = std::mem::take(&mut self.added);
            self.unmerged.extend_from_slice(&added);
            if self.slot < self.slots && self.unmerged.len() <= self.merged_ids {
                let key = [IDS_KEY, &[self.slot as u8]].concat();
                changes.push((key, Some(slot(self.head.turn, &added))));
                self.slot += 1;
            } else {
                self.merge(&mut changes);
            }
        }
        for day in std::mem::take(&mut self.gone) {
            let lasting = &mut self.head.lasting;
            if let Some(at) = lasting.iter().position(|one| one.0 == day) {
                let (_, count) = lasting.remove(at);
                changes.extend((0..count).map(|number| (lasting_key(day, number), None)));
            }
        }
        if self.is_head_changed {
            self.is_head_changed = false;
            self.is_head_written = true;
            changes.insert(0, (IDS_KEY.to_vec(), Some(self.head.pack())));
        }
        changes
    }

    fn merge(&mut self, changes: &mut Changes) {
        for (day, digests) in by_day(&self.unmerged) {
            for part in digests.chunks(self.merged_ids) {
                let number = self.head.next_number(day);
                changes.push((lasting_key(day, number), Some(packed(part))));
            }
        }
        self.unmerged.clear();
        self.slot = 0;
        self.head.turn += 1;
        self.is_head_changed = true;
    }

    /// None if the record is none of these.
    pub fn load(&mut self, key: &[u8], value: Option<&[u8]>) -> Option<()> {
        let rest = key.strip_prefix(IDS_KEY)?;
        match rest.len() {
            0 => {
                self.head = Head::unpack(value?)?;
                self.is_head_written = true;
                self.table.drop(self.head.forgotten_day);
            }
            1 => {
                let (turn, content) = of_slot(value?)?;
                self.take_over(&content);
                let slot = usize::from(rest[0]);
                self.found.retain(|one| one.0 != slot);
                self.found.push((slot, turn, content));
            }
            SPAN_BYTES => {
                let day = i64::from(i32::from_be_bytes(rest[..4].try_into().ok()?));
                if let Some(value) = value {
                    let content: Vec<Kept> = unpacked(value).map(|one| (day, one)).collect();
                    self.take_over(&content);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn take_over(&mut self, content: &[Kept]) {
        for (day, digest) in content {
            let over = self
                .head
                .forgotten_day
                .max(self.table.newest_day - SPAN_DAYS);
            if *day > over && self.table.find(*digest) < *day {
                self.table.put(*digest, *day);
            }
        }
    }

    pub fn loaded(&mut self) {
        let (turn, forgotten_day) = (self.head.turn, self.head.forgotten_day);
        self.table.drop(forgotten_day);
        self.unmerged.clear();
        self.slot = 0;
        self.found.sort_by_key(|one| one.0);
        for (slot, _, content) in self.found.iter().filter(|one| one.1 == turn) {
            self.slot = slot + 1;
            let kept = content.iter().filter(|one| one.0 > forgotten_day);
            self.unmerged.extend(kept);
        }
        self.found.clear();
    }

    pub fn head(&self) -> Vec<u8> {
        self.head.pack()
    }

    /// In order.
    pub fn days(&self) -> Vec<i64> {
        let days = self.table.days.iter().filter(|one| one.1 > 0);
        let mut days: Vec<i64> = days.map(|one| one.0).collect();
        days.sort_unstable();
        days
    }

    /// The digests of a day, in order.
    pub fn of_day(&self, day: i64) -> Vec<u8> {
        let days = &mut self.table.days.iter();
        if !days.any(|one| one.0 == day && one.1 > 0) {
            return Vec::new();
        }
        let parts = self.table.parts.iter();
        let mut digests: Vec<u64> = parts.flat_map(|one| one.with_tag(tag_of(day))).collect();
        digests.sort_unstable();
        packed(&digests)
    }

    pub fn memory_bytes(&self) -> usize {
        let parts = self.table.parts.iter();
        parts
            .map(|one| one.lines.len() * (DIGEST_BYTES + 1) * WIDTH)
            .sum()
    }
}

impl Head {
    fn next_number(&mut self, day: i64) -> usize {
        let at = self.lasting.iter().position(|one| one.0 == day);
        let at = at.unwrap_or_else(|| {
            self.lasting.push((day, 0));
            self.lasting.len() - 1
        });
        self.lasting[at].1 += 1;
        self.lasting[at].1 - 1
    }

    fn pack(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEAD_BYTES + self.lasting.len() * SPAN_BYTES);
        out.extend_from_slice(&self.key.unwrap_or_default());
        out.extend_from_slice(&self.turn.to_be_bytes());
        out.extend_from_slice(&(self.forgotten_day as i32).to_be_bytes());
        out.extend_from_slice(&self.old_until_ms.to_be_bytes());
        out.extend_from_slice(&self.unsure_until_ms.to_be_bytes());
        out.extend_from_slice(&(self.lasting.len() as i32).to_be_bytes());
        for (day, count) in &self.lasting {
            span(&mut out, *day, *count);
        }
        out.extend_from_slice(&self.ages);
        out
    }

    fn unpack(data: &[u8]) -> Option<Self> {
        let fixed = data.get(..HEAD_BYTES)?;
        let rest = &data[HEAD_BYTES..];
        let days = i32::from_be_bytes(fixed[44..48].try_into().ok()?);
        let end = usize::try_from(days).ok()?.checked_mul(SPAN_BYTES)?;
        Some(Head {
            key: Some(fixed[..16].try_into().ok()?),
            turn: i64::from_be_bytes(fixed[16..24].try_into().ok()?),
            forgotten_day: i32::from_be_bytes(fixed[24..28].try_into().ok()?).into(),
            old_until_ms: i64::from_be_bytes(fixed[28..36].try_into().ok()?),
            unsure_until_ms: i64::from_be_bytes(fixed[36..44].try_into().ok()?),
            lasting: rest
                .get(..end)?
                .chunks_exact(SPAN_BYTES)
                .map(of_span)
                .collect(),
            ages: rest[end..].to_vec(),
        })
    }
}

fn span(out: &mut Vec<u8>, day: i64, count: usize) {
    out.extend_from_slice(&(day as i32).to_be_bytes());
    out.extend_from_slice(&(count as i32).to_be_bytes());
}

fn of_span(data: &[u8]) -> (i64, usize) {
    let number = |at: usize| {
        let bytes = [data[at], data[at + 1], data[at + 2], data[at + 3]];
        i32::from_be_bytes(bytes)
    };
    (number(0).into(), number(4).max(0) as usize)
}

fn lasting_key(day: i64, number: usize) -> Vec<u8> {
    let mut key = IDS_KEY.to_vec();
    span(&mut key, day, number);
    key
}

fn slot(turn: i64, content: &[Kept]) -> Vec<u8> {
    let mut out = turn.to_be_bytes().to_vec();
    for (day, digests) in by_day(content) {
        span(&mut out, day, digests.len());
        out.extend_from_slice(&packed(&digests));
    }
    out
}

fn of_slot(value: &[u8]) -> Option<(i64, Vec<Kept>)> {
    let turn = i64::from_be_bytes(value.get(..8)?.try_into().ok()?);
    let (mut at, mut content) = (8, Vec::new());
    while at < value.len() {
        let (day, count) = of_span(value.get(at..at + SPAN_BYTES)?);
        at += SPAN_BYTES;
        let end = at.checked_add(count.checked_mul(DIGEST_BYTES)?)?;
        content.extend(unpacked(value.get(at..end)?).map(|one| (day, one)));
        at = end;
    }
    Some((turn, content))
}

/// Days and digests in the order in which they came.
fn by_day(content: &[Kept]) -> Vec<(i64, Vec<u64>)> {
    let mut found: Vec<(i64, Vec<u64>)> = Vec::new();
    for (day, digest) in content {
        // The latest day is the likely one.
        match found.iter_mut().rev().find(|one| one.0 == *day) {
            Some((_, digests)) => digests.push(*digest),
            None => found.push((*day, vec![*digest])),
        }
    }
    found
}

fn packed(digests: &[u64]) -> Vec<u8> {
    digests.iter().flat_map(|one| one.to_be_bytes()).collect()
}

fn unpacked(data: &[u8]) -> impl Iterator<Item = u64> + '_ {
    data.chunks_exact(DIGEST_BYTES)
        .map(|one| u64::from_be_bytes(one.try_into().unwrap_or_default()))
}

const PARTS: usize = 64;
const WIDTH: usize = 8;
/// A part is at most 85 % full and grows by an eighth.
const FULL: (usize, usize) = (17, 20);

/// Digests with their last day.
struct Table {
    parts: Vec<Part>,
    /// Days with the number of their digests.
    days: Vec<(i64, usize)>,
    newest_day: i64,
}

impl Default for Table {
    fn default() -> Self {
        let parts = std::iter::repeat_with(Part::default).take(PARTS).collect();
        Table {
            parts,
            days: Vec::new(),
            newest_day: 0,
        }
    }
}

impl Table {
    /// The last day of a digest; 0 if it is not here.
    fn find(&self, digest: u64) -> i64 {
        let tag = self.parts[part(digest)].find(digest);
        if tag == 0 {
            return 0;
        }
        let days = self.days.iter().rev();
        days.map(|one| one.0)
            .find(|day| tag_of(*day) == tag)
            .unwrap_or(0)
    }

    fn put(&mut self, digest: u64, day: i64) {
        if day > self.newest_day {
            self.newest_day = day;
            self.drop(day - SPAN_DAYS);
        }
        let before = self.parts[part(digest)].put(digest, tag_of(day));
        if before != 0 {
            let was = self
                .days
                .iter_mut()
                .find(|one| one.1 > 0 && tag_of(one.0) == before);
            if let Some((_, count)) = was {
                *count -= 1;
            }
        }
        match self.days.iter_mut().rev().find(|one| one.0 == day) {
            Some((_, count)) => *count += 1,
            None => self.days.push((day, 1)),
        }
    }

    /// Remove the digests of this day and of all days before it.
    fn drop(&mut self, last_day: i64) {
        let (gone, kept) = self.days.iter().partition(|one| one.0 <= last_day);
        self.days = kept;
        let gone: Vec<(i64, usize)> = gone;
        for (day, _) in gone.iter().filter(|one| one.1 > 0) {
            for part in &mut self.parts {
                part.drop(tag_of(*day));
            }
        }
    }
}

fn part(digest: u64) -> usize {
    (digest >> 58) as usize
}

fn tag_of(day: i64) -> u8 {
    (day.rem_euclid(SPAN_DAYS) + 1) as u8
}

/// Eight digests in a cache line.
#[repr(align(64))]
#[derive(Clone, Copy, Default)]
struct Line([u64; WIDTH]);

#[derive(Default)]
struct Part {
    lines: Vec<Line>,
    tags: Vec<[u8; WIDTH]>,
    count: usize,
}

impl Part {
    fn home(&self, digest: u64) -> usize {
        // Without the six bits that chose the part.
        ((u128::from(digest << 6) * self.lines.len() as u128) >> 64) as usize
    }

    fn next(&self, at: usize) -> usize {
        if at + 1 == self.lines.len() {
            0
        } else {
            at + 1
        }
    }

    fn place(&self, digest: u64) -> Option<(usize, usize)> {
        if self.lines.is_empty() {
            return None;
        }
        let mut at = self.home(digest);
        loop {
            let line = &self.lines[at].0;
            if let Some(within) = line.iter().position(|one| *one == digest) {
                return Some((at, within));
            }
            if line[WIDTH - 1] == 0 {
                return None;
            }
            at = self.next(at);
        }
    }

    fn with_tag(&self, tag: u8) -> impl Iterator<Item = u64> + '_ {
        let lines = self.lines.iter().zip(&self.tags);
        lines.flat_map(move |(line, tags)| {
            let places = line.0.iter().zip(tags);
            places.filter_map(move |(digest, its)| (*digest != 0 && *its == tag).then_some(*digest))
        })
    }

    fn find(&self, digest: u64) -> u8 {
        self.place(digest)
            .map_or(0, |(at, within)| self.tags[at][within])
    }

    fn put(&mut self, digest: u64, tag: u8) -> u8 {
        if let Some((at, within)) = self.place(digest) {
            return std::mem::replace(&mut self.tags[at][within], tag);
        }
        if (self.count + 1) * FULL.1 > self.lines.len() * WIDTH * FULL.0 {
            self.resize(self.lines.len() + self.lines.len() / 8 + 1, 0);
        }
        self.insert(digest, tag);
        0
    }

    fn drop(&mut self, tag: u8) {
        let tags = self.tags.iter().flatten();
        let gone = tags.filter(|one| **one == tag).count();
        if gone == 0 {
            return;
        }
        let left = self.count - gone;
        let lines = left * FULL.1 / (WIDTH * FULL.0) + usize::from(left > 0);
        self.resize(lines, tag);
    }

    fn insert(&mut self, digest: u64, tag: u8) {
        let mut at = self.home(digest);
        loop {
            if let Some(free) = self.lines[at].0.iter().position(|one| *one == 0) {
                self.lines[at].0[free] = digest;
                self.tags[at][free] = tag;
                self.count += 1;
                return;
            }
            at = self.next(at);
        }
    }

    /// Change the number of lines; digests with the tag `without` are left out.
    fn resize(&mut self, lines: usize, without: u8) {
        let old = std::mem::replace(&mut self.lines, vec![Line::default(); lines]);
        let tags = std::mem::replace(&mut self.tags, vec![[0; WIDTH]; lines]);
        self.count = 0;
        for (line, tags) in old.iter().zip(&tags) {
            for (digest, tag) in line.0.iter().zip(tags) {
                if *digest != 0 && *tag != without {
                    self.insert(*digest, *tag);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 20_000 * DAY_MS;

    fn filled(count: u64) -> SeenIds {
        let mut ids = SeenIds::default();
        ids.begin(*b"sixteen bytes...");
        for number in 0..count {
            let digest = ids.digest(&number.to_be_bytes());
            assert!(!ids.is_seen(digest, NOW_MS));
            let days = 1 + number as i64 % 3;
            ids.remember(digest, NOW_MS, NOW_MS + days * DAY_MS - 1)
                .unwrap();
        }
        ids
    }

    fn seen(ids: &SeenIds, count: u64, received_ms: i64) -> usize {
        (0..count)
            .filter(|number| ids.is_seen(ids.digest(&number.to_be_bytes()), received_ms))
            .count()
    }

    #[test]
    fn a_name_is_seen_until_its_day_is_over() {
        let ids = filled(3_000);
        assert_eq!(seen(&ids, 4_000, NOW_MS), 3_000);
        assert_eq!(seen(&ids, 4_000, NOW_MS + DAY_MS - 1), 3_000);
        assert_eq!(seen(&ids, 4_000, NOW_MS + DAY_MS), 2_000);
        assert_eq!(seen(&ids, 4_000, NOW_MS + 3 * DAY_MS), 0);
    }

    #[test]
    fn a_day_that_is_over_is_forgotten_as_a_whole() {
        let mut ids = filled(30_000);
        let before = ids.memory_bytes();
        ids.expire(NOW_MS + DAY_MS);
        assert_eq!(ids.len(), 20_000);
        assert_eq!(seen(&ids, 30_000, NOW_MS), 20_000);
        assert!(ids.memory_bytes() < before);
        ids.expire(NOW_MS + 3 * DAY_MS);
        assert_eq!((ids.len(), ids.memory_bytes()), (0, 0));
        assert_eq!(ids.forgotten_ms(), NOW_MS + 3 * DAY_MS);
    }

    #[test]
    fn a_digest_takes_less_than_twelve_bytes() {
        let ids = filled(200_000);
        assert!(ids.memory_bytes() < 12 * ids.len());
    }

    #[test]
    fn what_was_written_is_loaded() {
        let mut ids = filled(1_000);
        let mut kept = ids.take_changes();
        for number in 1_000..70_000_u64 {
            let digest = ids.digest(&number.to_be_bytes());
            ids.remember(digest, NOW_MS, NOW_MS + 2 * DAY_MS).unwrap();
            if number % 100 == 0 {
                kept.extend(ids.take_changes());
            }
        }
        kept.extend(ids.take_changes());
        let mut again = SeenIds::default();
        for (key, value) in &kept {
            again.load(key, value.as_deref()).unwrap();
        }
        again.loaded();
        assert_eq!(seen(&again, 70_000, NOW_MS), 70_000);
        assert_eq!(again.len(), ids.len());
        assert_eq!((again.slot, &again.unmerged), (ids.slot, &ids.unmerged));
    }

    #[test]
    fn records_of_others_are_refused() {
        let mut ids = SeenIds::default();
        assert!(ids.load(b"row", Some(b"")).is_none());
        assert!(ids.load(IDS_KEY, Some(b"short")).is_none());
        assert!(ids.load(b"\0ids\x01", Some(b"short")).is_none());
        assert!(ids.load(b"\0ids\x01\x02", Some(b"")).is_none());
        let mut long = vec![0; 8];
        span(&mut long, 1, i32::MAX as usize);
        assert!(ids.load(b"\0ids\x01", Some(&long)).is_none());
    }
}
