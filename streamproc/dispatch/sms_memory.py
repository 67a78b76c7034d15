"""Which SMS of a subscriber is a new one: joins parts, and recognises repetitions.

SMPP gives an SMS no id. A message center sends it again if our answer did not arrive, and then the
same bytes are one SMS. But a subscriber can also write the same text twice. So the records tell
how far the answer to an SMS has come. An equal SMS is a repetition:

- if no answer was sent yet, or the answer may be lost (:class:`Doubted`): within ``REPEAT_MS``
- if the answer was about to be sent (:class:`Answering`): within ``CONFIRM_MS``. Later the
  dispatcher has died: a living one would have written the result.
- if the answer has arrived (:class:`Answered`): never

Some message centers name each SMS in an optional parameter. Then that name decides.

All dispatchers read the topic of incoming SMS in the same order, so they come to the same result.
Nothing here has a clock: times are those of the records.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from streamproc.contracts.records.codec import UNREADABLE
from streamproc.dispatch.journal import Moment
from streamproc.dispatch.model import IncomingPart, IncomingSms

REPEAT_MS: Final = 3_600_000
"""How long an SMS without a certain answer can be sent again, and a part waits for the others."""
CONFIRM_MS: Final = 60_000
"""A living dispatcher writes within this time whether its answer has arrived."""
SMS_LIMIT: Final = 50_000
"""SMS, and parts of SMS, that are remembered."""
LONGEST: Final = 1600
"""The longest SMS in characters, and so its longest part; see schemas/sms.received.v1.json."""

Word = Annotated[str, Meta(max_length=256)]
Written = Annotated[str, Meta(pattern=r"^([0-9a-f]{4}){0,1600}\Z")]
Octet = Annotated[int, Meta(ge=0, le=255)]


class PartHeard(Struct, frozen=True, array_like=True, tag="heard"):
    """An SMS, or one part of it, reached a dispatcher. ``nonce`` identifies the delivery."""

    nonce: Word
    gateway: Word
    subscriber: Word
    to: Word
    text: Written
    """For a part: UTF-16 in hexadecimal, because it can contain half of a character. For a whole
    SMS a digest is enough."""
    time_ms: Moment
    reference: Annotated[int, Meta(ge=0, le=0xFFFF)] = 0
    total: Octet = 1
    number: Octet = 1
    identity: Word = ""
    """A digest of the message center's own name of the SMS or part; empty if there is none."""


class CommandWritten(Struct, frozen=True, array_like=True, tag="taken"):
    """The command of an SMS was written."""

    key: Word
    id: Word


class Answering(Struct, frozen=True, array_like=True, tag="answering"):
    """The command is written, or the part is kept, and the answer is sent next."""

    key: Word
    number: Octet
    time_ms: Moment


class Answered(Struct, frozen=True, array_like=True, tag="answered"):
    """The answer to an SMS, or to a part, has certainly arrived."""

    key: Word
    number: Octet


class Doubted(Struct, frozen=True, array_like=True, tag="doubted"):
    """The answer to an SMS, or to a part, may be lost: the session ended."""

    key: Word
    number: Octet


Record = PartHeard | CommandWritten | Answering | Answered | Doubted
_decode: Callable[[bytes], Record] = msgspec.json.Decoder(Record).decode


def decode_record(value: bytes | None) -> Record | None:
    """A record of the topic; None if no dispatcher wrote it."""
    try:
        return _decode(value or b"")
    except UNREADABLE:
        return None


@dataclass(frozen=True)
class WholeSms:
    """A whole SMS, and whether its command was written already."""

    key: str
    id: str
    text: str
    """Empty if the SMS had one part: the dispatcher that received it has the text."""
    time_ms: int
    is_taken: bool


