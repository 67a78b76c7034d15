"""CPU time per event of a core: ``python perf/semantics_core.py ROOT RULES RECORDS [worker]``.

Run by ``perf.semantics`` with the sources of any commit under ROOT, so it uses only what they all
have: decode, unpack, step, pack, encode, in Python. With ``worker`` it is what the present worker
does with its compiled part. RECORDS is a pickle of (key, value, timestamp in ms). Prints
microseconds per record, and outputs per record.
"""

import gc
import pickle
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

CHUNK = 500
"""Records that a worker is given at once."""


class Record(NamedTuple):
    """As the consumer hands it on."""

    key: bytes
    value: bytes
    timestamp: int
    offset: int
    headers: tuple[()] = ()


def main() -> None:
    root, rules_path, records_path, *form = sys.argv[1:]
    sys.path.insert(0, root)
    import streamproc
    from streamproc.contracts.rules_file.load import load_rulebook

    assert streamproc.__file__ == f"{root}/streamproc/__init__.py"
    rules = load_rulebook(Path(rules_path).read_text(encoding="utf-8"), rules_path)
    records = pickle.loads(Path(records_path).read_bytes())
    run = of_worker if form == ["worker"] else of_core
    seconds, outputs = run(rules, records)
    print(seconds * 1e6 / len(records), outputs / len(records))


def of_core(rules: Any, records: list[tuple[bytes, bytes, int]]) -> tuple[float, int]:
    """CPU seconds and outputs of the core alone."""
    from streamproc.contracts.records.codec import DecodeFailure, decode_event, encode_effect
    from streamproc.core.state.account import Account, pack, unpack
    from streamproc.core.state.events import Arrival, ClockAdvanced
    from streamproc.core.step.transition import step

    rows: dict[bytes, bytes] = {}
    outputs = 0
    gc.collect()
    gc.disable()
    more = memory()
    began = time.process_time()
    for offset, (key, value, at_ms) in enumerate(records):
        try:
            event = decode_event(value, key, ())
        except DecodeFailure:
            continue
        if isinstance(event, ClockAdvanced):
            continue  # the clock alone
        data = rows.get(key)
        account: Account | None = None if data is None else unpack(data)
        account, effects = step(account, event, Arrival(at_ms, "events", 0, offset), rules, *more)
        for effect in effects:
            encode_effect(effect)
        outputs += len(effects)
        if account is not None:
            rows[key] = pack(account)
    return time.process_time() - began, outputs


def memory() -> tuple[Any, ...]:
    """The memory of identities; none in commits that kept these in the accounts."""
    try:
        from streamproc.engine.ids import SeenIds
    except ImportError:
        return ()
    return (SeenIds(),)


def of_worker(rules: Any, records: list[tuple[bytes, bytes, int]]) -> tuple[float, int]:
    """CPU seconds and outputs of the worker's processor; what is due is done by the next event."""
    from streamproc.contracts.topics import WorkerTopics
    from streamproc.engine.processor import Outbox
    from streamproc.worker.quota_processor import QuotaProcessor

    processor = QuotaProcessor(rules, WorkerTopics(), "wall", "on")
    rows = processor.new_rows()
    outbox = Outbox()
    fetched = [Record(*one, offset) for offset, one in enumerate(records)]
    clock_ms = 0
    gc.collect()
    gc.disable()
    began = time.process_time()
    for start in range(0, len(fetched), CHUNK):
        chunk = fetched[start : start + CHUNK]
        clock_ms = processor.apply("events", 0, chunk, rows, outbox, clock_ms)
        rows.take_changes()
    seconds = time.process_time() - began
    return seconds, sum(map(len, outbox.topics.values()))


if __name__ == "__main__":
    main()
