//! The partition of a key: murmur2, as `streamproc/partitioner.py` has it.

const SEED: u32 = 0x9747_b28c;
const MULTIPLIER: u32 = 0x5bd1_e995;

/// Where records of a key belong in a topic of so many partitions (at least 1).
pub fn partition_of(key: &[u8], partitions: i64) -> i64 {
    i64::from(murmur2(key) & 0x7fff_ffff) % partitions
}

fn murmur2(data: &[u8]) -> u32 {
    let mut found = SEED ^ data.len() as u32;
    let mut words = data.chunks_exact(4);
    for word in &mut words {
        let mut word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
        word = word.wrapping_mul(MULTIPLIER);
        word = (word ^ (word >> 24)).wrapping_mul(MULTIPLIER);
        found = found.wrapping_mul(MULTIPLIER) ^ word;
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            found ^= u32::from(*byte) << (8 * at);
        }
        found = found.wrapping_mul(MULTIPLIER);
    }
    found = (found ^ (found >> 13)).wrapping_mul(MULTIPLIER);
    found ^ (found >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From UtilsTest.java of Apache Kafka.
    #[test]
    fn the_hash_is_that_of_the_java_client() {
        let known: [(&[u8], i32); 6] = [
            (b"21", -973932308),
            (b"foobar", -790332482),
            (b"a-little-bit-long-string", -985981536),
            (b"a-little-bit-longer-string", -1486304829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58897971,
            ),
            (b"abc", 479470107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key) as i32, hash);
        }
    }

    #[test]
    fn a_negative_hash_has_a_partition() {
        assert_eq!(
            partition_of(b"21", 4),
            i64::from(-973932308i32 & 0x7fff_ffff) % 4
        );
    }
}
