//! What the core says of usage that crossed one threshold: the reminder, and the audit record that
//! it was fired, as the same JSON.
//!
//! Texts and zones are Python's business: a text is told here once Python has taught its words, an
//! instant is shown once Python has taught the zone's offset of its day. Until then, and for all
//! that is unusual (several thresholds, opted out categories, other characters than plain ASCII
//! where a rulebook's names go), it is `None`: then Python tells.

use std::collections::HashMap;

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};
use pyo3::prelude::*;

use crate::account::Applied;
use crate::bucket::read_bucket;
use crate::calendar::{write_instant, write_minute};
use crate::msgpack::Reader;
use crate::rules::{Rules, Thresholds};
use crate::usage::Usage;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
const NEVER_MS: i64 = 1 << 53;
const DAY_MINUTES: i64 = 1440;
const MOST_TAUGHT: usize = 65_536;
/// Of which words are kept for a locale.
const MOST_DAYS: usize = 800;

/// A text of one rule in one locale: literals, each with the figure after it.
#[derive(FromPyObject)]
pub struct Words {
    /// Of the text, as JSON.
    locale: String,
    /// Whether the literals need UCS-2; else they are of the plain part of GSM-7.
    is_ucs2: bool,
    pieces: Vec<(String, Option<String>)>,
    /// Of packs and allowances, by id, those that have names; `None` is not of the simple kind.
    names: HashMap<String, Option<String>>,
    /// Of buckets that come from neither, by their kind.
    kind_names: HashMap<String, Option<String>>,
}

/// What Python has taught.
#[derive(Default)]
pub struct Taught {
    /// By the account's locale and its local day: two of each rule, for buckets with something left
    /// and for empty ones.
    words: HashMap<Vec<u8>, HashMap<i64, Vec<Option<Words>>>>,
    /// Milliseconds that clocks of a zone are ahead all through a UTC day.
    offsets: HashMap<Vec<u8>, HashMap<i64, i64>>,
}

impl Taught {
    pub fn learn_words(
        &mut self,
        rule: usize,
        locale: &[u8],
        local_day: i64,
        is_empty: bool,
        words: Words,
    ) {
        if self.words.len() >= MOST_TAUGHT {
            self.words.clear();
        }
        let of_locale = self.words.entry(locale.to_vec()).or_default();
        if of_locale.len() >= MOST_DAYS {
            of_locale.clear();
        }
        let of_day = of_locale.entry(local_day).or_default();
        let place = place_of(rule, is_empty);
        while of_day.len() <= place {
            of_day.push(None);
        }
        of_day[place] = Some(words);
    }

    pub fn learn_offset(&mut self, zone: &[u8], utc_day: i64, offset_ms: i64) {
        let of_zone = self.offsets.entry(zone.to_vec()).or_default();
        if of_zone.len() >= MOST_TAUGHT {
            of_zone.clear();
        }
        of_zone.insert(utc_day, offset_ms);
    }

    fn local_minute(&self, zone: &[u8], instant_ms: i64) -> Option<i64> {
        let offset_ms = self
            .offsets
            .get(zone)?
            .get(&instant_ms.div_euclid(DAY_MS))?;
        Some((instant_ms + offset_ms).div_euclid(MINUTE_MS))
    }
}

/// Where words stand among those of a day.
fn place_of(rule: usize, is_empty: bool) -> usize {
    2 * rule + usize::from(is_empty)
}

/// The input record that usage came with.
pub struct Origin<'a> {
    pub topic: &'a str,
    pub partition: i64,
    pub offset: i64,
}

/// Bytes of a bucket, or of all of an account.
#[derive(Clone, Copy, Default)]
struct Figures {
    granted: i64,
    used: i64,
    remaining: i64,
    overage: i64,
}

struct Told<'a> {
    id: &'a str,
    kind: &'a str,
    source: &'a str,
    expires_ms: i64,
    arming: i64,
}

