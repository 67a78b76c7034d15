//! Sets and maps of what the operator wrote, with a short hash.
//!
//! Their keys come from the rules file only. So nobody can choose keys that collide: what events and
//! accounts name is only looked up. Where others choose keys that are kept, the standard maps of
//! Rust are right.

use std::hash::{BuildHasherDefault, Hasher};

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub type HashMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Short>>;
pub type HashSet<K> = std::collections::HashSet<K, BuildHasherDefault<Short>>;

#[derive(Default)]
pub struct Short(u64);

impl Hasher for Short {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The end of a text.
    #[inline]
    fn write_u8(&mut self, byte: u8) {
        self.0 = self.0.rotate_left(8) ^ u64::from(byte);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found() {
        let names: Vec<String> = (0..1_000).map(|number| format!("pack-{number}")).collect();
        let known: HashSet<String> = names.iter().step_by(2).cloned().collect();
        for (number, name) in names.iter().enumerate() {
            assert_eq!(known.contains(name.as_str()), number % 2 == 0, "{name}");
        }
        let groups: HashSet<i64> = [i64::MIN, -1, 0, 7].into_iter().collect();
        assert_eq!(
            [-1, 0, 1, 7].map(|one| groups.contains(&one)),
            [true, true, false, true]
        );
    }
}
