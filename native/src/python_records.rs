//! Fetched records as Python sees them: a sequence that makes an object of a record when asked.

use std::sync::Arc;

use pyo3::exceptions::{PyIndexError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PySlice, PyString, PyTuple};

use crate::batches::HEAD_BYTES;
use crate::constants_generated::{BAGGAGE, ORIGIN_HEADER, TRACEPARENT, TRACESTATE};
use crate::fetched::{self, Fetched, Headers, Record};

/// From so many bytes on the interpreter's lock is released meanwhile. To get it back can take as
/// long as another thread's whole interval, five milliseconds.
const UNLOCKED_FROM_BYTES: usize = 1 << 20;

/// A batch that was walked, and the bytes in which its content begins at `from`.
struct Walked {
    batch: Fetched,
    data: Py<PyBytes>,
    from: usize,
}

impl Walked {
    fn content<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        self.data.as_bytes(py).get(self.from..).unwrap_or_default()
    }
}

/// Some records of a batch, and how many are before them in the sequence.
#[derive(Clone)]
struct Piece {
    walked: Arc<Walked>,
    from: usize,
    until: usize,
    before: usize,
}

impl Piece {
    fn len(&self) -> usize {
        self.until - self.from
    }
}

/// Records of one partition, in order.
#[pyclass(frozen)]
pub struct Records {
    pieces: Vec<Piece>,
    count: usize,
}

/// A record with the attributes of a consumed one.
#[pyclass(frozen, get_all)]
struct FetchedRecord {
    offset: i64,
    timestamp: i64,
    timestamp_type: u8,
    key: Option<Py<PyBytes>>,
    value: Option<Py<PyBytes>>,
    headers: Py<PyList>,
}

/// Whether the checksum of the batch in `data[begin:end]` is right.
#[pyfunction]
pub fn is_intact(py: Python<'_>, data: &[u8], begin: usize, end: usize) -> bool {
    let batch = data.get(begin..end).unwrap_or_default();
    unlocked(py, batch.len(), || fetched::is_intact(batch))
}

/// The records of the batch in `data[begin:end]`, whose checksum and size have been checked.
/// `content`: its unpacked records, if they are compressed. None: not surely a batch of records.
#[pyfunction]
#[pyo3(signature = (data, begin, end, content=None))]
pub fn walk(
    py: Python<'_>,
    data: &Bound<'_, PyBytes>,
    begin: usize,
    end: usize,
    content: Option<&Bound<'_, PyBytes>>,
) -> Option<Records> {
    let batch = data.as_bytes().get(begin..end)?;
    let unpacked = content.map(|one| one.as_bytes());
    let bytes = unpacked.map_or(batch.len(), <[u8]>::len);
    let found = unlocked(py, bytes, || Fetched::walk(batch, unpacked))?;
    let count = found.len();
    let walked = Arc::new(Walked {
        batch: found,
        data: content.unwrap_or(data).clone().unbind(),
        from: content.map_or(begin + HEAD_BYTES, |_| 0),
    });
    let mut records = Records::empty();
    records.push(&walked, 0, count);
    Some(records)
}

fn unlocked<T: Send>(py: Python<'_>, bytes: usize, work: impl FnOnce() -> T + Send) -> T {
    if bytes < UNLOCKED_FROM_BYTES {
        work()
    } else {
        py.detach(work)
    }
}

#[pymethods]
impl Records {
    /// All records of several sequences, in this order.
    #[staticmethod]
    fn joined(parts: Vec<PyRef<'_, Records>>) -> Self {
        let mut all = Records::empty();
        for part in parts {
            for piece in &part.pieces {
                all.push(&piece.walked, piece.from, piece.until);
            }
        }
        all
    }

    fn __len__(&self) -> usize {
        self.count
    }