@dataclass
class _Sms:
    """Everything known about one SMS."""

    id: str
    time_ms: int
    total: int = 1
    parts: dict[int, str] = field(default_factory=dict)
    identities: dict[int, str] = field(default_factory=dict)
    answering: dict[int, int] = field(default_factory=dict)
    """When the answer to a part was about to be sent, if nothing is known of it since."""
    answered: set[int] = field(default_factory=set)
    is_taken: bool = False

    def is_repeat(self, heard: PartHeard) -> bool:
        """Whether the record is a part of this SMS, for the first time or again."""
        number = heard.number
        if heard.time_ms - self.time_ms >= REPEAT_MS:
            return False
        if self.parts.get(number, heard.text) != heard.text:
            return False
        if heard.identity:
            return self.identities.get(number, heard.identity) == heard.identity
        if number in self.answered:
            return False
        answering_ms = self.answering.get(number)
        return answering_ms is None or heard.time_ms - answering_ms < CONFIRM_MS

    def hear(self, heard: PartHeard) -> None:
        """Keep a part. If it was kept before, the answer to that one was lost."""
        self.parts[heard.number] = heard.text
        self.identities[heard.number] = heard.identity
        self.answering.pop(heard.number, None)


class SmsMemory:
    """The SMS of the last hour."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, _Sms] = OrderedDict()
        self._count = 0
        self.lost = 0
        """Parts that were forgotten before the others came."""

    def __len__(self) -> int:
        """The number of remembered parts."""
        return self._count

    def hear(self, heard: PartHeard) -> WholeSms | None:
        """A record was read. Returns the whole SMS; None while parts are missing."""
        key = key_of(heard)
        found = self._found.get(key)
        if found is None or not found.is_repeat(heard):
            if found is not None:
                self._forget(key)
            # Rejects and audit show the id. The key would betray the number: it is a hash of it.
            found = _Sms(f"{heard.nonce}-{heard.time_ms:x}", heard.time_ms, heard.total)
            self._found[key] = found
        if heard.number not in found.parts:
            self._count += 1
        found.hear(heard)
        while self._count > SMS_LIMIT:
            self._forget(next(iter(self._found)))
        if len(found.parts) < found.total:
            return None
        text = "" if found.total == 1 else joined(found.parts)
        return WholeSms(key, found.id, text, found.time_ms, found.is_taken)

    def take(self, taken: CommandWritten) -> None:
        """The command of an SMS was written."""
        found = self._found.get(taken.key)
        if found is not None and found.id == taken.id:
            found.is_taken = True

    def answer(self, told: Answering | Answered | Doubted) -> None:
        """How far the answer to an SMS has come."""
        found = self._found.get(told.key)
        if found is None:
            return
        if isinstance(told, Answering):
            found.answering[told.number] = told.time_ms
        elif isinstance(told, Answered):
            found.answered.add(told.number)
        else:
            found.answering.pop(told.number, None)

    def sweep(self, now_ms: int) -> int:
        """Forget old SMS; returns how many parts of incomplete SMS were forgotten."""
        before = self.lost
        while self._found:
            key, found = next(iter(self._found.items()))
            if now_ms - found.time_ms < REPEAT_MS:
                break
            self._forget(key)
        return self.lost - before

    def _forget(self, key: str) -> None:
        found = self._found.pop(key)
        self._count -= len(found.parts)
        if len(found.parts) < found.total:
            self.lost += len(found.parts)


def heard_of(sms: IncomingSms, nonce: str, now_ms: int) -> PartHeard:
    """The record of a delivery."""
    part = sms.part or IncomingPart(0, 1, 1)
    body = sms.text.encode("utf-16-be", "surrogatepass")
    written = body.hex() if sms.part else blake2b(body, digest_size=12).hexdigest()
    return PartHeard(
        *(nonce, sms.gateway, sms.subscriber, sms.to, written, now_ms),
        *(part.reference, part.total, part.number),
        blake2b(sms.identity.encode(), digest_size=12).hexdigest() if sms.identity else "",
    )


def key_of(heard: PartHeard) -> str:
    """The key that repetitions of a text have in common; for a long text, all its parts have it."""
    facts = [heard.gateway, heard.subscriber, heard.to, str(heard.reference), str(heard.total)]
    if heard.total == 1:
        facts += [heard.text, heard.identity]
    return blake2b("\0".join(facts).encode(), digest_size=12).hexdigest()


def joined(parts: dict[int, str]) -> str:
    """The whole text, from parts as records have them."""
    written = "".join(parts[number] for number in sorted(parts))
    return bytes.fromhex(written).decode("utf-16-be", "replace")


def whole_characters(text: str) -> str:
    """The text without halves of characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
