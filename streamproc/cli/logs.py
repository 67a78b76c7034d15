"""One form for all log lines, of this program and of libraries, with masked subscribers (law
21)."""

from __future__ import annotations

import logging
import logging.config
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import structlog

from streamproc.cli.expected import Expected
from streamproc.cli.repeats import Repeats
from streamproc.core.privacy import mask
from streamproc.errors import StreamprocError
from streamproc.kafka.rights import missing_right

Format = Literal["text", "json"]

_QUIET = ("faust", "mode", "aiokafka", "kafka", "asyncio")
"""Libraries that log every step. Only their warnings are shown, unless the level is debug."""

# Values of Kafka's settings, such as retention.ms=7776000000, are in commands that operators copy.
_NUMBER = re.compile(r"(?<![\w.-])(?<!\.ms=)(?<!\.bytes=)\+?[0-9]{9,15}(?![\w-])")
"""Digits in the text of a library that can be a subscriber's number."""


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
        else [structlog.dev.ConsoleRenderer(colors=False, pad_event_to=40)]
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


def _add_facts(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    for facts in _facts:
        for name, value in facts().items():
            event.setdefault(name, value)
    return event


def expected_in_words(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """An error of this program is a message for operators, and so is a right that is missing: they
    have no traceback. Libraries log every exception with one."""
    found = event.get("exc_info")
    error = found[1] if isinstance(found, tuple) else found
    if isinstance(error, BaseException):
        why = str(error) if isinstance(error, StreamprocError) else missing_right(error)
        if why is not None:
            del event["exc_info"]
            if why not in str(event.get("event")):
                event.setdefault("why", why)
    return event


def conceal(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Mask everything in texts that looks like a subscriber's number. Numeric values are not
    changed."""
    for name, value in event.items():
        if isinstance(value, str) and name != "timestamp":
            event[name] = _NUMBER.sub(lambda found: mask(found.group()), value)
    return event
