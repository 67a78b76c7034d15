//! Builds JSON text.

use crate::calendar::{write_instant, write_number};

pub struct Json {
    pub out: Vec<u8>,
}

impl Default for Json {
    fn default() -> Self {
        Json {
            out: Vec::with_capacity(1024),
        }
    }
}

impl Json {
    /// Append text that is already JSON.
    pub fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    /// Append text that needs no escapes.
    pub fn text(&mut self, text: &str) {
        self.out.push(b'"');
        self.raw(text);
        self.out.push(b'"');
    }

    pub fn number(&mut self, value: i64) {
        write_number(&mut self.out, value);
    }

    pub fn truth(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    pub fn instant(&mut self, instant_ms: i64) {
        write_instant(&mut self.out, instant_ms);
    }

    pub fn optional_instant(&mut self, instant_ms: Option<i64>) {
        match instant_ms {
            Some(instant_ms) => self.instant(instant_ms),
            None => self.raw("null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outputs_generated::{BucketFigures, Cause, Threshold};

    fn written(write: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::default();
        write(&mut json);
        String::from_utf8(json.out).unwrap()
    }

    #[test]
    fn structs_are_written_field_by_field() {
        let cause = Cause {
            event_id: "u1",
            source: "ocs",
            topic: "events",
            partition: 3,
            offset: 17,
        };
        assert_eq!(
            written(|json| cause.write(json)),
            r#"{"event_id":"u1","source":"ocs","topic":"events","partition":3,"offset":17}"#
        );
        let threshold = Threshold {
            unit: "\"percent\"",
            value: 80,
        };
        assert_eq!(
            written(|json| threshold.write(json)),
            r#"{"unit":"percent","value":80}"#
        );
    }

    #[test]
    fn what_never_ends_has_no_instant() {
        let mut bucket = BucketFigures {
            id: "b",
            kind: "topup",
            granted_bytes: 10,
            used_bytes: 4,
            remaining_bytes: 6,
            expires_time: None,
        };
        let forever = written(|json| bucket.write(json));
        assert!(
            forever.ends_with(r#""remaining_bytes":6,"expires_time":null}"#),
            "{forever}"
        );
        bucket.expires_time = Some(0);
        let until = written(|json| bucket.write(json));
        assert!(
            until.ends_with(r#""expires_time":"1970-01-01T00:00:00Z"}"#),
            "{until}"
        );
    }

    #[test]
    fn truths_are_words() {
        assert_eq!(written(|json| json.truth(true)), "true");
        assert_eq!(written(|json| json.truth(false)), "false");
    }
}
