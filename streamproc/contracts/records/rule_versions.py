"""Records of the rules topic: whole rules files with their texts.

``streamproc rules publish`` writes versions, which have numbers. What a worker has taken from its
own rules file has none.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from streamproc.contracts.rules_file.texts import Content
from streamproc.core.state.effects import Natural
from streamproc.core.state.events import MAX_INTEGER, Instant, Name

VersionId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
VersionNumber = Annotated[int, Meta(ge=1, le=MAX_INTEGER)]
FileName = Annotated[str, Meta(min_length=1, max_length=255)]
AppId = Annotated[str, Meta(min_length=1, max_length=249)]
RulesText = Annotated[str, Meta(min_length=1)]
LONGEST_NOTE: Final = 1_000
Note = Annotated[str, Meta(max_length=LONGEST_NOTE)]
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
    number: VersionNumber | UnsetType = UNSET
    """Counts the published versions of an application from 1 on; absent in what a worker keeps."""
    author: Name | UnsetType = UNSET
    """Who has published it: the user of the login, or of the system and its host."""
    note: Note = ""
    valid_from: Instant | UnsetType = UNSET
    """It is not in force before this instant."""
    awaits_approval: bool = False
    """It is not in force as long as there is no approver."""
    approver: Name | UnsetType = UNSET
    approved_at: Instant | UnsetType = UNSET

    @property
    def key(self) -> bytes:
        """The key of its record: the newest record of a key is kept."""
        if self.number is UNSET:
            return f"{self.app_id} {self.id}".encode()
        return number_key(self.app_id, self.number)

    def content(self) -> Content:
        """The files as they are read from disk, with names for messages."""
        folder = PurePath(self.file).with_suffix(".texts")
        texts = {str(folder / name): text.encode() for name, text in self.texts.items()}
        return Content(self.rules.encode(), texts)


def number_key(app_id: str, number: int) -> bytes:
    """The key of the records of a numbered version."""
    return f"{app_id} #{number}".encode()


def number_in(key: bytes | None, app_id: str) -> int | None:
    """The number of a version of an application, of its record's key; None for other keys."""
    begin = f"{app_id} #".encode()
    if key is None or not key.startswith(begin):
        return None
    digits = key[len(begin) :]
    return int(digits) if digits.isdigit() and len(digits) <= len(str(MAX_INTEGER)) else None


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


def version_in(value: bytes) -> RulesPublished | None:
    """The version in a record; None if it is none that this release can read."""
    try:
        found = decode_rules(value)
        is_file = PurePath(found.file).name == found.file  # "." and "/" have no name
    except UNREADABLE:
        return None
    return found if is_file else None
