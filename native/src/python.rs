//! What Python uses: the class `PlainUsage` and the hash `INTERFACE`.

use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::applying::apply;
use crate::batches::{self, Batches};
use crate::constants_generated::{BAGGAGE, DUE_BYTES, ORIGIN_HEADER, TRACEPARENT, TRACESTATE};
use crate::ids;
use crate::interface_generated::INTERFACE;
use crate::place::partition_of;
use crate::telling;
use crate::views_generated::{NativeCrossing, Rules, TaughtText};

#[pyclass(frozen)]
struct PlainUsage {
    rules: Rules,
    event_clock: bool,
    max_record_bytes: usize,
    partitions: i64,
    taught: Mutex<telling::Taught>,
}

#[pymethods]
impl PlainUsage {
    /// `rules` has the attributes of `Rules` in views_generated.rs. `partitions` is how many an
    /// input topic has: a record that lies elsewhere than its key belongs is not plain. 0 if that
    /// is not known: then every place is right.
    #[new]
    #[pyo3(signature = (rules, event_clock, max_record_bytes, partitions=0))]
    fn new(rules: Rules, event_clock: bool, max_record_bytes: usize, partitions: i64) -> Self {
        PlainUsage {
            rules,
            event_clock,
            max_record_bytes,
            partitions,
            taught: Mutex::default(),
        }
    }

    /// From now on make messages of rule number `rule` with these words, for accounts with this
    /// locale. They are valid for one local day, for buckets with bytes left or for empty ones.
    fn learn_words(
        &self,
        rule: usize,
        locale: &str,
        local_day: i64,
        is_empty: bool,
        words: TaughtText,
    ) -> PyResult<()> {
        self.taught()?
            .learn_words(rule, locale.as_bytes(), local_day, is_empty, words);
        Ok(())
    }

    /// From now on show instants of this UTC day with this offset of the zone.
    fn learn_offset(&self, zone: &str, utc_day: i64, offset_ms: i64) -> PyResult<()> {
        self.taught()?
            .learn_offset(zone.as_bytes(), utc_day, offset_ms);
        Ok(())
    }

    /// Apply `records[start:end]` to `stored` (key to due instant and packed account) as long as
    /// they are plain. Changed rows are also put into `changed`, and `ids` remembers the events.
    /// Messages are put into `told` as (key, reminder, audit record, headers of the event).
    /// `stops_at_sampled`: a record whose trace is sampled is not plain.
    ///
    /// Returns the index of the first record that was not applied, the partition's clock, and None
    /// or the fields of a `NativeCrossing`: then Python must make the messages of the record before
    /// that index.
    #[allow(clippy::too_many_arguments)] // what a processor has, each a thing of its own
    fn apply<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'_, PyList>,
        start: usize,
        end: usize,
        stored: &Bound<'_, PyDict>,
        changed: &Bound<'_, PyDict>,
        ids: &Bound<'_, SeenIds>,
        told: &Bound<'_, PyList>,
        topic: &str,
        partition: i64,
        clock_ms: i64,
        stops_at_sampled: bool,
    ) -> PyResult<(usize, i64, Option<Bound<'py, PyAny>>)> {
        let taught = self.taught()?;
        let mut ids = ids.get().0.lock().map_err(poisoned)?;
        let mut clock_ms = clock_ms;
        let mut out: Vec<u8> = Vec::with_capacity(1024);
        let mut name: Vec<u8> = Vec::with_capacity(192);
        for index in start..end {
            let record = records.get_item(index)?;
            let timestamp: i64 = record.getattr(intern!(py, "timestamp"))?.extract()?;
            let key = record.getattr(intern!(py, "key"))?;
            let value = record.getattr(intern!(py, "value"))?;
            let headers = record.getattr(intern!(py, "headers"))?;
            let (Ok(key), Ok(value)) = (key.cast::<PyBytes>(), value.cast::<PyBytes>()) else {
                return Ok((index, clock_ms, None));
            };
            if timestamp < 0
                || value.as_bytes().len() > self.max_record_bytes
                || !is_plain(&headers, stops_at_sampled)?
                || self.is_elsewhere(key.as_bytes(), partition)
            {
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
            let Some((usage, applied)) = apply(
                &self.rules,
                &mut ids,
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
            let said = telling::tell(account, &usage, &applied, &origin, &self.rules, &taught);
            if let Some((reminder, audit)) = said {
                let (reminder, audit) = (PyBytes::new(py, &reminder), PyBytes::new(py, &audit));
                told.append((key, reminder, audit, headers))?;
            } else {
                // The parser accepts ASCII only.
                let crossed = NativeCrossing {
                    event_id: std::str::from_utf8(usage.id).unwrap_or_default(),
                    source: std::str::from_utf8(usage.source).unwrap_or_default(),
                    time_ms: usage.time_ms,
                    received_ms,
                    used_bytes: usage.used_bytes,
                    overage_bytes: applied.overage_bytes,
                    buckets: applied.crossed,
                };
                let crossed = crossed.into_tuple().into_pyobject(py)?.into_any();
                return Ok((index + 1, clock_ms, Some(crossed)));
            }
        }
        Ok((end, clock_ms, None))
    }
}

impl PlainUsage {
    fn is_elsewhere(&self, key: &[u8], partition: i64) -> bool {
        self.partitions > 0 && partition_of(key, self.partitions) != partition
    }

    fn taught(&self) -> PyResult<std::sync::MutexGuard<'_, telling::Taught>> {
        self.taught.lock().map_err(poisoned)
    }
}

