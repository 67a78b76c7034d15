"""Records of the rules topic: whole rules files with their texts, as workers have taken them."""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from streamproc.contracts.rules_file.texts import Content
from streamproc.core.state.effects import Natural
from streamproc.core.state.events import Instant, Name

VersionId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
FileName = Annotated[str, Meta(min_length=1, max_length=255)]
AppId = Annotated[str, Meta(min_length=1, max_length=249)]
RulesText = Annotated[str, Meta(min_length=1)]
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Exceptions of :func:`decode_rules`."""


class RulesPublished(Struct, frozen=True, gc=False, tag="rules.published", tag_field="type"):
    """A version of the rules of an application."""

    id: VersionId
    """A hash of the content: equal rules have equal ids."""
    app_id: AppId
    time: Instant
    source: Name
    """Which process has published them."""
    fingerprint: Natural
    """What log lines of workers call ``rules``."""
    file: FileName
    """The name of the file, without its directory; it says whether ``rules`` is TOML or YAML."""
    rules: RulesText
    texts: dict[FileName, str] = {}
    """The files of the texts directory, by name."""

    @property
    def key(self) -> bytes:
        """The key of its record: the newest record of a key is kept."""
        return f"{self.app_id} {self.id}".encode()

    def content(self) -> Content:
        """The files as they are read from disk, with names for messages."""
        folder = PurePath(self.file).with_suffix(".texts")
        texts = {str(folder / name): text.encode() for name, text in self.texts.items()}
        return Content(self.rules.encode(), texts)


def version_id(file: str, content: Content) -> str:
    """The id of a version."""
    found = hashlib.sha256()
    named = {PurePath(path).name: text for path, text in content.texts.items()}
    for part in (PurePath(file).suffix.encode(), content.rules, *_in_order(named)):
        found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()[:32]


def _in_order(texts: dict[str, bytes]) -> list[bytes]:
    return [part for name in sorted(texts) for part in (name.encode(), texts[name])]


encode_rules = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RulesPublished).decode


def decode_rules(value: bytes) -> RulesPublished:
    """Decode a version. Raises one of :data:`UNREADABLE`."""
    return _decode(value)
