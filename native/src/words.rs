//! Fills a text that Python has taught with the figures of a bucket.

use crate::calendar::{write_digits, write_minute, write_number};
use crate::constants_generated::DAY_MINUTES;
use crate::views_generated::{Figure, TaughtText, Thresholds};

/// The bucket that a text is about, and its figures in bytes.
#[derive(Clone, Copy, Default)]
pub struct About<'a> {
    pub kind: &'a str,
    pub source: &'a str,
    pub granted: i64,
    pub used: i64,
    pub remaining: i64,
    /// Overage of the account.
    pub overage: i64,
}

impl TaughtText {
    pub fn fill(
        &self,
        about: &About<'_>,
        rule: &Thresholds,
        value: i64,
        local_minute: i64,
    ) -> Option<String> {
        let mut out = Vec::with_capacity(160);
        for (literal, figure) in &self.pieces {
            out.extend_from_slice(literal.as_bytes());
            let Some(figure) = figure else {
                continue;
            };
            match figure {
                Figure::Bucket => out.extend_from_slice(self.name(about)?.as_bytes()),
                Figure::Used => write_bytes(&mut out, about.used)?,
                Figure::Granted => write_bytes(&mut out, about.granted)?,
                Figure::Remaining => write_bytes(&mut out, about.remaining)?,
                Figure::Overage => write_bytes(&mut out, about.overage)?,
                Figure::Percent => {
                    let percent = match about.granted {
                        0 => 100,
                        granted => about.used.checked_mul(100)? / granted,
                    };
                    write_number(&mut out, percent);
                }
                Figure::Threshold if rule.is_percent() => {
                    write_number(&mut out, value);
                    out.push(b'%');
                }
                Figure::Threshold if (0..1_000).contains(&value) => {
                    write_number(&mut out, value);
                    out.extend_from_slice(b" B");
                }
                Figure::Threshold => write_bytes(&mut out, value)?,
                Figure::AsOf => write_minute(&mut out, local_minute),
                Figure::AsOfClock => {
                    let minute = local_minute.rem_euclid(DAY_MINUTES);
                    write_digits::<2>(&mut out, minute / 60);
                    out.push(b':');
                    write_digits::<2>(&mut out, minute % 60);
                }
            }
        }
        String::from_utf8(out).ok()
    }

    /// The name of a bucket; its id if it has no name.
    fn name<'a>(&'a self, about: &About<'a>) -> Option<&'a str> {
        match self.kind_names.get(about.kind) {
            Some(name) => name.as_deref(),
            None => match self.names.get(about.source) {
                Some(name) => name.as_deref(),
                None => Some(about.source),
            },
        }
    }

    /// SMS encoding and number of parts. Literals contain neither escapes nor surrogate pairs.
    pub fn segments(&self, text: &str) -> (&'static str, i64) {
        let (encoding, alone, joined) = if self.is_ucs2 {
            ("ucs2", 70, 67)
        } else {
            ("gsm7", 160, 153)
        };
        let length = text.chars().count();
        let parts = if length <= alone {
            1
        } else {
            length.div_ceil(joined)
        };
        (encoding, parts as i64)
    }
}

/// Text that is the same in JSON, and that is in the plain part of GSM-7.
pub fn plain(text: &[u8]) -> Option<&str> {
    if text.iter().all(|byte| IS_PLAIN[usize::from(*byte)]) {
        std::str::from_utf8(text).ok()
    } else {
        None
    }
}

const IS_PLAIN: [bool; 256] = {
    let mut of = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        of[byte as usize] = !matches!(
            byte,
            b'"' | b'\\' | b'[' | b']' | b'^' | b'{' | b'}' | b'|' | b'~' | b'`'
        );
        byte += 1;
    }
    of
};