fn poisoned<T>(_: PoisonError<T>) -> PyErr {
    PyRuntimeError::new_err("an earlier call failed")
}

/// The identities of a partition, with the methods of `SeenIds` in streamproc/engine/ids.py.
#[pyclass(frozen)]
struct SeenIds(Mutex<ids::SeenIds>);

/// Where the last hexadecimal digit of the flags is in a `traceparent`.
const LAST_FLAG: usize = 54;

type Change<'py> = (Bound<'py, PyBytes>, Option<Bound<'py, PyBytes>>);

#[pymethods]
impl SeenIds {
    #[new]
    #[pyo3(signature = (slots=ids::SLOTS, merged_ids=ids::MERGED_IDS))]
    fn new(slots: usize, merged_ids: usize) -> Self {
        SeenIds(Mutex::new(ids::SeenIds::new(slots, merged_ids)))
    }

    fn __len__(&self) -> PyResult<usize> {
        Ok(self.ids()?.len())
    }

    #[getter]
    fn forgets_with_arrivals(&self) -> PyResult<bool> {
        Ok(self.ids()?.forgets_with_arrivals)
    }

    #[setter]
    fn set_forgets_with_arrivals(&self, is_so: bool) -> PyResult<()> {
        self.ids()?.forgets_with_arrivals = is_so;
        Ok(())
    }

    #[getter]
    fn forgotten_ms(&self) -> PyResult<i64> {
        Ok(self.ids()?.forgotten_ms())
    }

    #[getter]
    fn old_until_ms(&self) -> PyResult<i64> {
        Ok(self.ids()?.old_until_ms())
    }

    #[getter]
    fn unsure_until_ms(&self) -> PyResult<i64> {
        Ok(self.ids()?.unsure_until_ms())
    }

    #[getter]
    fn ages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, self.ids()?.ages()))
    }

    fn keep_ages(&self, ages: &[u8], unsure_until_ms: i64) -> PyResult<()> {
        self.ids()?.keep_ages(ages, unsure_until_ms);
        Ok(())
    }

    fn is_seen(&self, name: &[u8], received_ms: i64) -> PyResult<bool> {
        let ids = self.ids()?;
        Ok(ids.is_seen(ids.digest(name), received_ms))
    }

    fn remember(&self, name: &[u8], received_ms: i64, until_ms: i64) -> PyResult<()> {
        let mut ids = self.ids()?;
        let digest = ids.digest(name);
        ids.remember(digest, received_ms, until_ms)
            .ok_or_else(|| PyValueError::new_err("an id cannot be remembered for so long"))
    }

    fn expect_old(&self, until_ms: i64) -> PyResult<()> {
        self.ids()?.expect_old(until_ms);
        Ok(())
    }

    fn begin(&self, key: [u8; 16]) -> PyResult<()> {
        self.ids()?.begin(key);
        Ok(())
    }

    fn expire(&self, now_ms: i64) -> PyResult<()> {
        self.ids()?.expire(now_ms);
        Ok(())
    }

    #[getter]
    fn is_changed(&self) -> PyResult<bool> {
        Ok(self.ids()?.is_changed())
    }

    fn take_changes<'py>(&self, py: Python<'py>) -> PyResult<Vec<Change<'py>>> {
        let changes = self.ids()?.take_changes();
        let bytes = |data: Vec<u8>| PyBytes::new(py, &data);
        Ok(changes
            .into_iter()
            .map(|(key, value)| (bytes(key), value.map(bytes)))
            .collect())
    }

    #[pyo3(signature = (key, value))]
    fn load(&self, key: &[u8], value: Option<&[u8]>) -> PyResult<()> {
        let broken = || PyValueError::new_err("a record of ids in the changelog cannot be read");
        self.ids()?.load(key, value).ok_or_else(broken)
    }

    fn loaded(&self) -> PyResult<()> {
        self.ids()?.loaded();
        Ok(())
    }

    fn memory_bytes(&self) -> PyResult<usize> {
        Ok(self.ids()?.memory_bytes())
    }

    fn head<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.ids()?.head()))
    }

    fn days(&self) -> PyResult<Vec<i64>> {
        Ok(self.ids()?.days())
    }

    fn of_day<'py>(&self, py: Python<'py>, day: i64) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.ids()?.of_day(day)))
    }
}

