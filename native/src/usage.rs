//! The only plain event: `usage.recorded` in its usual JSON form.
//!
//! The list of its fields and their values is generated (`usage_generated.rs`). Unknown and
//! repeated fields are `None`: then Python reads the record.

use crate::form::{Cursor, Value};
use crate::usage_generated::{field, Field, DEFAULT_RATING_GROUP, DEFAULT_ROAMING_ZONE, REQUIRED};

pub struct Usage<'a> {
    pub id: &'a [u8],
    pub source: &'a [u8],
    pub subscriber: &'a [u8],
    pub time_ms: i64,
    pub used_bytes: i64,
    pub rating_group: i64,
    pub roaming_zone: &'a [u8],
}

pub fn parse(data: &[u8]) -> Option<Usage<'_>> {
    let mut usage = Usage {
        id: b"",
        source: b"",
        subscriber: b"",
        time_ms: 0,
        used_bytes: 0,
        rating_group: DEFAULT_RATING_GROUP,
        roaming_zone: DEFAULT_ROAMING_ZONE,
    };
    let (mut total, mut up, mut down) = (None, None, None);
    let mut seen: u64 = 0;
    let mut cursor = Cursor::new(data);
    cursor.expect(b'{')?;
    loop {
        let name = cursor.string(1, 64)?;
        cursor.expect(b':')?;
        let (number, field, form) = field(name)?;
        let bit = 1 << number;
        if seen & bit != 0 {
            return None;
        }
        seen |= bit;
        match (field, cursor.value(form)?) {
            (Field::Carried, _) => {}
            (Field::Id, Value::Text(text)) => usage.id = text,
            (Field::Source, Value::Text(text)) => usage.source = text,
            (Field::Subscriber, Value::Text(text)) => usage.subscriber = text,
            (Field::RoamingZone, Value::Text(text)) => usage.roaming_zone = text,
            (Field::Time, Value::Number(value)) => usage.time_ms = value,
            (Field::RatingGroup, Value::Number(value)) => usage.rating_group = value,
            (Field::TotalBytes, Value::Number(value)) => total = Some(value),
            (Field::UplinkBytes, Value::Number(value)) => up = Some(value),
            (Field::DownlinkBytes, Value::Number(value)) => down = Some(value),
            _ => return None, // the contract has a type that this code does not know
        }
        match cursor.take()? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    if !cursor.is_at_end() || seen & REQUIRED != REQUIRED {
        return None;
    }
    usage.used_bytes = match (total, up, down) {
        (Some(total), None, None) => total,
        (None, Some(up), Some(down)) => up.checked_add(down)?,
        _ => return None,
    };
    Some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"type":"usage.recorded","id":"u1","source":"ocs",
        "subscriber":"8613800000001","time":"2026-01-05T08:00:01Z","total_bytes":1000}"#;

    /// The event with another field at its end.
    fn with(more: &str) -> String {
        GOOD.replace('}', &format!(",{more}}}"))
    }

    #[test]
    fn what_is_left_out_is_ordinary_usage_at_home() {
        let usage = parse(GOOD.as_bytes()).unwrap();
        assert_eq!((usage.id, usage.source), (&b"u1"[..], &b"ocs"[..]));
        assert_eq!(usage.subscriber, b"8613800000001");
        assert_eq!((usage.time_ms, usage.used_bytes), (1_767_600_001_000, 1000));
        assert_eq!((usage.rating_group, usage.roaming_zone), (0, &b"home"[..]));
    }

    #[test]
    fn both_directions_are_added_and_exclude_the_total() {
        let directions = r#""uplink_bytes":1,"downlink_bytes":2"#;
        let text = GOOD.replace(r#""total_bytes":1000"#, directions);
        assert_eq!(parse(text.as_bytes()).unwrap().used_bytes, 3);
        assert!(parse(with(directions).as_bytes()).is_none());
        let one = GOOD.replace("total_bytes", "uplink_bytes");
        assert!(parse(one.as_bytes()).is_none());
    }

    #[test]
    fn known_fields_are_read_or_passed_over() {
        let text = with(r#""rating_group":20,"roaming_zone":"eu","service":"web""#);
        let usage = parse(text.as_bytes()).unwrap();
        assert_eq!((usage.rating_group, usage.roaming_zone), (20, &b"eu"[..]));
    }

    #[test]
    fn what_is_not_known_or_not_there_is_left_to_the_core() {
        assert!(parse(with(r#""colour":"red""#).as_bytes()).is_none());
        assert!(parse(with(r#""member":"8613800000002""#).as_bytes()).is_none());
        assert!(
            parse(with(r#""total_bytes":1000"#).as_bytes()).is_none(),
            "twice"
        );
        for name in ["type", "id", "source", "subscriber", "time", "total_bytes"] {
            let without = GOOD.replace(&format!("\"{name}\""), "\"service\"");
            assert!(parse(without.as_bytes()).is_none(), "without {name}");
        }
        let other = GOOD.replace("usage.recorded", "usage.refunded");
        assert!(parse(other.as_bytes()).is_none());
    }

    #[test]
    fn what_is_no_json_object_is_left_to_the_core() {
        let text = GOOD.replace('}', ",}");
        assert!(parse(text.as_bytes()).is_none());
        assert!(parse(format!("{GOOD}x").as_bytes()).is_none());
        for end in 0..GOOD.len() {
            assert!(parse(&GOOD.as_bytes()[..end]).is_none(), "cut at {end}");
        }
        assert!(parse(b"[1]").is_none());
    }
}
