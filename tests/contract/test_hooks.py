"""What the engine reaches into of Faust, mode and aiokafka is still there and still so.

Each test names a hook of docs/hooks.md. A release that changes one fails here, before it
loses records. What only a broker can show is in tests/integration.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.consumer import fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables.recovery import Recovery
from faust.transport.drivers import aiokafka as driver
from mode.threads import ServiceThread

from streamproc.engine import faust as hooks

ROOT = Path(__file__).parents[2]


def test_the_installed_releases_are_the_pinned_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = dict(
        one.split("==")
        for one in project["dependencies"]
        if one.startswith(("faust-streaming", "mode-streaming", "aiokafka"))
    )
    assert pins == {
        name: version(name) for name in ("faust-streaming", "mode-streaming", "aiokafka")
    }


OWN = {
    *("heartbeat", "is_member", "rewind", "partitions_here", "_intake", "_intakes"),
    *("_commit_group_offsets", "_watch_for_refusals", "refusal"),
    *("is_read_out", "end_offset", "ends", "_beside", "_tell_peers", "_tell_withheld_input"),
    *("_watch_for_deleted_input", "_tell_deleted_input", "_tell_missing_input", "_note_ranges"),
    *("fetch_offset", "seek_in_thread", "next_fetch_offset"),
    *("_state", "_goes_on", "_fetch", "_perform_seek"),
    *("_rewind", "_unless_crashed"),
    *("_unread", "_say_why", "_end_hard", "_refused", "releases"),
}
"""Names of our subclasses that are not meant to override anything."""


def overrides() -> Iterator[tuple[type, str]]:
    """Our subclasses of foreign classes, and each method and attribute they define."""
    for found in pkgutil.iter_modules(hooks.__path__, f"{hooks.__name__}."):
        module = importlib.import_module(found.name)
        for one in vars(module).values():
            if inspect.isclass(one) and one.__module__ == module.__name__:
                above = {base.__module__.partition(".")[0] for base in one.__mro__}
                if not above & {"faust", "mode", "aiokafka"}:
                    continue
                for name in vars(one):
                    if name not in OWN and not name.startswith("__"):
                        yield one, name


@pytest.mark.parametrize(
    ("ours", "name"), list(overrides()), ids=lambda value: getattr(value, "__name__", value)
)
def test_what_is_overridden_exists_and_is_called_alike(ours: type, name: str) -> None:
    above = [vars(base)[name] for base in ours.__mro__[1:] if name in vars(base)]
    assert above or name in inspect.get_annotations(ours), "it overrides nothing"
    own = vars(ours)[name]
    if not inspect.isfunction(own):
        return
    theirs = inspect.unwrap(above[0])
    assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(theirs)
    found = [(one.name, one.kind) for one in inspect.signature(own).parameters.values()]
    expected = [(one.name, one.kind) for one in inspect.signature(theirs).parameters.values()]
    if found[-1][1] is inspect.Parameter.VAR_KEYWORD:  # takes whatever there is
        found.pop()
        expected = [one for one in expected if one in found]
    assert found == expected


REACHED: dict[str, list[tuple[str, Any]]] = {
    "consumer_thread": [
        ("_consumer", "thread"),
        ("_coordinator", AIOKafkaConsumer),
        ("_create_worker_consumer", driver.AIOKafkaConsumerThread),
        ("_do_heartbeat", GroupCoordinator),
        ("_ensure_consumer", driver.AIOKafkaConsumerThread),
        ("_fetch_max_wait_ms", AIOKafkaConsumer),
        ("_isolation_level", AIOKafkaConsumer),
        ("_key_deserializer", AIOKafkaConsumer),
        ("_method_queue", "consumer"),
        ("_pending_exception", GroupCoordinator),
        ("_start_heartbeat_task", GroupCoordinator),
        ("_stopped", "thread"),
        ("_stopped_set", ServiceThread),
        ("_subscription", AIOKafkaConsumer),
    ],
    "group_watch": [
        ("_group_instance_id", GroupCoordinator),
        ("_send_req", GroupCoordinator),
        ("_session_timeout_ms", GroupCoordinator),
    ],
    "app": [("_create_directories", faust.App)],
    "assignor": [("_compress", PartitionAssignor), ("_decompress", PartitionAssignor)],
    "consumer": [
        ("_acked", "consumer"),
        ("_acked_index", "consumer"),
        ("_committed_offset", "consumer"),
        ("_get_active_partitions", "consumer"),
        ("_getmany", driver.Consumer),
        ("_is_changelog_tp", driver.Consumer),
        ("_read_offset", "consumer"),
        ("_seek", driver.Consumer),
        ("_thread", "consumer"),
        ("_wait_next_records", driver.Consumer),
    ],
    "ending": [("_signal_stop_time", faust.Worker)],
    "whole_batches": [
        ("_maybe_uncompress", _DefaultRecordBatchPy),
        ("_read_msg", _DefaultRecordBatchPy),
        ("_next_slice", _MemoryRecordsPy),
        ("_consumer_record", fetcher.PartitionRecords),
        ("_partition_records", fetcher.FetchResult),
        ("_unpack_records", fetcher.PartitionRecords),
    ],
    "recovery": [
        ("_fetcher", faust.App),
        ("_is_changelog_tp", Recovery),
        ("_set_recovery_ended", Recovery),
        ("_wait", Recovery),
    ],
    "finished_batches": [
        ("_build", BatchBuilder),
        ("_set_producer_state", BatchBuilder),
    ],
    "producer": [
        ("_builder", BatchBuilder),
        ("_closed", AIOKafkaProducer),
        ("_relative_offset", BatchBuilder),
        ("_sender", AIOKafkaProducer),
        ("_txn_manager", AIOKafkaProducer),
    ],
}


LIBRARIES = {"faust", "mode", "aiokafka"}


def _touching() -> Iterator[Path]:
    """The modules of the engine, and all others that import one of the three libraries."""
    package = ROOT / "streamproc"
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        imported = {
            name.partition(".")[0] for name in re.findall(r"^ *(?:from|import) (\S+)", text, re.M)
        }
        if path.is_relative_to(package / "engine") or (
            imported & LIBRARIES and "kafka" not in imported  # whose names have a test of their own
        ):
            yield path.relative_to(package)


def test_no_private_name_is_reached_into_unlisted() -> None:
    """A private attribute of something that is not of the module itself must be listed above."""
    for path in _touching():
        tree = list(ast.walk(ast.parse((ROOT / "streamproc" / path).read_text(encoding="utf-8"))))
        attributes = [
            one for one in tree if isinstance(one, ast.Attribute) and ast.unparse(one) != "os._exit"
        ]
        own = {one.attr for one in attributes if isinstance(one.ctx, ast.Store) and _is_self(one)}
        own |= {one.name for one in tree if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        private = [one for one in attributes if re.fullmatch("_[a-z][a-z_]*", one.attr)]
        reached = {one.attr for one in private if not (_is_self(one) and one.attr in own)}
        is_listed = path.parts[:2] == ("engine", "faust")
        listed = {name for name, _ in REACHED.get(path.stem, [])} if is_listed else set()
        assert reached <= listed, path
        defined = {
            one.name for one in tree if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert listed <= {one.attr for one in private} | defined, f"{path} needs less"


def test_no_private_name_is_imported_elsewhere() -> None:
    package = ROOT / "streamproc"
    imported = [
        (path.relative_to(package).as_posix(), one.name)
        for path in sorted(package.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        and node.module
        and node.module.partition(".")[0] in LIBRARIES
        for one in node.names
        if one.name.startswith("_")
    ]
    assert {path for path, _ in imported} == {
        "engine/faust/whole_batches.py",
        "kafka/packed.py",  # the other builder of batches, held by test_kafka_python_hooks
    }


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def test_every_hook_is_listed() -> None:
    hooks = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    names = {name for one in REACHED.values() for name, _ in one}
    assert [name for name in sorted(names) if f"{name}`" not in hooks] == []
    pins = re.findall(r"(faust-streaming|mode-streaming|aiokafka) (\d[\d.]*\d)", hooks)
    assert dict(pins) == {name: version(name) for name, _ in pins}
    assert len(pins) == 3


async def test_what_is_reached_into_exists(consumer: Any) -> None:
    hooks = [hook for one in REACHED.values() for hook in one]
    assert [hook for hook in hooks if not _exists(consumer, *hook)] == []


def _exists(consumer: Any, name: str, owner: Any) -> bool:
    if owner == "consumer":
        return hasattr(consumer, name)
    if owner == "thread":
        return hasattr(consumer._thread, name)
    return hasattr(owner, name) or name in owner.__init__.__code__.co_names