    /// A record, or those of a slice.
    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(slice) = index.cast::<PySlice>() {
            let found = slice.indices(self.count as isize)?;
            if found.step != 1 {
                return Err(PyValueError::new_err("only slices of step 1"));
            }
            let (start, stop) = (found.start as usize, found.stop as usize);
            return Ok(self.part(start, stop).into_pyobject(py)?.into_any());
        }
        let index: isize = index
            .extract()
            .map_err(|_| PyTypeError::new_err("an index, or a slice"))?;
        let from_end = if index < 0 { self.count as isize } else { 0 };
        let (piece, at) = usize::try_from(index + from_end)
            .ok()
            .and_then(|index| self.find(index))
            .ok_or_else(|| PyIndexError::new_err("no such record"))?;
        Ok(object_of(py, &piece.walked, at)?
            .into_pyobject(py)?
            .into_any())
    }

    /// How many records of the first ones are before an offset.
    fn before(&self, offset: i64) -> usize {
        let is_before = |piece: &&Piece| piece.walked.batch.offset(piece.until - 1) < offset;
        let whole: Vec<&Piece> = self.pieces.iter().take_while(is_before).collect();
        let count: usize = whole.iter().map(|piece| piece.len()).sum();
        let rest = self.pieces.get(whole.len()).map_or(0, |piece| {
            (piece.from..piece.until)
                .take_while(|&at| piece.walked.batch.offset(at) < offset)
                .count()
        });
        count + rest
    }

    /// How many headers all records have together.
    fn header_count(&self) -> usize {
        self.all().map(|(batch, at)| batch.headers(at)).sum()
    }

    /// The bytes of the largest value.
    fn most_value_bytes(&self) -> usize {
        let bytes = self.all().map(|(batch, at)| batch.value_bytes(at));
        bytes.max().unwrap_or(0)
    }

    /// Where parts end that have at most `size` records, and of which all but the last take at most
    /// `most_bytes`: a value and `record_bytes` each, and `header_bytes` for each header.
    fn ends(
        &self,
        size: usize,
        most_bytes: usize,
        record_bytes: usize,
        header_bytes: usize,
    ) -> Vec<usize> {
        let (mut found, mut begin, mut held) = (Vec::new(), 0, 0);
        for (index, (batch, at)) in self.all().enumerate() {
            if index - begin >= size || held > most_bytes {
                found.push(index);
                (begin, held) = (index, 0);
            }
            held += batch.value_bytes(at) + record_bytes + header_bytes * batch.headers(at);
        }
        found.push(self.count);
        found
    }
}

impl Records {
    fn empty() -> Self {
        Records {
            pieces: Vec::new(),
            count: 0,
        }
    }

    fn push(&mut self, walked: &Arc<Walked>, from: usize, until: usize) {
        if from >= until {
            return;
        }
        self.pieces.push(Piece {
            walked: walked.clone(),
            from,
            until,
            before: self.count,
        });
        self.count += until - from;
    }

    fn part(&self, start: usize, stop: usize) -> Self {
        let mut found = Records::empty();
        for piece in &self.pieces {
            let from = start.max(piece.before).min(piece.before + piece.len());
            let until = stop.max(from).min(piece.before + piece.len());
            let at = |index: usize| index - piece.before + piece.from;
            found.push(&piece.walked, at(from), at(until));
        }
        found
    }

    /// The piece of a record, and its place in the batch.
    fn find(&self, index: usize) -> Option<(&Piece, usize)> {
        let behind = self.pieces.partition_point(|one| one.before <= index);
        let piece = self.pieces.get(behind.checked_sub(1)?)?;
        let at = index - piece.before + piece.from;
        (at < piece.until).then_some((piece, at))
    }

    fn all(&self) -> impl Iterator<Item = (&Fetched, usize)> {
        self.pieces
            .iter()
            .flat_map(|piece| (piece.from..piece.until).map(|at| (&piece.walked.batch, at)))
    }

    /// Records from `start` up to `end`, with their indices.
    pub fn between<'a>(
        &'a self,
        py: Python<'a>,
        start: usize,
        end: usize,
    ) -> impl Iterator<Item = (usize, Record<'a>)> {
        let first = self
            .pieces
            .partition_point(|one| one.before + one.len() <= start);
        let pieces = self.pieces.get(first..).unwrap_or_default();
        pieces
            .iter()
            .take_while(move |piece| piece.before < end)
            .flat_map(move |piece| {
                let content = piece.walked.content(py);
                let from = start.max(piece.before);
                let until = end.min(piece.before + piece.len());
                (from..until).map(move |index| {
                    let at = index - piece.before + piece.from;
                    (index, piece.walked.batch.at(content, at))
                })
            })
    }
}

fn object_of(py: Python<'_>, walked: &Walked, at: usize) -> PyResult<FetchedRecord> {
    let record = walked.batch.at(walked.content(py), at);
    let bytes = |part: Option<&[u8]>| part.map(|one| PyBytes::new(py, one).unbind());
    Ok(FetchedRecord {
        offset: record.offset,
        timestamp: record.timestamp_ms,
        timestamp_type: u8::from(walked.batch.has_append_time),
        key: bytes(record.key),
        value: bytes(record.value),
        headers: headers_of(py, record.headers)?.unbind(),
    })
}