impl SeenIds {
    fn ids(&self) -> PyResult<std::sync::MutexGuard<'_, ids::SeenIds>> {
        self.0.lock().map_err(poisoned)
    }
}

/// A batch of records, where aiokafka expects its `BatchBuilder`.
#[pyclass(frozen)]
struct FinishedBatch(Mutex<batches::Batch>);

#[pymethods]
impl FinishedBatch {
    fn record_count(&self) -> PyResult<i32> {
        Ok(self.batch()?.count)
    }

    /// Its bytes.
    fn size(&self) -> PyResult<usize> {
        Ok(self.batch()?.data.len())
    }

    /// Write who sends the batch, and the checksum.
    fn seal(&self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> PyResult<()> {
        self.batch()?
            .seal(producer_id, producer_epoch, base_sequence);
        Ok(())
    }

    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.batch()?.data))
    }
}

impl FinishedBatch {
    fn batch(&self) -> PyResult<std::sync::MutexGuard<'_, batches::Batch>> {
        self.0.lock().map_err(poisoned)
    }
}

/// The batches of a transaction for records (pairs of key and value) that all have this time.
#[pyfunction]
fn pack_records(
    records: &Bound<'_, PyList>,
    timestamp_ms: i64,
    batch_bytes: usize,
) -> PyResult<Vec<FinishedBatch>> {
    let mut batches = Batches::new(timestamp_ms, batch_bytes);
    for record in records {
        let record = record.cast::<PyTuple>()?;
        let (key, value) = (record.get_borrowed_item(0)?, record.get_borrowed_item(1)?);
        batches.append(bytes_of(&key)?, bytes_of(&value)?);
    }
    let finished = batches.finish().into_iter();
    Ok(finished.map(|one| FinishedBatch(Mutex::new(one))).collect())
}

fn bytes_of<'a>(part: &'a Bound<'_, PyAny>) -> PyResult<Option<&'a [u8]>> {
    if part.is_none() {
        return Ok(None);
    }
    Ok(Some(part.cast::<PyBytes>()?.as_bytes()))
}

/// Whether headers say nothing of the event: they are of a trace, or of a forwarded record.
fn is_plain(headers: &Bound<'_, PyAny>, stops_at_sampled: bool) -> PyResult<bool> {
    if !headers.is_truthy()? {
        return Ok(true);
    }
    for header in headers.try_iter()? {
        let header = header?;
        let name = header.get_item(0)?;
        // A name that is not UTF-8 is none of these.
        let name = name.cast::<PyString>()?.to_str().unwrap_or_default();
        if ![ORIGIN_HEADER, TRACEPARENT, TRACESTATE, BAGGAGE].contains(&name.as_bytes()) {
            return Ok(false);
        }
        if stops_at_sampled && name.as_bytes() == TRACEPARENT && says_sampled(&header.get_item(1)?)
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether the flag "sampled" is set in a `traceparent`. Python decides whether it is a valid one.
fn says_sampled(parent: &Bound<'_, PyAny>) -> bool {
    parent.cast::<PyBytes>().is_ok_and(|parent| {
        let last_flag = parent.as_bytes().trim_ascii().get(LAST_FLAG);
        last_flag.is_some_and(|digit| b"13579bdf".contains(digit))
    })
}

#[pymodule]
fn streamproc_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<PlainUsage>()?;
    module.add_class::<SeenIds>()?;
    module.add_class::<FinishedBatch>()?;
    module.add_function(wrap_pyfunction!(pack_records, module)?)
}