/// The reminder and its audit record; `account` is the packed one after the usage.
pub fn tell(
    account: &[u8],
    usage: &Usage<'_>,
    applied: &Applied,
    origin: &Origin<'_>,
    rules: &Rules,
    taught: &Taught,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let &[(position, used_before)] = applied.crossed.as_slice() else {
        return None;
    };
    let mut reader = Reader::new(account);
    reader.array()?;
    for _ in 0..4 {
        reader.skip()?; // version, status, plan, next plan
    }
    let zone = reader.string()?;
    reader.skip()?; // anchor day
    let locale = reader.string()?;
    for _ in 0..2 {
        reader.skip()?; // activated, closed
    }
    let cycle_start_ms = reader.integer()?;
    let cycle_end_ms = reader.integer()?;
    let mut all = Figures::default();
    let mut crossed = None;
    for at in 0..reader.array()? {
        let bucket = read_bucket(&mut reader)?;
        all.granted += bucket.granted;
        all.used += bucket.used;
        all.remaining += bucket.remaining();
        if at == position {
            crossed = Some(bucket);
        }
    }
    all.overage = reader.integer()?;
    for _ in 0..3 {
        reader.skip()?; // charged, grants, history
    }
    if reader.array()? != 0 {
        return None; // opted out of something
    }
    let bucket = crossed?;
    let (number, rule, value) = rules.only_crossing(&bucket, used_before)?;
    let as_of_ms = applied.as_of_ms;
    let minute = taught.local_minute(zone, as_of_ms)?;
    let of_day = taught
        .words
        .get(locale)?
        .get(&minute.div_euclid(DAY_MINUTES))?;
    let is_empty = bucket.remaining() == 0;
    let words = of_day.get(place_of(number, is_empty))?.as_ref()?;
    let told = Told {
        id: plain(bucket.id)?,
        kind: plain(bucket.kind)?,
        source: plain(bucket.source)?,
        expires_ms: bucket.expires_ms,
        arming: bucket.arming,
    };
    let figures = Figures {
        granted: bucket.granted,
        used: bucket.used,
        remaining: bucket.remaining(),
        overage: all.overage,
    };
    let text = words.fill(&told, figures, rule, value, minute)?;
    let subscriber = plain(usage.subscriber)?;
    let id = reminder_id(subscriber, &rule.id, cycle_start_ms, &told, value);

    let mut cause = Json::default();
    cause.raw("{\"event_id\":").text(plain(usage.id)?);
    cause.raw(",\"source\":").text(plain(usage.source)?);
    cause
        .raw(",\"topic\":")
        .text(plain(origin.topic.as_bytes())?);
    cause.raw(",\"partition\":").number(origin.partition);
    cause.raw(",\"offset\":").number(origin.offset).raw("}");

    let mut reminder = Json::default();
    reminder
        .raw("{\"type\":\"reminder.requested\",\"id\":")
        .text(&id);
    reminder.raw(",\"kind\":").raw(&rule.kind);
    reminder.raw(",\"rule\":").raw(&rule.name);
    reminder.raw(",\"subscriber\":").text(subscriber);
    reminder.raw(",\"buckets\":[{\"id\":").text(told.id);
    reminder.raw(",\"kind\":").text(told.kind);
    reminder
        .raw(",")
        .figures(figures.granted, figures.used, figures.remaining);
    reminder.raw(",\"expires_time\":");
    if told.expires_ms >= NEVER_MS {
        reminder.raw("null");
    } else {
        reminder.instant(told.expires_ms);
    }
    reminder.raw("}],\"threshold\":{\"unit\":").raw(&rule.unit);
    reminder.raw(",\"value\":").number(value);
    reminder.raw("},\"cycle_start\":").instant(cycle_start_ms);
    reminder.raw(",\"cycle_end\":").instant(cycle_end_ms);
    reminder.raw(",\"used_bytes\":").number(figures.used);
    reminder.raw(",\"granted_bytes\":").number(figures.granted);
    reminder
        .raw(",\"remaining_bytes\":")
        .number(figures.remaining);
    reminder.raw(",\"overage_bytes\":").number(figures.overage);
    reminder.raw(",\"as_of\":").instant(as_of_ms);
    reminder.raw(",\"locale\":").raw(&words.locale);
    reminder.raw(",\"text\":").text(&text);
    let (encoding, parts) = words.segments(&text);
    reminder.raw(",\"encoding\":").text(encoding);
    reminder.raw(",\"segments\":").number(parts);
    reminder.raw(",\"category\":").raw(&rule.category);
    reminder.raw(",\"priority\":").number(rule.priority);
    reminder
        .raw(",\"mandatory\":")
        .raw(if rule.mandatory { "true" } else { "false" });
    reminder.raw(",\"not_before\":").instant(as_of_ms);
    reminder
        .raw(",\"expires_time\":")
        .instant(as_of_ms.checked_add(rule.ttl_ms)?);
    reminder.raw(",\"cause\":").append(&cause);
    reminder.raw(",\"severity\":").raw(&rule.severity).raw("}");

    let taken = usage.used_bytes - applied.overage_bytes;
    let mut audit = Json::default();
    audit.raw("{\"type\":\"audit.recorded\",\"decision\":\"fired\",\"subscriber\":");
    audit.text(subscriber).raw(",\"time\":").instant(as_of_ms);
    audit.raw(",\"figures\":{},\"cause\":").append(&cause);
    audit.raw(",\"rule\":").raw(&rule.name);
    audit.raw(",\"bucket\":").text(told.id);
    audit.raw(",\"threshold\":").number(value);
    audit.raw(",\"category\":").raw(&rule.category);
    audit
        .raw(",\"before\":{")
        .figures(all.granted, all.used - taken, all.remaining + taken);
    audit
        .raw(",\"overage_bytes\":")
        .number(all.overage - applied.overage_bytes);
    audit
        .raw("},\"after\":{")
        .figures(all.granted, all.used, all.remaining);
    audit.raw(",\"overage_bytes\":").number(all.overage);
    audit.raw("},\"reminder\":").text(&id).raw("}");
    Some((reminder.out, audit.out))
}

