"""The meaning of the options of ``streamproc replay``."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamproc.cli.durations import Duration
from streamproc.cli.regions import asked_for
from streamproc.cli.rules import read_rules
from streamproc.cli.values import FilePath

if TYPE_CHECKING:
    from streamproc.tools.replay.pseudonymising import Pseudonymiser
    from streamproc.tools.replay.sources import Source


def source_of(text: str, options: dict[str, Any]) -> Source:
    """The source that an argument names."""
    from streamproc.tools.replay.sources import FileSource, TopicSource

    from_offsets, to_offsets = _offsets(options["from_offsets"]), _offsets(options["to_offsets"])
    if text.startswith("topic:"):
        broker = options["from_broker"] or options["broker"]
        if broker is None:
            raise click.UsageError("give --broker or --from-broker HOST:PORT")
        return TopicSource(
            broker,
            text.removeprefix("topic:"),
            from_offsets=from_offsets,
            to_offsets=to_offsets,
            from_ms=options["from_time"],
            to_ms=options["to_time"],
        )
    if from_offsets is not None or to_offsets is not None:
        raise click.UsageError("--from-offset and --to-offset are for topics; use times")
    path: Path = FilePath().convert(text, None, None)
    return FileSource(path)


def selection_of(options: dict[str, Any]) -> Any:
    """What the options select."""
    from streamproc.tools.replay.selection import TYPES, Selection

    unknown = sorted(set(options["types"]) - TYPES)
    if unknown:
        raise click.UsageError(
            f"--type {unknown[0]!r}: there is no such type; there are {', '.join(sorted(TYPES))}"
        )
    return Selection(
        subscribers=frozenset(asked_for(one, None).encode() for one in options["subscribers"]),
        types=frozenset(options["types"]),
        topics=frozenset(options["topics"]),
        from_ms=options["from_time"],
        to_ms=options["to_time"],
    )


def pseudonymiser_of(path: Path | None, rules: Path | None) -> Pseudonymiser | None:
    """What hides people with the key of a file. A weak or public key ends the command."""
    from streamproc.kafka.secret import read_private
    from streamproc.tools.replay.pseudonymising import Pseudonymiser

    if path is None:
        return None
    key = read_private(path).strip().encode()
    try:
        return Pseudonymiser(key, read_rules(rules))
    except ValueError as error:
        raise click.ClickException(f"{path}: {error}") from error


def _offsets(texts: tuple[str, ...]) -> dict[int, int] | int | None:
    if not texts:
        return None
    found: dict[int, int] = {}
    for text in texts:
        partition, colon, offset = text.rpartition(":")
        if not offset.isdecimal() or (colon and not partition.isdecimal()):
            raise click.UsageError(f"{text!r} is not an offset; write OFFSET or PARTITION:OFFSET")
        if not colon:
            return int(offset)
        found[int(partition)] = int(offset)
    return found


def speed_of(text: str) -> float | None:
    """A multiple of the recorded pace; None: as fast as possible."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not speed > 0:
        raise click.UsageError(f"--speed {text!r}: write max, or a number such as 1 or 60")
    return speed


def shift_of(text: str, source: Source, speed: float | None) -> int:
    """By how much all times are shifted."""
    if text == "kept":
        return 0
    if text != "now":
        return Duration(signed=True).convert(text, None, None)
    span = source.span_ms()
    if span is None:
        return 0
    # The last record must not lie in the future at the time when it is written.
    takes_ms = 0 if speed is None else int((span[1] - span[0]) / speed)
    return int(time.time() * 1000) + takes_ms - span[1]


SLOWNESS = 2**16
"""The cost of a hash: 0.2 s and 64 MB for each number that somebody tries."""


def name_of(source: Source, options: dict[str, Any]) -> str:
    """The default name of a replay: the same for the same source, topic and options."""
    parts = [source.identity, options["topic"]]
    for one in ("subscribers", "types", "topics", "from_time", "to_time", "shift", "advance_clock"):
        parts.append(repr(options[one]))
    told = "\n".join(parts).encode()
    if options["subscribers"]:
        # The name stands in the broker's lists. A slow hash keeps anybody from finding the number
        # by trying all.
        slow = hashlib.scrypt(told, salt=b"replay", n=SLOWNESS, r=8, p=1, maxmem=2**27, dklen=6)
        return slow.hex()
    return hashlib.sha256(told).hexdigest()[:12]
