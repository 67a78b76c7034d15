"""The compiled plain case of usage, if it is installed (``native/``); the core decides all else.

It applies usage that nothing special happens to, writing byte for byte what the core would write
(tests/property holds them together), and leaves every other record to the core. Usage that crosses
thresholds is plain under rules whose messages change no account; the core then tells of it.
"""

from __future__ import annotations

from typing import Any

import structlog

from streamproc.contracts.records.codec import MAX_RECORD_BYTES
from streamproc.core.rules.rulebook import Rulebook
from streamproc.errors import StreamprocError
from streamproc.worker.native_bridge.joint.interface import interface
from streamproc.worker.native_bridge.known_rules import known
from streamproc.worker.native_bridge.undeclared import undeclared
from streamproc.worker.settings import Native

try:
    import streamproc_native
except ImportError:  # not built here: the same results, slower
    streamproc_native = None

log = structlog.get_logger(__name__)


class NativeMissingError(StreamprocError):
    """The compiled part was demanded and is not installed, or is one of another release."""


def is_native(choice: Native) -> bool:
    """Whether the compiled part is used.

    Raises :class:`NativeMissingError` for a vain ``on``, and for a build that was not made from
    this core and these sources: it would write wrong states.
    """
    if choice == "off":
        return False
    if streamproc_native is None:
        if choice == "on":
            raise NativeMissingError("streamproc_native is not installed: pip install ./native")
        return False
    if getattr(streamproc_native, "INTERFACE", None) != interface():
        # Not passed over in silence: a worker would be half as fast for no visible reason.
        raise NativeMissingError(
            "streamproc_native is of another release: pip install ./native, or --native off"
        )
    return True


def plain_usage(rules: Rulebook, *, event_clock: bool) -> Any:
    """``apply(records, start, stored, changed, told, topic, partition, clock_ms)``, which returns
    ``(next, clock_ms, crossed)``.

    ``told`` gets (key, reminder, audit record) of all that the compiled part tells of itself.
    ``crossed`` is None, or the fields of a :class:`Crossed`: then the record before ``next`` is
    applied, and has to be told of.

    None if the rules have what the compiled part does not know: then the core applies everything.
    """
    unknown = undeclared(rules)
    if unknown:
        log.warning("the compiled part does not know these rules: usage is slower", of=unknown)
        return None
    return streamproc_native.PlainUsage(known(rules), event_clock, MAX_RECORD_BYTES)