/// Write bytes in decimal units, cut off after two digits: `1.25 GB`, as in English and Chinese.
fn write_bytes(out: &mut Vec<u8>, count: i64) -> Option<()> {
    let (hundredths, unit) = match count {
        ..=0 => (0, "MB"),
        1..1_000 => {
            out.extend_from_slice(b"<1 MB");
            return Some(());
        }
        1_000..1_000_000 => (count / 10, "kB"),
        1_000_000..1_000_000_000 => (count / 10_000, "MB"),
        1_000_000_000..1_000_000_000_000 => (count / 10_000_000, "GB"),
        _ => (count / 10_000_000_000, "TB"),
    };
    let (whole, rest) = (hundredths / 100, hundredths % 100);
    write_number(out, whole);
    if rest > 0 {
        out.push(b'.');
        if rest % 10 == 0 {
            write_digits::<1>(out, rest / 10);
        } else {
            write_digits::<2>(out, rest);
        }
    }
    out.push(b' ');
    out.extend_from_slice(unit.as_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views_generated::LevelsAre;

    fn bytes(count: i64) -> String {
        let mut out = Vec::new();
        write_bytes(&mut out, count).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn words(pieces: &[(&str, Option<Figure>)]) -> TaughtText {
        TaughtText {
            pieces: pieces
                .iter()
                .map(|(text, figure)| (text.to_string(), *figure))
                .collect(),
            ..TaughtText::default()
        }
    }

    const ABOUT: About<'_> = About {
        kind: "allowance",
        source: "data",
        granted: 2_000_000_000,
        used: 1_500_000_000,
        remaining: 500_000_000,
        overage: 0,
    };

    #[test]
    fn bytes_are_cut_to_two_digits_and_never_rounded_up() {
        for (count, text) in [
            (-1, "0 MB"),
            (0, "0 MB"),
            (1, "<1 MB"),
            (999, "<1 MB"),
            (1_000, "1 kB"),
            (1_999, "1.99 kB"),
            (999_999, "999.99 kB"),
            (1_000_000, "1 MB"),
            (1_500_000, "1.5 MB"),
            (1_050_000_000, "1.05 GB"),
            (999_999_999_999, "999.99 GB"),
            (8_000_000_000_000, "8 TB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
    }

    #[test]
    fn every_figure_is_filled_in() {
        let shown = words(&[
            ("", Some(Figure::Bucket)),
            (": ", Some(Figure::Used)),
            (" of ", Some(Figure::Granted)),
            (", ", Some(Figure::Remaining)),
            (" left, ", Some(Figure::Percent)),
            (" % after ", Some(Figure::Threshold)),
            (", beyond ", Some(Figure::Overage)),
            (" (", Some(Figure::AsOf)),
            (", ", Some(Figure::AsOfClock)),
            (")", None),
        ]);
        let rule = Thresholds::default();
        assert_eq!(
            shown.fill(&ABOUT, &rule, 75, DAY_MINUTES + 65).unwrap(),
            "data: 1.5 GB of 2 GB, 500 MB left, 75 % after 75%, beyond 0 MB \
             (1970-01-02 01:05, 01:05)"
        );
    }

    #[test]
    fn thresholds_in_bytes_are_shown_to_the_byte_where_they_are_small() {
        let shown = words(&[("", Some(Figure::Threshold))]);
        let rule = Thresholds {
            levels_are: LevelsAre::Remaining,
            ..Thresholds::default()
        };
        assert_eq!(shown.fill(&ABOUT, &rule, 999, 0).unwrap(), "999 B");
        assert_eq!(shown.fill(&ABOUT, &rule, 1_000, 0).unwrap(), "1 kB");
    }

    #[test]
    fn an_empty_grant_is_used_up() {
        let shown = words(&[("", Some(Figure::Percent))]);
        let about = About {
            granted: 0,
            ..ABOUT
        };
        assert_eq!(
            shown.fill(&about, &Thresholds::default(), 0, 0).unwrap(),
            "100"
        );
    }

    #[test]
    fn names_come_by_kind_then_by_source_and_none_is_the_core_s() {
        let mut shown = words(&[("", Some(Figure::Bucket))]);
        let said = |shown: &TaughtText| shown.fill(&ABOUT, &Thresholds::default(), 0, 0);
        assert_eq!(said(&shown).unwrap(), "data");
        shown
            .names
            .insert("data".into(), Some("Family data".into()));
        assert_eq!(said(&shown).unwrap(), "Family data");
        shown
            .kind_names
            .insert("allowance".into(), Some("Allowance".into()));
        assert_eq!(said(&shown).unwrap(), "Allowance");
        shown.kind_names.insert("allowance".into(), None);
        assert_eq!(said(&shown), None);
    }

    #[test]
    fn parts_are_counted_as_networks_count_them() {
        let gsm = words(&[]);
        for (length, parts) in [(0, 1), (160, 1), (161, 2), (306, 2), (307, 3)] {
            assert_eq!(
                gsm.segments(&"x".repeat(length)),
                ("gsm7", parts),
                "{length}"
            );
        }
        let ucs2 = TaughtText {
            is_ucs2: true,
            ..words(&[])
        };
        for (length, parts) in [(70, 1), (71, 2), (134, 2), (135, 3)] {
            assert_eq!(
                ucs2.segments(&"流".repeat(length)),
                ("ucs2", parts),
                "{length}"
            );
        }
    }

    #[test]
    fn plain_text_is_the_same_in_json_and_in_gsm_7() {
        assert_eq!(plain(b"u-1 @_$"), Some("u-1 @_$"));
        for unusual in [
            "a\"b", "a\\b", "[", "]", "{", "}", "|", "~", "^", "`", "ü", "\n", "\x7f",
        ] {
            assert_eq!(plain(unusual.as_bytes()), None, "{unusual}");
        }
    }
}
