"""The interface of a kind of gateways: its entry in the gateways file, and how a gateway is made.

A kind is in the module of its gateway: one class that inherits from the class below,
and one instance.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Annotated, Any, ClassVar, Protocol

from msgspec import Meta, Struct

from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.core.state.events import Name
from streamproc.dispatch.gateways.base import Gateway
from streamproc.dispatch.model import Policy
from streamproc.errors import StreamprocError
from streamproc.kafka.errors import KafkaSettingsError
from streamproc.kafka.secret import read_private
from streamproc.printable import printable

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]
GatewayName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}\Z",
        description="1 to 64 lower-case letters, digits, dots, dashes",
    ),
]


class GatewaysError(StreamprocError, ValueError):
    """The gateways file is wrong; the message lists every problem as FILE:LINE: field: problem."""

    has_lines = True


class GatewayFileEntry(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An entry of the gateways file. An unknown field is an error."""


class BreakerEntry(GatewayFileEntry, frozen=True, kw_only=True):
    """When a failing gateway gets a pause, and how long."""

    failures: Count = 5
    open_seconds: Seconds = 5.0
    max_open_seconds: Seconds = 120.0


def out_of_order(
    written: Mapping[str, Any], least: str, greatest: str, defaults: Struct
) -> Iterator[tuple[Path, str]]:
    """The problem of two fields of which the second must not be less than the first."""
    low, high = (written.get(name, getattr(defaults, name)) for name in (least, greatest))
    if isinstance(low, int | float) and isinstance(high, int | float) and high < low:
        named = greatest if greatest in written else least
        yield (named,), f"{greatest} ({high:g}) must not be less than {least} ({low:g})"


class GatewayEntry(GatewayFileEntry, frozen=True, kw_only=True, tag_field="kind"):
    """Fields of every gateway."""

    name: GatewayName
    lanes: tuple[Name, ...] = ()
    messages_per_second: Annotated[float, Meta(gt=0, le=100_000)] = 20.0
    burst: Count = 1
    window: Count = 20
    on_unknown: Policy = "at_most_once"
    on_unknown_mandatory: Policy | None = None
    breaker: BreakerEntry = BreakerEntry()
    canary: bool = False
    """It sends the messages of canaries, and no others."""


class ChannelEntry(GatewayEntry, frozen=True, kw_only=True):
    """Fields of a gateway whose messages need not be SMS."""

    channel: Name | None = None
    """If a reminder has other words for this channel, these are sent."""


@dataclass(frozen=True)
class Site:
    """What all gateways need when they are made."""

    base: FilePath
    """Paths in the gateways file are relative to it."""
    chance: Callable[[], float]
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


class GatewayKind:
    """One kind of gateways."""

    entry: ClassVar[type[GatewayEntry]]
    """Fields and bounds. The entry's tag is the kind's name."""

    def __init__(self) -> None:
        self.name = str(self.entry.__struct_config__.tag)

    def problems(self, written: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        """Contradictions between fields of an entry; types were checked before."""
        yield from ()

    def plain_text_host(self, entry: Any) -> str | None:
        """The host to which messages go without TLS; None if there is none."""
        return None

    def gateway(self, entry: Any, site: Site) -> Gateway:
        """Make the gateway from an entry without problems. Raises :class:`GatewaysError`."""
        raise NotImplementedError


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class SecretEntry:
    """A secret that an entry names as ``WORD_env`` or ``WORD_file``. The file never contains it."""

    def __init__(self, word: str) -> None:
        self._word = word

    def problems(self, written: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        """Exactly one of the two fields must be present."""
        word = self._word
        if (f"{word}_env" in written) == (f"{word}_file" in written):
            yield (f"{word}_env",), f"give either {word}_env or {word}_file"

    def place(self, entry: _Named) -> str:
        """Where the secret is, in words."""
        word = self._word
        name, file = getattr(entry, f"{word}_env"), getattr(entry, f"{word}_file")
        return f"{word}_file {file}" if name is None else f"{word}_env {name}"

    def of(self, entry: _Named, site: Site) -> str:
        """The secret, from the place that the file names. Raises :class:`GatewaysError`."""
        word = self._word
        name = getattr(entry, f"{word}_env")
        if name is not None:
            if name not in site.environment:
                raise GatewaysError(
                    f"gateway {entry.name}: the environment has no {printable(name)}; set it"
                )
            return site.environment[name]
        file = getattr(entry, f"{word}_file")
        try:
            return read_private(site.base / str(file)).strip()
        except KafkaSettingsError as error:
            raise GatewaysError(f"gateway {entry.name}: {word}_file {file}: {error}") from None
