"""The identities that a partition has counted, in memory and in its changelog.

A name becomes a keyed digest of eight bytes (SipHash-2-4 with a key of the partition's own, so that
nobody can choose names with equal digests). Two different names have the same digest with a
probability of n / 2**64 for each new one, for n remembered names.

A digest is kept until the end of a UTC day. Digests of one day go together: from memory when the
day is over, and from the changelog by deleting the day's records. In memory a digest takes nine
bytes in a table (:class:`_Part`).

In the changelog a commit adds one record with the digests that it covers, under one of
:data:`SLOTS` keys that are used in turn. When all are used, or hold :data:`MERGED_IDS` digests, one
commit writes the digests of all slots once more, under a lasting key of their day. So a digest is
written at most twice, and there are few keys, however many commits there are. A record that says
where the slots stand is written with it (``_Head``).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct as Layout
from typing import Protocol

from siphash24 import siphash24

DAY_MS = 86_400_000
KEY_BYTES = 16
DIGEST_BYTES = 8
IDS_KEY = b"\0ids"
"""How all keys of these records begin. The head record has this key."""
SLOTS = 256
MERGED_IDS = 65_536
"""No record holds more digests: half a megabyte."""
LONGEST_DAYS = 250
"""A digest can be kept for so many days: a table has one byte for the day."""
SPAN_DAYS = 255
"""A table holds digests of fewer days. The first of so many days are over for certain."""

_SLOT_KEY = Layout(">4sB")
_LASTING_KEY = Layout(">4sii")
_SPAN = Layout(">ii")
_HEAD = Layout(f">{KEY_BYTES}sqiqqi")

Changes = list[tuple[bytes, bytes | None]]


class IdMemory(Protocol):
    """What :class:`SeenIds` and the compiled part's class of the same name both do."""

    @property
    def forgotten_ms(self) -> int: ...

    @property
    def old_until_ms(self) -> int: ...

    @property
    def ages(self) -> bytes: ...

    @property
    def unsure_until_ms(self) -> int: ...

    def keep_ages(self, ages: bytes, unsure_until_ms: int) -> None: ...

    def __len__(self) -> int: ...

    def is_seen(self, name: bytes, received_ms: int) -> bool: ...

    def remember(self, name: bytes, received_ms: int, until_ms: int) -> None: ...

    def expect_old(self, until_ms: int) -> None: ...

    def begin(self, key: bytes) -> None: ...

    def expire(self, now_ms: int) -> None: ...

    @property
    def is_changed(self) -> bool: ...

    def take_changes(self) -> Changes: ...

    def load(self, key: bytes, value: bytes | None) -> None: ...

    def loaded(self) -> None: ...

    def memory_bytes(self) -> int: ...

    def head(self) -> bytes: ...

    def days(self) -> list[int]: ...

    def of_day(self, day: int) -> bytes: ...


def is_of_ids(key: bytes | None) -> bool:
    """Whether a record of the changelog with this key is one of these."""
    return key is not None and key.startswith(IDS_KEY)


def key_of(ids: IdMemory) -> bytes:
    """The key of the digests; 16 zeros if there is none yet."""
    return ids.head()[:KEY_BYTES]


def snapshot(ids: IdMemory) -> dict[bytes, bytes]:
    """Records from which the same can be loaded, for a copy that no worker continues."""
    records = {IDS_KEY: ids.head()}
    for day in ids.days():
        digests = ids.of_day(day)
        for number, at in enumerate(range(0, len(digests), MERGED_IDS * DIGEST_BYTES)):
            part = digests[at : at + MERGED_IDS * DIGEST_BYTES]
            records[_LASTING_KEY.pack(IDS_KEY, day, number)] = part
    return records