/// Headers as Python has them. A name that is not UTF-8 has its bytes as backslash escapes.
pub fn headers_of<'py>(py: Python<'py>, headers: Headers<'_>) -> PyResult<Bound<'py, PyList>> {
    let found = PyList::empty(py);
    for (name, value) in headers {
        let name = match std::str::from_utf8(name) {
            Ok(name) => name.into_pyobject(py)?.into_any(),
            Err(_) => {
                PyBytes::new(py, name).call_method1("decode", ("utf-8", "backslashreplace"))?
            }
        };
        let value = value.map(|one| PyBytes::new(py, one));
        found.append(PyTuple::new(
            py,
            [name, value.into_pyobject(py)?.into_any()],
        )?)?;
    }
    Ok(found)
}

/// A record of the input, in either form.
pub trait Incoming<'py> {
    fn key(&self) -> Option<&[u8]>;
    fn value(&self) -> Option<&[u8]>;
    fn timestamp_ms(&self) -> i64;
    fn offset(&self) -> PyResult<i64>;
    /// Whether headers say nothing of the event: they are of a trace, or of a forwarded record.
    fn has_plain_headers(&self, stops_at_sampled: bool) -> PyResult<bool>;
    /// Only for a record that has a key.
    fn key_object(&self, py: Python<'py>) -> Bound<'py, PyBytes>;
    fn headers_object(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

impl<'py> Incoming<'py> for Record<'_> {
    fn key(&self) -> Option<&[u8]> {
        self.key
    }

    fn value(&self) -> Option<&[u8]> {
        self.value
    }

    fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    fn offset(&self) -> PyResult<i64> {
        Ok(self.offset)
    }

    fn has_plain_headers(&self, stops_at_sampled: bool) -> PyResult<bool> {
        let mut headers = self.headers;
        Ok(headers.all(|(name, value)| is_plain(name, value, stops_at_sampled)))
    }

    fn key_object(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.key.unwrap_or_default())
    }

    fn headers_object(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(headers_of(py, self.headers)?.into_any())
    }
}

/// A record that is an object, in a list.
pub struct ListedRecord<'py> {
    record: Bound<'py, PyAny>,
    key: Bound<'py, PyAny>,
    value: Bound<'py, PyAny>,
    headers: Bound<'py, PyAny>,
    timestamp_ms: i64,
}

impl<'py> ListedRecord<'py> {
    pub fn of(record: &Bound<'py, PyAny>) -> PyResult<Self> {
        let py = record.py();
        Ok(ListedRecord {
            key: record.getattr(intern!(py, "key"))?,
            value: record.getattr(intern!(py, "value"))?,
            headers: record.getattr(intern!(py, "headers"))?,
            timestamp_ms: record.getattr(intern!(py, "timestamp"))?.extract()?,
            record: record.clone(),
        })
    }
}

impl<'py> Incoming<'py> for ListedRecord<'py> {
    fn key(&self) -> Option<&[u8]> {
        self.key.cast::<PyBytes>().ok().map(|one| one.as_bytes())
    }

    fn value(&self) -> Option<&[u8]> {
        self.value.cast::<PyBytes>().ok().map(|one| one.as_bytes())
    }

    fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    fn offset(&self) -> PyResult<i64> {
        self.record
            .getattr(intern!(self.record.py(), "offset"))?
            .extract()
    }

    fn has_plain_headers(&self, stops_at_sampled: bool) -> PyResult<bool> {
        if !self.headers.is_truthy()? {
            return Ok(true);
        }
        for header in self.headers.try_iter()? {
            let header = header?;
            let (name, value) = (header.get_item(0)?, header.get_item(1)?);
            // A name that is not UTF-8 is none of those that are known.
            let name = name.cast::<PyString>()?.to_str().unwrap_or_default();
            let value = value.cast::<PyBytes>().ok().map(|one| one.as_bytes());
            if !is_plain(name.as_bytes(), value, stops_at_sampled) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn key_object(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let key = self.key.cast::<PyBytes>();
        key.map_or_else(|_| PyBytes::new(py, b""), Bound::clone)
    }

    fn headers_object(&self, _py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.headers.clone())
    }
}

/// Where the last hexadecimal digit of the flags is in a `traceparent`.
const LAST_FLAG: usize = 54;

fn is_plain(name: &[u8], value: Option<&[u8]>, stops_at_sampled: bool) -> bool {
    [ORIGIN_HEADER, TRACEPARENT, TRACESTATE, BAGGAGE].contains(&name)
        && !(stops_at_sampled && name == TRACEPARENT && value.is_some_and(says_sampled))
}

/// Whether the flag "sampled" is set in a `traceparent`. Python decides whether it is a valid one.
fn says_sampled(parent: &[u8]) -> bool {
    let last_flag = parent.trim_ascii().get(LAST_FLAG);
    last_flag.is_some_and(|digit| b"13579bdf".contains(digit))
}
