"""Whether spans are made, and which: from the options and the standard variables of OpenTelemetry.

The library is imported only if it is wanted, by ``otel.py`` alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import structlog

from streamproc.errors import StreamprocError
from streamproc.tracing.spans import Sampling, SpanBudget, Tracer

log = structlog.get_logger(__name__)

Mode = Literal["auto", "on", "off"]

PER_SECOND: Final = 100
"""An event that is traced takes about 150 us of CPU time, its export included."""
DISABLED: Final = "OTEL_SDK_DISABLED"
EXPORTER: Final = "OTEL_TRACES_EXPORTER"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
SAMPLER: Final = "OTEL_TRACES_SAMPLER"
SAMPLER_ARG: Final = "OTEL_TRACES_SAMPLER_ARG"
USUAL_SAMPLER: Final = "parentbased_traceidratio"
_OTLP: Final = "otlp"
_SPOKEN: Final = "http/protobuf"
_BY_PARENT: Final = "parentbased_"


class TracesError(StreamprocError):
    """Spans are wanted, and cannot be made."""


@dataclass(frozen=True)
class TraceSettings:
    """The options of a process."""

    mode: Mode = "auto"
    """``auto``: if the variables name an exporter or a collector."""
    per_second: int = PER_SECOND
    """So many events, or reminders, get spans at most."""


@dataclass(frozen=True)
class TracedProcess:
    """Who makes the spans."""

    service: str
    instance: str
    group: str


def open_tracer(
    settings: TraceSettings, origin: TracedProcess, environ: Mapping[str, str] = os.environ
) -> Tracer | None:
    """None if no spans are made. Raises :class:`TracesError` with the mode ``on``; with ``auto``
    the log says what is wrong, and the process works without spans."""
    if not is_wanted(settings.mode, environ):
        return None
    try:
        return _opened(settings, origin, environ)
    except TracesError as error:
        if settings.mode == "on":
            raise
        log.warning("no traces are sent", why=str(error))
        return None


def is_wanted(mode: Mode, environ: Mapping[str, str]) -> bool:
    """Whether spans are to be made."""
    if mode == "off" or environ.get(DISABLED, "").strip().lower() == "true":
        return False
    exporter = environ.get(EXPORTER, "").strip()
    if exporter:
        return exporter != "none"
    return mode == "on" or any(environ.get(name) for name in ENDPOINTS)


def sampling_of(environ: Mapping[str, str]) -> Sampling:
    """What the variables say of sampling. Raises :class:`TracesError`."""
    sampler = environ.get(SAMPLER, "").strip() or USUAL_SAMPLER
    follows_parent = sampler.startswith(_BY_PARENT)
    kind = sampler.removeprefix(_BY_PARENT)
    if kind in ("always_on", "always_off"):
        return Sampling(float(kind == "always_on"), follows_parent)
    if kind != "traceidratio":
        raise TracesError(
            f"{SAMPLER} is {sampler}; possible are always_on, always_off and traceidratio, each "
            f"also with {_BY_PARENT} before it"
        )
    # The specification's ratio is 1 by default. Here that would be a span for every event.
    said = environ.get(SAMPLER_ARG, "").strip() or "0"
    try:
        ratio = float(said)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= 1:
        raise TracesError(f"{SAMPLER_ARG} is {said}; it must be a number from 0 to 1")
    return Sampling(ratio, follows_parent)


def _opened(settings: TraceSettings, origin: TracedProcess, environ: Mapping[str, str]) -> Tracer:
    exporter = environ.get(EXPORTER, "").strip() or _OTLP
    if exporter != _OTLP:
        raise TracesError(f"{EXPORTER} is {exporter}; possible are {_OTLP} and none")
    protocol = next((environ[name] for name in PROTOCOLS if environ.get(name)), _SPOKEN)
    if protocol != _SPOKEN:
        raise TracesError(f"the protocol for traces is {protocol}; possible is {_SPOKEN}")
    sampling = sampling_of(environ)
    try:
        from streamproc.tracing.otel import OtlpExport
    except ImportError as error:
        raise TracesError(
            f"the library is missing ({error.name}): pip install 'streamproc[otel]'"
        ) from None
    try:
        export = OtlpExport(origin.service, origin.instance)
    except ValueError as error:  # such as a batch larger than the queue
        raise TracesError(f"a variable OTEL_... is wrong: {error}") from error
    allowance = SpanBudget(settings.per_second)
    return Tracer(export.add, sampling, allowance, group=origin.group, close=export.close)
