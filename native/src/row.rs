//! Reads the fields of a row that is packed as an array.
//!
//! Fields are found by the positions in `rows_generated.rs`; fields between them are skipped. A
//! field that this code does not know must be at its default, otherwise the row is not plain.

use crate::msgpack::Reader;

/// The fields of a packed struct.
pub struct Layout {
    pub fields: usize,
    /// Earlier releases wrote fewer fields, but at least this many.
    pub least: usize,
    /// Positions of fields that are not known, with their default values.
    pub only_default: &'static [(usize, &'static [u8])],
}

/// The position of a reader in a row.
pub struct Row {
    layout: &'static Layout,
    /// The position of the next field.
    next: usize,
    fields: usize,
}

impl Row {
    /// Read the head of a row. None if it has other fields than the layout.
    #[inline(always)]
    pub fn begin(reader: &mut Reader<'_>, layout: &'static Layout) -> Option<Self> {
        let fields = reader.array()?;
        (layout.least <= fields && fields <= layout.fields).then_some(Row {
            layout,
            next: 0,
            fields,
        })
    }

    /// Skip the fields before this one, which must be read next. Fields can only be read in the
    /// order of the row.
    #[inline(always)]
    pub fn to(&mut self, reader: &mut Reader<'_>, field: usize) -> Option<()> {
        debug_assert!(
            self.next <= field,
            "fields are read in the order of the row"
        );
        if field >= self.fields {
            return None;
        }
        self.pass(reader, field)?;
        self.next = field + 1;
        Some(())
    }

    /// Skip the remaining fields.
    #[inline(always)]
    pub fn end(mut self, reader: &mut Reader<'_>) -> Option<()> {
        self.pass(reader, self.fields)
    }

    #[inline(always)]
    fn pass(&mut self, reader: &mut Reader<'_>, until: usize) -> Option<()> {
        while self.next < until {
            let start = reader.at;
            reader.skip()?;
            let passed = &reader.data[start..reader.at];
            let unknown = self.layout.only_default;
            if unknown
                .iter()
                .any(|(at, default)| *at == self.next && *default != passed)
            {
                return None;
            }
            self.next += 1;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        fields: 4,
        least: 2,
        only_default: &[(1, b"\x00"), (3, b"\x90")],
    };

    /// The value of field 2, if the whole row is plain.
    fn read(data: &[u8]) -> Option<i64> {
        let mut reader = Reader::new(data);
        let mut row = Row::begin(&mut reader, &LAYOUT)?;
        row.to(&mut reader, 2)?;
        let found = reader.integer()?;
        row.end(&mut reader)?;
        (reader.at == data.len()).then_some(found)
    }

    #[test]
    fn known_fields_are_passed_over_whatever_they_hold() {
        assert_eq!(read(b"\x94\xa3abc\x00\x07\x90"), Some(7));
        assert_eq!(read(b"\x94\x81\x01\x02\x00\x07\x90"), Some(7));
    }

    #[test]
    fn a_field_that_is_not_known_must_be_at_its_default() {
        assert_eq!(read(b"\x94\xc0\x01\x07\x90"), None);
        assert_eq!(read(b"\x94\xc0\x00\x07\x91\x01"), None);
        assert_eq!(read(b"\x94\xc0\xa1x\x07\x90"), None);
    }

    #[test]
    fn earlier_releases_wrote_fewer_fields() {
        assert_eq!(read(b"\x93\xc0\x00\x07"), Some(7));
        assert_eq!(
            read(b"\x92\xc0\x00"),
            None,
            "without the field that is asked for"
        );
    }

    #[test]
    fn later_releases_and_other_rows_are_refused() {
        assert_eq!(read(b"\x95\xc0\x00\x07\x90\x00"), None);
        assert_eq!(read(b"\x91\xc0"), None);
        assert_eq!(read(b"\x84\xc0\x00\x07\x90"), None);
        assert_eq!(read(b"\x94\xc0\x00"), None, "cut off");
        assert_eq!(read(b""), None);
    }
}
