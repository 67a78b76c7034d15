"""One form for all log lines, of this program and of libraries, with masked subscribers (law
21)."""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any, Literal

import structlog
from msgspec import Struct

from streamproc.cli.expected import Expected
from streamproc.cli.repeats import Repeats
from streamproc.core.privacy import mask
from streamproc.errors import StreamprocError
from streamproc.kafka.missing_rights import missing_right
from streamproc.printable import printable_lines

Format = Literal["text", "json"]

_QUIET = ("faust", "mode", "aiokafka", "kafka", "asyncio", "urllib3")
"""Libraries that log every step. Only their warnings are shown, unless the level is debug."""

_CONNECTIONS = "kafka.net.transport"
"""The logger of kafka-python's connections."""

_NUMBER = re.compile(
    # Ids, seconds since 1970, and values of Kafka's settings in commands that operators copy.
    r"(?P<kept>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[0-9]*[a-f])[0-9a-f]{24,}\b"
    r"|(?<![\d.])1\d{9}\.\d+(?![\d.])|[a-z]\.(?:ms|bytes)=\d+\b)"
    r"|\d{9,}"
    r"|(?:\+|\b00)\(?\d{1,5}(?:[ ().\-/\u00a0]{1,2}\d{2,6}){2,6}"
)
"""What can be a subscriber's number in the text of a library."""
_PLAIN = (int, float, type(None))


_facts: list[Callable[[], Mapping[str, Any]]] = []


def on_every_line(facts: Callable[[], Mapping[str, Any]]) -> None:
    """With ``--log-format json`` every line has these fields, too. Text lines stay short."""
    _facts.append(facts)


def configure(level: str = "info", form: Format = "text") -> dict[str, Any]:
    """Configure structlog and logging; returns the ``dictConfig`` that Faust's worker must
    use too."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.ExtraAdder(),
        expected_in_words,
        structlog.processors.format_exc_info,
        conceal,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _facts.clear()
    renderers: list[Any] = (
        [_add_facts, structlog.processors.JSONRenderer()]
        if form == "json"
        else [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=40), _printable]
    )
    ours = level.upper()
    theirs = "INFO" if ours == "DEBUG" else "WARNING"
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *renderers,
                ],
            }
        },
        "filters": {"expected": {"()": Expected, "level": ours}, "repeats": {"()": Repeats}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["expected", "repeats"],
            }
        },
        "loggers": {
            **{name: {"level": theirs} for name in _QUIET},
            # It warns whenever a tick takes longer than its interval, which is normal under load.
            "mode.timers": {"level": "ERROR"},
        },
        "root": {"handlers": ["stderr"], "level": ours},
    }
    logging.config.dictConfig(config)
    return config


def _printable(_: Any, __: str, line: str) -> str:
    """A line as text, without what records of others could do to a terminal.

    What follows a line end, such as a traceback, is indented. So no text of others looks like a
    line of this log.
    """
    return printable_lines(line).replace("\n", "\n    ")


def _add_facts(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    for facts in _facts:
        for name, value in facts().items():
            event.setdefault(name, value)
    return event


def expected_in_words(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """An error of this program is a message for operators, and so is a right that is missing, or a
    broker that ends a connection: they have no traceback. Libraries log every exception with
    one."""
    found = event.get("exc_info")
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        why = str(error) if isinstance(error, StreamprocError) else missing_right(error)
        if why is not None:
            del event["exc_info"]
            if why not in str(event.get("event")):
                event.setdefault("why", why)
        elif isinstance(error, OSError) and _logger_of(event) == _CONNECTIONS:
            del event["exc_info"]  # A connection that ends. The line says why.
    return event


def _logger_of(event: Mapping[str, Any]) -> str | None:
    """The name of a library's logger."""
    record = event.get("_record")
    return record.name if isinstance(record, logging.LogRecord) else None


def conceal(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Mask everything in texts that looks like a subscriber's number. Numeric values are not
    changed. Of objects with fields only the type is shown, because fields can hold texts."""
    for name, value in event.items():
        # What structlog keeps for itself begins with an underscore.
        if name != "timestamp" and not name.startswith("_"):
            event[name] = _concealed(value)
    return event


def _concealed(value: Any) -> Any:
    if isinstance(value, str):
        return _NUMBER.sub(_masked, value)
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {_concealed(name): _concealed(one) for name, one in value.items()}
    if isinstance(value, Struct) or is_dataclass(value) or hasattr(value, "_fields"):
        return f"<{type(value).__name__}>"
    if isinstance(value, list | tuple | set | frozenset):
        return [_concealed(one) for one in value]
    shown = repr(value)
    hidden = _NUMBER.sub(_masked, shown)
    return value if shown == hidden else hidden


def _masked(found: re.Match[str]) -> str:
    return found.group() if found["kept"] else mask(found.group())