def differing(one: IdMemory, other: IdMemory, *, is_part: bool = False) -> tuple[int, int]:
    """How many digests only the one and only the other remembers, of what both should.

    With ``is_part``, the other remembers only a part, and the first number is 0.
    """
    forgotten_day = max(one.forgotten_ms, other.forgotten_ms) // DAY_MS
    missing = added = 0
    for day in {*one.days(), *other.days()}:
        mine, its = one.of_day(day), other.of_day(day)
        if day <= forgotten_day or mine == its:
            continue
        left, right = set(_unpacked(mine)), set(_unpacked(its))
        missing += 0 if is_part else len(left - right)
        added += len(right - left)
    return missing, added


@dataclass
class _Head:
    """Where the records of a partition stand."""

    key: bytes = b""
    """The key of the digests; empty until the partition is opened for the first time."""
    turn: int = 0
    """Slots of other turns are merged already."""
    forgotten_day: int = 0
    """Digests that were kept until the begin of this day are gone."""
    old_until_ms: int = 0
    unsure_until_ms: int = 0
    lasting: dict[int, int] = field(default_factory=dict)
    """How many lasting records each day has."""
    ages: bytes = b""
    """What the core keeps of its limits."""

    def pack(self) -> bytes:
        """The head record."""
        fixed = (self.key, self.turn, self.forgotten_day, self.old_until_ms, self.unsure_until_ms)
        spans = b"".join(_SPAN.pack(*one) for one in self.lasting.items())
        return _HEAD.pack(*fixed, len(self.lasting)) + spans + self.ages

    @staticmethod
    def unpack(data: bytes) -> _Head:
        """Raises ``struct.error`` for anything that is not a head record."""
        key, turn, forgotten_day, old_until_ms, unsure_until_ms, days = _HEAD.unpack_from(data)
        end = _HEAD.size + days * _SPAN.size
        lasting = dict(_SPAN.iter_unpack(data[_HEAD.size : end]))
        fixed = key, turn, forgotten_day, old_until_ms, unsure_until_ms
        return _Head(*fixed, lasting, data[end:])


