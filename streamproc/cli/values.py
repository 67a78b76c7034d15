"""Types of option values. They refuse any wrong value and say what to write."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import click

LONGEST_NAME_BYTES = 255
"""Of one part of a path, on Linux."""
KAFKA_PORT = 9092
"""Both libraries take it where an address has no port."""
_ADDRESS = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?\Z")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")


class FilePath(click.Path):
    """A path of a file or a directory, as ``pathlib.Path``; keywords are those of click's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = os.fspath(value)
        if not text:
            self.fail("the name is empty; give the path of a file", param, ctx)
        if "\0" in text:
            self.fail(f"{text!r} has a zero character; give the path of a file", param, ctx)
        if any(len(os.fsencode(one)) > LONGEST_NAME_BYTES for one in text.split(os.sep)):
            self.fail(f"a name in it is longer than {LONGEST_NAME_BYTES} bytes", param, ctx)
        return super().convert(value, param, ctx)

    def beside(self, text: str, folder: Path) -> str:
        """The path in a file of ``folder``: a relative one is relative to the folder."""
        return str(folder / text) if text else text


def refuse_broken_text(
    kind: click.ParamType, text: str, param: click.Parameter | None, ctx: click.Context | None
) -> None:
    """Refuse bytes that are not UTF-8, which Python passes on as halves of characters."""
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        kind.fail("it has bytes that are not UTF-8", param, ctx)


class AnyText(click.types.StringParamType):
    """Any text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        refuse_broken_text(self, found, param, ctx)
        return found


class Addresses(click.ParamType):
    """HOST:PORT of one or more brokers, separated by commas; the port may be left out."""

    name = "addresses"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        for one in text.split(","):
            found = _ADDRESS.match(one.strip())
            if not found or not 0 < int(found[1] or KAFKA_PORT) < 65_536:
                self.fail(
                    f"{text!r} is no address of a broker; write HOST:PORT, or several with commas",
                    param,
                    ctx,
                )
        return text


class TopicName(click.ParamType):
    """The name of a topic, as Kafka allows it; also the prefix of such names."""

    name = "topic"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not _TOPIC.match(text) or text in (".", ".."):
            self.fail(
                f"{text!r} is no name of a topic; write 1 to 249 of a-z A-Z 0-9 . _ -", param, ctx
            )
        return text


class Name(TopicName):
    """The name of a group or of one of its members."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not _TOPIC.match(text) or text in (".", ".."):
            self.fail(f"{text!r} is no name; write 1 to 249 of a-z A-Z 0-9 . _ -", param, ctx)
        return text


class Number(click.FloatRange):
    """A finite number in a range. click's own ranges accept ``nan`` and ``inf``."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is no number; write for instance 1.5", param, ctx)
        found: float = super().convert(value, param, ctx)
        return found


class Count(click.IntRange):
    """A whole number in a range of 32 bits, because Kafka's counts have 32 bits."""

    def __init__(self, least: int = 0, most: int = 2**31 - 1) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            int(value)
        except ValueError:
            self.fail(f"{str(value)[:40]!r} is no whole number; write for instance 5", param, ctx)
        found: int = super().convert(value, param, ctx)
        return found
