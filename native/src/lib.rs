//! The plain case of usage, compiled.
//!
//! `PlainUsage.apply` runs over records for as long as they are plain and stops at the first that
//! is not; Python applies that one and calls again. It stops after usage, too, that crossed
//! thresholds and that it cannot tell of itself: that is applied, and Python tells of it. What it
//! writes is byte for byte what `streamproc.core` writes, which the tests hold over whole workloads.

mod account;
mod bucket;
mod calendar;
mod dedupe;
mod extra;
mod msgpack;
mod rules;
mod speed;
mod telling;
mod usage;
mod watching;

use std::io::Write;
use std::sync::Mutex;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};
use xxhash_rust::xxh3::xxh3_64;

const DUE_BYTES: usize = 8;
/// As in streamproc/worker/plain.py, which uses no other.
const INTERFACE: u32 = 10;

/// Of usage that crossed thresholds: event id, source, its time, when it was received, its bytes,
/// those that no bucket covered, and (bucket position, used bytes before) where they were crossed.
type Crossed<'a> = (&'a str, &'a str, i64, i64, i64, i64, Vec<(usize, i64)>);

#[pyclass(frozen)]
struct PlainUsage {
    rules: rules::Rules,
    event_clock: bool,
    max_record_bytes: usize,
    taught: Mutex<telling::Taught>,
}

#[pymethods]
impl PlainUsage {
    /// `rules` has the attributes of `Rules` in rules.rs.
    #[new]
    fn new(rules: rules::Rules, event_clock: bool, max_record_bytes: usize) -> Self {
        PlainUsage {
            rules,
            event_clock,
            max_record_bytes,
            taught: Mutex::default(),
        }
    }

    /// From now on tell of rule number `rule` in these words, where an account has this locale.
    /// That is on one local day, and where something is left of the bucket, or nothing.
    fn learn_words(
        &self,
        rule: usize,
        locale: &str,
        local_day: i64,
        is_empty: bool,
        words: telling::Words,
    ) -> PyResult<()> {
        self.taught()?
            .learn_words(rule, locale.as_bytes(), local_day, is_empty, words);
        Ok(())
    }

    /// From now on show this day's instants by clocks that are so far ahead.
    fn learn_offset(&self, zone: &str, utc_day: i64, offset_ms: i64) -> PyResult<()> {
        self.taught()?
            .learn_offset(zone.as_bytes(), utc_day, offset_ms);
        Ok(())
    }

    /// Apply `records[start:]` to `stored` (key to due instant and packed account) while they are
    /// plain; changed rows go into `changed`, too, and (key, reminder, audit record) of what is
    /// told into `told`. Returns the index of the first record that was not applied, the
    /// partition's clock, and None or what `Crossed` says of the record before that one, which is
    /// to be told of.
    #[allow(clippy::too_many_arguments)] // what a processor has, each a thing of its own
    fn apply<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'_, PyList>,
        start: usize,
        stored: &Bound<'_, PyDict>,
        changed: &Bound<'_, PyDict>,
        told: &Bound<'_, PyList>,
        topic: &str,
        partition: i64,
        clock_ms: i64,
    ) -> PyResult<(usize, i64, Option<Bound<'py, PyAny>>)> {
        let taught = self.taught()?;
        let mut clock_ms = clock_ms;
        let mut out: Vec<u8> = Vec::with_capacity(1024);
        let mut name: Vec<u8> = Vec::with_capacity(192);
        let count = records.len();
        for index in start..count {
            let record = records.get_item(index)?;
            let timestamp: i64 = record.getattr(intern!(py, "timestamp"))?.extract()?;
            let key = record.getattr(intern!(py, "key"))?;
            let value = record.getattr(intern!(py, "value"))?;
            let (Ok(key), Ok(value)) = (key.cast::<PyBytes>(), value.cast::<PyBytes>()) else {
                return Ok((index, clock_ms, None));
            };
            if timestamp < 0 || record.getattr(intern!(py, "headers"))?.is_truthy()? {
                return Ok((index, clock_ms, None));
            }
            let received_ms = if self.event_clock {
                timestamp.max(clock_ms)
            } else {
                timestamp
            };
            let Some(before) = stored.get_item(key)? else {
                return Ok((index, clock_ms, None));
            };
            let before = before.cast::<PyBytes>()?.as_bytes();
            out.clear();
            let Some((usage, applied)) = self.plain(
                value.as_bytes(),
                key.as_bytes(),
                before,
                received_ms,
                &mut name,
                &mut out,
            ) else {
                return Ok((index, clock_ms, None));
            };
            let after = PyBytes::new(py, &out);
            stored.set_item(key, &after)?;
            changed.set_item(key, &after)?;
            clock_ms = clock_ms.max(timestamp);
            if applied.crossed.is_empty() {
                continue;
            }
            let origin = telling::Origin {
                topic,
                partition,
                offset: record.getattr(intern!(py, "offset"))?.extract()?,
            };
            let account = &out[DUE_BYTES..];
            let said = telling::tell(
                account,
                &usage,
                &applied,
                &origin,
                &self.rules,
                &taught,
            );
            if let Some((reminder, audit)) = said {
                told.append((key, PyBytes::new(py, &reminder), PyBytes::new(py, &audit)))?;
            } else {
                // The parser lets ASCII through only.
                let crossed: Crossed<'_> = (
                    std::str::from_utf8(usage.id).unwrap_or_default(),
                    std::str::from_utf8(usage.source).unwrap_or_default(),
                    usage.time_ms,
                    received_ms,
                    usage.used_bytes,
                    applied.overage_bytes,
                    applied.crossed,
                );
                let crossed = crossed.into_pyobject(py)?.into_any();
                return Ok((index + 1, clock_ms, Some(crossed)));
            }
        }
        Ok((count, clock_ms, None))
    }
}

impl PlainUsage {
    fn taught(&self) -> PyResult<std::sync::MutexGuard<'_, telling::Taught>> {
        let poisoned = |_| PyRuntimeError::new_err("an earlier call failed");
        self.taught.lock().map_err(poisoned)
    }

    fn plain<'a>(
        &self,
        value: &'a [u8],
        key: &[u8],
        before: &[u8],
        received_ms: i64,
        name: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Option<(usage::Usage<'a>, account::Applied)> {
        if value.len() > self.max_record_bytes {
            return None;
        }
        let rules = &self.rules;
        let usage = usage::parse(value)?;
        let now_ms = usage.time_ms.max(received_ms);
        let due_ms = i64::from_be_bytes(before.get(..DUE_BYTES)?.try_into().ok()?);
        if usage.subscriber != key
            || usage.time_ms > received_ms.checked_add(rules.max_ahead_ms)?
            || usage.time_ms < received_ms.checked_sub(rules.max_age_ms)?
            || usage.used_bytes > rules.max_event_bytes
            || now_ms >= due_ms
        {
            return None;
        }
        name.clear();
        write!(name, "{}:", usage.source.len()).ok()?;
        name.extend_from_slice(usage.source);
        name.extend_from_slice(usage.id);
        let id = xxh3_64(name).to_be_bytes();
        out.extend_from_slice(&before[..DUE_BYTES]);
        let account = &before[DUE_BYTES..];
        let applied = account::apply(account, &usage, received_ms, id, rules, out)?;
        Some((usage, applied))
    }
}

#[pymodule]
fn streamproc_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<PlainUsage>()
}
