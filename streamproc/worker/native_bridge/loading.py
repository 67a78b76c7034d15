"""The compiled part for plain usage, if it is installed (``native/``); the core decides all the
rest.

It applies usage without special effects and writes exactly the bytes that the core would
write (tests/property compares them). It leaves every other record to the core. Usage that
crosses thresholds is plain if the messages of the rules change no account; the core then
makes the messages.
"""

from __future__ import annotations

from typing import Any, Literal

import structlog

from streamproc.contracts.records.codec import MAX_RECORD_BYTES
from streamproc.core.rules.rulebook import Rulebook
from streamproc.engine.cluster import Pack
from streamproc.engine.fetched import WalkedRecords, Walker
from streamproc.engine.ids import IdMemory, SeenIds
from streamproc.errors import StreamprocError
from streamproc.worker.native_bridge.interface.fingerprint import interface
from streamproc.worker.native_bridge.known_rules import known
from streamproc.worker.native_bridge.unsupported import unsupported
from streamproc.worker.settings import Native

try:
    import streamproc_native
except ImportError:  # it was not built here: the results are the same, but slower
    streamproc_native = None

log = structlog.get_logger(__name__)


class NativeMissingError(StreamprocError):
    """The compiled part was required, but it is not installed or belongs to another release."""


def is_native(choice: Native) -> bool:
    """Whether the compiled part is used.

    Raises :class:`NativeMissingError` if ``on`` cannot be satisfied, and for a build that was not
    made from this core and these sources: it would write wrong states.
    """
    if choice == "off":
        return False
    if streamproc_native is None:
        if choice == "on":
            raise NativeMissingError(
                "streamproc_native is not installed: pip took the pure wheel, because there is no "
                "other for this platform (docs/packages.md); in a checkout: pip install ./native"
            )
        return False
    if not _is_of_this_release():
        # Not ignored silently: the worker would be half as fast without a visible reason.
        raise NativeMissingError(
            "streamproc_native is of another release: pip install ./native builds it again; after "
            "pip uninstall streamproc-native all works without it (a worker: --native off)"
        )
    return True


def installed() -> Literal["in use", "not installed", "of another release"]:
    """What ``auto`` finds here, for people."""
    if streamproc_native is None:
        return "not installed"
    return "in use" if _is_of_this_release() else "of another release"


def _is_of_this_release() -> bool:
    """Whether it was built from this core and its sources."""
    return bool(getattr(streamproc_native, "INTERFACE", None) == interface())


def new_ids(is_native: bool) -> IdMemory:
    """The identities of a partition; those of the compiled part if it is used."""
    if not is_native:
        return SeenIds()
    compiled: IdMemory = streamproc_native.SeenIds()
    return compiled


def packer(is_native: bool) -> Pack | None:
    """What makes record batches without aiokafka; None if the compiled part is not used."""
    if not is_native:
        return None
    compiled: Pack = streamproc_native.pack_records
    return compiled


def walker(is_native: bool) -> Walker | None:
    """What reads fetched batches without aiokafka; None if the compiled part is not used."""
    if not is_native:
        return None
    WalkedRecords.register(streamproc_native.Records)
    compiled: Walker = streamproc_native
    return compiled


def plain_usage(rules: Rulebook, *, event_clock: bool, partitions: int = 0) -> Any:
    """``apply(records, start, end, stored, changed, ids, told, topic, partition, clock_ms, stop)``.

    It returns ``(next, clock_ms, crossed)``. ``records`` is a list, or what a walker gave.

    ``told`` gets (key, reminder, audit record) of all messages that the compiled part makes itself.
    ``crossed`` is None, or the fields of a :class:`NativeCrossing`: then the record before ``next``
    is applied, and the core must make its messages.

    ``partitions`` is the number of partitions of the input topics. 0: not known; then the place of
    records is not checked.

    None if the rules contain anything that the compiled part does not know: then the core
    applies everything.
    """
    unknown = unsupported(rules)
    if unknown:
        log.warning("the compiled part does not know these rules; usage is slower", rules=unknown)
        return None
    return streamproc_native.PlainUsage(known(rules), event_clock, MAX_RECORD_BYTES, partitions)