class SeenIds:
    """The identities of one partition. This is the definition; native/src/ids.rs does the same."""

    def __init__(self, slots: int = SLOTS, merged_ids: int = MERGED_IDS) -> None:
        """Tests use fewer ``slots`` (at most 256) and smaller records."""
        self._slots = slots
        self._merged_ids = merged_ids
        self._head = _Head()
        self._key = bytes(KEY_BYTES)
        self._table = _Table()
        self._added: list[tuple[int, int]] = []
        """(last day, digest) since the last commit was taken."""
        self._unmerged: list[tuple[int, int]] = []
        """The same, of the slots of this turn."""
        self._slot = 0
        self._gone: list[int] = []
        """Days whose records are to be deleted."""
        self._is_head_changed = False
        self._is_head_written = False
        """Until then there is nothing that it would have to be written for."""
        self._found: dict[int, tuple[int, list[tuple[int, int]]]] = {}
        """Slots as they were loaded: their turn and their content."""
        self._latest = b"", 0
        """The latest name and its digest."""

    def __len__(self) -> int:
        return len(self._table)

    @property
    def forgotten_ms(self) -> int:
        """What was to be kept until an earlier instant is gone."""
        return self._head.forgotten_day * DAY_MS

    @property
    def old_until_ms(self) -> int:
        """Until this instant there may be names of earlier releases."""
        return self._head.old_until_ms

    @property
    def ages(self) -> bytes:
        """What the core keeps of its limits."""
        return self._head.ages

    @property
    def unsure_until_ms(self) -> int:
        """The core has to look into ``ages`` for events of an earlier time."""
        return self._head.unsure_until_ms

    def keep_ages(self, ages: bytes, unsure_until_ms: int) -> None:
        """Keep this for the core."""
        self._head.ages, self._head.unsure_until_ms = ages, unsure_until_ms
        self._is_head_changed = True

    def is_seen(self, name: bytes, received_ms: int) -> bool:
        """Whether a name was remembered until a day after that of ``received_ms``."""
        last_day = self._table.find(self._digest(name))
        return last_day > received_ms // DAY_MS

    def remember(self, name: bytes, received_ms: int, until_ms: int) -> None:
        """Remember a name that was not seen, until the end of the day of ``until_ms``. What was
        kept until the day of ``received_ms`` is forgotten."""
        self.expire(received_ms)
        last_day = until_ms // DAY_MS + 1
        if last_day - self._head.forgotten_day > LONGEST_DAYS:
            raise ValueError(f"an id cannot be remembered for more than {LONGEST_DAYS} days")
        if last_day > self._head.forgotten_day:
            digest = self._digest(name)
            self._table.put(digest, last_day)
            self._added.append((last_day, digest))

    def expect_old(self, until_ms: int) -> None:
        """There are names of earlier releases until this instant."""
        if until_ms > self._head.old_until_ms:
            self._head.old_until_ms = until_ms
            self._is_head_changed = True

    def begin(self, key: bytes) -> None:
        """Use this key, unless the partition has one."""
        if not self._head.key:
            self._use(key)
            self._head.key = key
            self._is_head_changed = True

    def _use(self, key: bytes) -> None:
        self._key = key
        self._latest = b"", 0

    def expire(self, now_ms: int) -> None:
        """Forget what was kept until now. No event that arrived earlier follows any more."""
        today = now_ms // DAY_MS
        head = self._head
        if today <= head.forgotten_day:
            return
        head.forgotten_day = today
        self._table.drop(today)
        # A commit may have to write them still, for the records of its day that exist already.
        self._added = [one for one in self._added if one[0] > today]
        self._unmerged = [one for one in self._unmerged if one[0] > today]
        self._gone += [day for day in head.lasting if day <= today]
        self._is_head_changed = self._is_head_changed or bool(head.key)

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._added) or (self._is_head_changed and self._is_head_written)

    def take_changes(self) -> Changes:
        """The records for the changelog since the last call; None deletes one."""
        head, added = self._head, self._added
        changes: Changes = []
        if added:
            self._added = []
            self._unmerged += added
            if self._slot < self._slots and len(self._unmerged) <= self._merged_ids:
                changes.append((_SLOT_KEY.pack(IDS_KEY, self._slot), _slot(head.turn, added)))
                self._slot += 1
            else:
                changes += self._merged()
        for day in self._gone:
            for number in range(head.lasting.pop(day, 0)):
                changes.append((_LASTING_KEY.pack(IDS_KEY, day, number), None))
        self._gone = []
        if self._is_head_changed:
            self._is_head_changed, self._is_head_written = False, True
            # First: who loads it then forgets before it remembers more.
            changes.insert(0, (IDS_KEY, head.pack()))
        return changes

    def _merged(self) -> Changes:
        """Write the digests of all slots once more, and begin a new turn."""
        head = self._head
        changes: Changes = []
        for day, digests in _by_day(self._unmerged):
            for at in range(0, len(digests), self._merged_ids):
                number = head.lasting.get(day, 0)
                head.lasting[day] = number + 1
                key = _LASTING_KEY.pack(IDS_KEY, day, number)
                changes.append((key, _packed(digests[at : at + self._merged_ids])))
        self._unmerged = []
        self._slot = 0
        head.turn += 1
        self._is_head_changed = True
        return changes

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take over a record of the changelog whose key begins with :data:`IDS_KEY`."""
        if len(key) == len(IDS_KEY):
            self._head = _Head.unpack(value or b"")
            self._is_head_written = True
            self._use(self._head.key)
            self._table.drop(self._head.forgotten_day)  # a warm copy must not keep what is over
        elif len(key) == _SLOT_KEY.size:
            turn, content = _of_slot(value or b"")
            self._found[_SLOT_KEY.unpack(key)[1]] = turn, content
            self._take_over(content)
        elif value is not None:
            day = _LASTING_KEY.unpack(key)[1]
            self._take_over((day, digest) for digest in _unpacked(value))

    def _take_over(self, content: Iterable[tuple[int, int]]) -> None:
        table = self._table
        for day, digest in content:
            over = max(self._head.forgotten_day, table.newest_day - SPAN_DAYS)
            if day > over and table.find(digest) < day:
                table.put(digest, day)

    def loaded(self) -> None:
        """All records of the changelog are here."""
        head = self._head
        self._table.drop(head.forgotten_day)
        self._unmerged = []
        self._slot = 0
        for slot, (turn, content) in sorted(self._found.items()):
            if turn == head.turn:
                self._slot = slot + 1
                self._unmerged += [one for one in content if one[0] > head.forgotten_day]
        self._found = {}

    def memory_bytes(self) -> int:
        """What the digests take in memory."""
        return self._table.memory_bytes()

    def head(self) -> bytes:
        """The head record."""
        return self._head.pack()

    def days(self) -> list[int]:
        """The days until whose begin digests are kept."""
        return self._table.days()

    def of_day(self, day: int) -> bytes:
        """The digests of one of these days, in order."""
        return _packed(self._table.of_day(day))

    def _digest(self, name: bytes) -> int:
        if name != self._latest[0]:  # an event is looked up and then remembered
            # Zero is a free place of the table.
            self._latest = name, siphash24(name, key=self._key).intdigest() & _MASK or 1
        return self._latest[1]


def _slot(turn: int, content: list[tuple[int, int]]) -> bytes:
    """A turn, and for each day its number, a count and the digests."""
    parts = [turn.to_bytes(8, "big")]
    for day, digests in _by_day(content):
        parts += [_SPAN.pack(day, len(digests)), _packed(digests)]
    return b"".join(parts)


def _of_slot(value: bytes) -> tuple[int, list[tuple[int, int]]]:
    content: list[tuple[int, int]] = []
    at = 8
    while at < len(value):
        day, count = _SPAN.unpack_from(value, at)
        at += _SPAN.size
        end = at + count * DIGEST_BYTES
        content += [(day, digest) for digest in _unpacked(value[at:end])]
        at = end
    return int.from_bytes(value[:8], "big"), content


def _by_day(content: Iterable[tuple[int, int]]) -> list[tuple[int, list[int]]]:
    """Digests by their last day; days and digests in the order in which they came."""
    found: dict[int, list[int]] = {}
    for day, digest in content:
        found.setdefault(day, []).append(digest)
    return list(found.items())


def _packed(digests: list[int]) -> bytes:
    return b"".join(one.to_bytes(DIGEST_BYTES, "big") for one in digests)


def _unpacked(data: bytes) -> list[int]:
    return [
        int.from_bytes(data[at : at + DIGEST_BYTES], "big")
        for at in range(0, len(data), DIGEST_BYTES)
    ]


_MASK = (1 << 64) - 1
_PARTS = 64
_LINE = 8
_FULL = 0.8


class _Table:
    """Digests with their last day, in parts by the digest's first bits.

    Each part grows by itself. So no growing takes long, or needs a second copy of everything.
    """

    def __init__(self) -> None:
        self._parts = [_Part() for _ in range(_PARTS)]
        self._days: dict[int, int] = {}
        """How many digests each day has."""
        self.newest_day = 0

    def __len__(self) -> int:
        return sum(self._days.values())

    def find(self, digest: int) -> int:
        """The last day of a digest; 0 if it is not here."""
        tag = self._part(digest).find(digest)
        # The days that are here span less than SPAN_DAYS.
        return next((day for day in self._days if _tag(day) == tag), 0) if tag else 0

    def put(self, digest: int, day: int) -> None:
        """Add a digest, or change its day. Digests of days that are long over are removed."""
        if day > self.newest_day:
            self.newest_day = day
            self.drop(day - SPAN_DAYS)
        before = self._part(digest).put(digest, _tag(day))
        self._days[day] = self._days.get(day, 0) + 1
        if before:
            was = next(one for one in self._days if _tag(one) == before)
            self._days[was] -= 1

    def drop(self, last_day: int) -> None:
        """Remove the digests of this day and of all days before it."""
        for day in sorted(one for one in self._days if one <= last_day):
            if self._days.pop(day):
                for part in self._parts:
                    part.drop(_tag(day))

    def days(self) -> list[int]:
        """The days of the digests, in order."""
        return sorted(day for day, count in self._days.items() if count)

    def of_day(self, day: int) -> list[int]:
        """The digests of one day, in order."""
        if not self._days.get(day):
            return []
        return sorted(one for part in self._parts for one in part.with_tag(_tag(day)))

    def memory_bytes(self) -> int:
        """What the parts take in memory."""
        return sum(one.memory_bytes() for one in self._parts)

    def _part(self, digest: int) -> _Part:
        return self._parts[digest >> 58]


def _tag(day: int) -> int:
    """A day in one byte; 0 is for free places."""
    return day % SPAN_DAYS + 1


class _Part:
    """An open-addressing table in lines of eight places: digests, and a byte for the day of each.

    The place of a digest is its share of the lines, so growing goes through them in order.
    """

    def __init__(self) -> None:
        self._digests = array("Q")
        self._tags = bytearray()
        self._lines = 0
        self._count = 0

    def find(self, digest: int) -> int:
        """The tag of a digest; 0 if it is not here."""
        at = self._place(digest)
        return 0 if at is None else self._tags[at]

    def put(self, digest: int, tag: int) -> int:
        """Add a digest, or change its tag; returns the tag before, 0 if there was none."""
        at = self._place(digest)
        if at is not None:
            before, self._tags[at] = self._tags[at], tag
            return before
        if self._count + 1 > self._lines * _LINE * _FULL:
            self._resize(self._lines + self._lines // 2 + 1)
        self._insert(digest, tag)
        return 0

    def drop(self, tag: int) -> None:
        """Remove all digests with this tag."""
        if self._tags.find(tag) < 0:
            return
        left = self._count - self._tags.count(tag)
        # A search ends at a line with a free place, so a removed digest would hide others. All
        # digests that stay are placed again.
        self._resize(int(left / (_LINE * _FULL)) + 1 if left else 0, without=tag)

    def with_tag(self, tag: int) -> list[int]:
        """The digests with this tag."""
        return [
            one for one, its in zip(self._digests, self._tags, strict=True) if one and its == tag
        ]

    def memory_bytes(self) -> int:
        return len(self._digests) * DIGEST_BYTES + len(self._tags)

    def _home(self, digest: int) -> int:
        # Without the six bits that chose the part.
        return ((digest & (1 << 58) - 1) * self._lines >> 58) * _LINE

    def _place(self, digest: int) -> int | None:
        digests = self._digests
        if not self._lines:
            return None
        at = self._home(digest)
        while True:
            line = digests[at : at + _LINE]
            if digest in line:
                return at + line.index(digest)
            if not line[-1]:
                return None
            at = (at + _LINE) % len(digests)

    def _insert(self, digest: int, tag: int) -> None:
        digests = self._digests
        at = self._home(digest)
        while digests[at + _LINE - 1]:
            at = (at + _LINE) % len(digests)
        free = digests.index(0, at, at + _LINE)
        digests[free], self._tags[free] = digest, tag
        self._count += 1

    def _resize(self, lines: int, without: int = 0) -> None:
        digests, tags = self._digests, self._tags
        self._lines, self._count = lines, 0
        self._digests = array("Q", bytes(lines * _LINE * DIGEST_BYTES))
        self._tags = bytearray(lines * _LINE)
        for digest, tag in zip(digests, tags, strict=True):
            if digest and tag != without:
                self._insert(digest, tag)
