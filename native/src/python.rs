//! What Python uses: the class `PlainUsage`, the hash `INTERFACE`, and what goes with them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::account::Applied;
use crate::applying::apply;
use crate::batches::{self, Batches};
use crate::constants_generated::DUE_BYTES;
use crate::ids;
use crate::interface_generated::INTERFACE;
use crate::place::partition_of;
use crate::python_records::{self, Incoming, ListedRecord, Records};
use crate::telling;
use crate::usage::Usage;
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
    /// `records` is a list, or `Records`. `stops_at_sampled`: a record whose trace is sampled is not
    /// plain.
    ///
    /// Returns the index of the first record that was not applied, the partition's clock, and None
    /// or the fields of a `NativeCrossing`: then Python must make the messages of the record before
    /// that index.
    #[allow(clippy::too_many_arguments)] // what a processor has, each a thing of its own
    fn apply<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
        start: usize,
        end: usize,
        stored: &Bound<'py, PyDict>,
        changed: &Bound<'py, PyDict>,
        ids: &Bound<'py, SeenIds>,
        told: &Bound<'py, PyList>,
        topic: &str,
        partition: i64,
        clock_ms: i64,
        stops_at_sampled: bool,
    ) -> PyResult<(usize, i64, Option<Bound<'py, PyAny>>)> {
        let mut run = Run {
            py,
            plain: self,
            taught: self.taught()?,
            ids: ids.get().0.lock().map_err(poisoned)?,
            stored,
            changed,
            told,
            topic,
            partition,
            clock_ms,
            stops_at_sampled,
            out: Vec::with_capacity(1024),
            name: Vec::with_capacity(192),
        };
        let mut ended = (end, Step::Applied);
        if let Ok(walked) = records.cast::<Records>() {
            for (index, record) in walked.get().between(py, start, end) {
                let step = run.step(&record)?;
                if !matches!(step, Step::Applied) {
                    ended = (index, step);
                    break;
                }
            }
        } else {
            let records = records.cast::<PyList>()?;
            for index in start..end {
                let step = run.step(&ListedRecord::of(&records.get_item(index)?)?)?;
                if !matches!(step, Step::Applied) {
                    ended = (index, step);
                    break;
                }
            }
        }
        Ok(match ended {
            (index, Step::Crossed(crossed)) => (index + 1, run.clock_ms, Some(crossed)),
            (index, _) => (index, run.clock_ms, None),
        })
    }
}

/// The result of a record.
enum Step<'py> {
    Applied,
    NotPlain,
    /// It is applied, and Python must make its messages: the fields of a `NativeCrossing`.
    Crossed(Bound<'py, PyAny>),
}

/// What a call of `apply` works on.
struct Run<'a, 'py> {
    py: Python<'py>,
    plain: &'a PlainUsage,
    taught: MutexGuard<'a, telling::Taught>,
    ids: MutexGuard<'a, ids::SeenIds>,
    stored: &'a Bound<'py, PyDict>,
    changed: &'a Bound<'py, PyDict>,
    told: &'a Bound<'py, PyList>,
    topic: &'a str,
    partition: i64,
    clock_ms: i64,
    stops_at_sampled: bool,
    /// Buffers that are used again.
    out: Vec<u8>,
    name: Vec<u8>,
}

impl<'py> Run<'_, 'py> {
    fn step(&mut self, record: &impl Incoming<'py>) -> PyResult<Step<'py>> {
        let (plain, timestamp) = (self.plain, record.timestamp_ms());
        let (Some(key), Some(value)) = (record.key(), record.value()) else {
            return Ok(Step::NotPlain);
        };
        if timestamp < 0
            || value.len() > plain.max_record_bytes
            || !record.has_plain_headers(self.stops_at_sampled)?
            || plain.is_elsewhere(key, self.partition)
        {
            return Ok(Step::NotPlain);
        }
        let received_ms = if plain.event_clock {
            timestamp.max(self.clock_ms)
        } else {
            timestamp
        };
        let key_object = record.key_object(self.py);
        let Some(before) = self.stored.get_item(&key_object)? else {
            return Ok(Step::NotPlain);
        };
        self.out.clear();
        let Some((usage, applied)) = apply(
            &plain.rules,
            &mut self.ids,
            value,
            key,
            before.cast::<PyBytes>()?.as_bytes(),
            received_ms,
            &mut self.name,
            &mut self.out,
        ) else {
            return Ok(Step::NotPlain);
        };
        let after = PyBytes::new(self.py, &self.out);
        self.stored.set_item(&key_object, &after)?;
        self.changed.set_item(&key_object, &after)?;
        self.clock_ms = self.clock_ms.max(timestamp);
        if applied.crossed.is_empty() {
            return Ok(Step::Applied);
        }
        self.tell(record, &key_object, &usage, applied, received_ms)
    }

    /// Make the messages of usage that crossed thresholds.
    fn tell(
        &self,
        record: &impl Incoming<'py>,
        key: &Bound<'py, PyBytes>,
        usage: &Usage<'_>,
        applied: Applied,
        received_ms: i64,
    ) -> PyResult<Step<'py>> {
        let (py, plain) = (self.py, self.plain);
        let origin = telling::Origin {
            topic: self.topic,
            partition: self.partition,
            offset: record.offset()?,
        };
        let account = &self.out[DUE_BYTES..];
        let said = telling::tell(
            account,
            usage,
            &applied,
            &origin,
            &plain.rules,
            &self.taught,
        );
        if let Some((reminder, audit)) = said {
            let (reminder, audit) = (PyBytes::new(py, &reminder), PyBytes::new(py, &audit));
            self.told
                .append((key, reminder, audit, record.headers_object(py)?))?;
            return Ok(Step::Applied);
        }
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
        Ok(Step::Crossed(crossed))
    }
}

impl PlainUsage {
    fn is_elsewhere(&self, key: &[u8], partition: i64) -> bool {
        self.partitions > 0 && partition_of(key, self.partitions) != partition
    }

    fn taught(&self) -> PyResult<MutexGuard<'_, telling::Taught>> {
        self.taught.lock().map_err(poisoned)
    }
}

fn poisoned<T>(_: PoisonError<T>) -> PyErr {
    PyRuntimeError::new_err("an earlier call failed")
}

/// The identities of a partition, with the methods of `SeenIds` in streamproc/engine/ids.py.
#[pyclass(frozen)]
struct SeenIds(Mutex<ids::SeenIds>);

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
    fn ids(&self) -> PyResult<MutexGuard<'_, ids::SeenIds>> {
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
    fn batch(&self) -> PyResult<MutexGuard<'_, batches::Batch>> {
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

#[pymodule]
fn streamproc_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<PlainUsage>()?;
    module.add_class::<SeenIds>()?;
    module.add_class::<FinishedBatch>()?;
    module.add_class::<Records>()?;
    module.add_function(wrap_pyfunction!(python_records::is_intact, module)?)?;
    module.add_function(wrap_pyfunction!(python_records::walk, module)?)?;
    module.add_function(wrap_pyfunction!(pack_records, module)?)
}