/// Text that is the same in JSON and, in a message, of the plain part of GSM-7.
fn plain(text: &[u8]) -> Option<&str> {
    let is_plain = text
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\[]^{}|~`".contains(byte));
    if is_plain {
        std::str::from_utf8(text).ok()
    } else {
        None
    }
}

fn reminder_id(
    subscriber: &str,
    rule: &str,
    cycle_start_ms: i64,
    bucket: &Told<'_>,
    value: i64,
) -> String {
    let arming = bucket.arming;
    let reason = format!(
        "{subscriber}\0{rule}\0{cycle_start_ms}\0{}/{value}/{arming}",
        bucket.id
    );
    let digest = Blake2b::<U16>::digest(reason.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Words {
    fn fill(
        &self,
        bucket: &Told<'_>,
        figures: Figures,
        rule: &Thresholds,
        value: i64,
        local_minute: i64,
    ) -> Option<String> {
        let mut out = Vec::with_capacity(160);
        for (literal, figure) in &self.pieces {
            out.extend_from_slice(literal.as_bytes());
            match figure.as_deref() {
                None => {}
                Some("bucket") => out.extend_from_slice(self.name(bucket)?.as_bytes()),
                Some("used") => write_bytes(&mut out, figures.used)?,
                Some("granted") => write_bytes(&mut out, figures.granted)?,
                Some("remaining") => write_bytes(&mut out, figures.remaining)?,
                Some("overage") => write_bytes(&mut out, figures.overage)?,
                Some("percent") => {
                    let percent = match figures.granted {
                        0 => 100,
                        granted => figures.used.checked_mul(100)? / granted,
                    };
                    out.extend_from_slice(percent.to_string().as_bytes());
                }
                Some("threshold") if rule.is_percent() => {
                    out.extend_from_slice(format!("{value}%").as_bytes());
                }
                Some("threshold") if (0..1_000).contains(&value) => {
                    out.extend_from_slice(format!("{value} B").as_bytes());
                }
                Some("threshold") => write_bytes(&mut out, value)?,
                Some("as_of") => write_minute(&mut out, local_minute),
                Some("as_of_clock") => {
                    let minute = local_minute.rem_euclid(DAY_MINUTES);
                    let (hour, minute) = (minute / 60, minute % 60);
                    out.extend_from_slice(format!("{hour:02}:{minute:02}").as_bytes());
                }
                Some(_) => return None,
            }
        }
        String::from_utf8(out).ok()
    }

    /// What a bucket is called; its id if it has no name.
    fn name<'a>(&'a self, bucket: &Told<'a>) -> Option<&'a str> {
        match self.kind_names.get(bucket.kind) {
            Some(name) => name.as_deref(),
            None => match self.names.get(bucket.source) {
                Some(name) => name.as_deref(),
                None => Some(bucket.source),
            },
        }
    }

    /// SMS encoding and number of parts; literals hold neither escapes nor surrogate pairs.
    fn segments(&self, text: &str) -> (&'static str, i64) {
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

/// Bytes in decimal units, cut to two digits: `1.25 GB`, as English and Chinese write them.
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
    let text = match rest {
        0 => format!("{whole} {unit}"),
        _ if rest % 10 == 0 => format!("{whole}.{} {unit}", rest / 10),
        _ => format!("{whole}.{rest:02} {unit}"),
    };
    out.extend_from_slice(text.as_bytes());
    Some(())
}

/// JSON in the making.
struct Json {
    out: Vec<u8>,
}

impl Default for Json {
    fn default() -> Self {
        Json {
            out: Vec::with_capacity(1024),
        }
    }
}

impl Json {
    fn raw(&mut self, json: &str) -> &mut Self {
        self.out.extend_from_slice(json.as_bytes());
        self
    }

    fn append(&mut self, other: &Json) -> &mut Self {
        self.out.extend_from_slice(&other.out);
        self
    }

    /// Text that needs no escapes.
    fn text(&mut self, text: &str) -> &mut Self {
        self.raw("\"").raw(text).raw("\"")
    }

    fn number(&mut self, value: i64) -> &mut Self {
        self.raw(&value.to_string())
    }

    fn instant(&mut self, instant_ms: i64) -> &mut Self {
        write_instant(&mut self.out, instant_ms);
        self
    }

    fn figures(&mut self, granted: i64, used: i64, remaining: i64) -> &mut Self {
        self.raw("\"granted_bytes\":").number(granted);
        self.raw(",\"used_bytes\":").number(used);
        self.raw(",\"remaining_bytes\":").number(remaining)
    }
}
