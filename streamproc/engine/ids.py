"""The identities that a partition has counted, in memory and in its changelog.

A name becomes a keyed digest of eight bytes (SipHash-2-4 with a key of the partition's own, so that
nobody can choose names with equal digests). Two different names have the same digest with a
probability of n / 2**64 for each new one, for n remembered names.

A digest is kept until the end of a UTC day. Digests of one day go together: from memory when the
day is over, and from the changelog by deleting the day's records. In memory a digest takes nine
bytes in a table (:class:`_Table`), and one more for its free places.

In the changelog a commit adds one record with the digests that it covers, under one of
:data:`SLOTS` keys that are used in turn. When all are used, or hold :data:`MERGED_IDS` digests, one
commit writes the digests of all slots once more, under a lasting key of their day. So a digest is
written at most twice, and there are few keys, however many commits there are. A record that says
where the slots stand is written with it (``_Head``).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import compress
from struct import Struct as Layout
from struct import pack, unpack
from sys import getsizeof
from typing import Protocol

from siphash24 import siphash24

DAY_MS = 86_400_000
KEY_BYTES = 16
DIGEST_BYTES = 8
DIGEST_BITS = 64
IDS_KEY = b"\0ids"
"""How all keys of these records begin. The head record has this key."""
SLOTS = 256
MERGED_IDS = 65_536
"""No record holds more digests: half a megabyte."""
LONGEST_DAYS = 250
"""A digest can be kept for so many days: a table has one byte for the day."""
FAR_DAYS = 18
"""What arrives no more days later has room for any limits: 200 days of age and 30 days ahead."""
SPAN_DAYS = 255
"""A table holds digests of fewer days. The first of so many days are over for certain."""

_SLOT_KEY = Layout(">4sB")
_LASTING_KEY = Layout(">4sii")
_TURN = Layout(">q")
_SPAN = Layout(">ii")
_HEAD = Layout(f">{KEY_BYTES}sqiqqi")

_SLOT_KEYS = [_SLOT_KEY.pack(IDS_KEY, slot) for slot in range(SLOTS)]

Changes = list[tuple[bytes, bytes | None]]
_Place = tuple[int, int, int, int]
"""The last day of a digest (0: it is not here), the digest, the number of its part, and where it is
or belongs there."""
_NOTHING: tuple[None, _Place] = None, (0, 0, 0, 0)


class IdMemory(Protocol):
    """What :class:`SeenIds` and the compiled part's class of the same name both do."""

    forgets_with_arrivals: bool

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
    missing: set[int] = set()
    added: set[int] = set()
    for day in {*one.days(), *other.days()}:
        mine, its = one.of_day(day), other.of_day(day)
        if day <= forgotten_day or mine == its:
            continue
        left, right = set(_unpacked(mine)), set(_unpacked(its))
        missing |= left - right
        added |= right - left
    # With a record of another year, the day depends on when a timer ran. Both remember it.
    both = missing & added
    return 0 if is_part else len(missing - both), len(added - both)


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
        self._added = _Ids()
        """Since the last commit was taken."""
        self._unmerged = _Ids()
        """In the slots of this turn."""
        self._slot = 0
        self._gone: list[int] = []
        """Days whose records are to be deleted."""
        self._is_head_changed = False
        self._is_head_written = False
        """Until then there is nothing that it would have to be written for."""
        self._found: dict[int, tuple[int, _Ids]] = {}
        """Slots as they were loaded: their turn and their content."""
        self._latest: tuple[bytes | None, _Place] = _NOTHING
        """The latest name. An event is looked up and then remembered."""
        self.forgets_with_arrivals = True
        """Whether arrivals move the time. If not, only :meth:`expire` forgets: a record that is
        stamped years ahead does not take the memory of all others with it."""
        # Attributes and no properties, because each event reads them.
        self.forgotten_ms = 0
        """What was to be kept until an earlier instant is gone."""
        self.old_until_ms = 0
        """Until this instant there may be names of earlier releases."""
        self.unsure_until_ms = 0
        """The core has to look into ``ages`` for events of an earlier time."""

    def _show_head(self) -> None:
        head = self._head
        self.forgotten_ms = head.forgotten_day * DAY_MS
        self.old_until_ms = head.old_until_ms
        self.unsure_until_ms = head.unsure_until_ms
        self._latest = _NOTHING

    def __len__(self) -> int:
        return len(self._table)

    @property
    def ages(self) -> bytes:
        """What the core keeps of its limits."""
        return self._head.ages

    def keep_ages(self, ages: bytes, unsure_until_ms: int) -> None:
        """Keep this for the core."""
        self._head.ages, self._head.unsure_until_ms = ages, unsure_until_ms
        self._is_head_changed = True
        self._show_head()

    def is_seen(self, name: bytes, received_ms: int) -> bool:
        """Whether a name was remembered until a day after that of ``received_ms``."""
        latest = self._latest
        place = latest[1] if name == latest[0] else self._look_up(name)
        last_day, day = place[0], received_ms // DAY_MS
        return last_day > day or (last_day > 0 and self._is_far(day))

    def _is_far(self, day: int) -> bool:
        """Whether names that arrived on this day may be kept for less than was asked."""
        return not self.forgets_with_arrivals and day > self._head.forgotten_day + FAR_DAYS

    def remember(self, name: bytes, received_ms: int, until_ms: int) -> None:
        """Remember a name that was not seen, until the end of the day of ``until_ms``.

        If arrivals move the time, what was kept until the day of ``received_ms`` is forgotten. If
        not, a name is kept for at most :data:`LONGEST_DAYS` from what is forgotten.
        """
        if received_ms - self.forgotten_ms >= DAY_MS and (
            self.forgets_with_arrivals or not self.forgotten_ms
        ):
            self.expire(received_ms)
        last_day = until_ms // DAY_MS + 1
        forgotten_day = self._head.forgotten_day
        if last_day - forgotten_day > LONGEST_DAYS:
            if self.forgets_with_arrivals:
                raise ValueError(f"an id cannot be remembered for more than {LONGEST_DAYS} days")
            last_day = forgotten_day + LONGEST_DAYS
        if last_day > forgotten_day:
            latest = self._latest
            place = latest[1] if name == latest[0] else self._look_up(name)
            self._table.put(place, last_day)
            self._latest = _NOTHING
            added = self._added
            added.days.append(last_day)
            added.digests.append(place[1])

    def _look_up(self, name: bytes) -> _Place:
        # Zero would be no digest: the compiled part marks free places with it.
        digest = siphash24(name, key=self._key).intdigest() & _MASK or 1
        place = self._table.find(digest)
        self._latest = name, place
        return place

    def expect_old(self, until_ms: int) -> None:
        """There are names of earlier releases until this instant."""
        if until_ms > self._head.old_until_ms:
            self._head.old_until_ms = until_ms
            self._is_head_changed = True
            self._show_head()

    def begin(self, key: bytes) -> None:
        """Use this key, unless the partition has one."""
        if not self._head.key:
            self._key = self._head.key = key
            self._is_head_changed = True
            self._show_head()

    def expire(self, now_ms: int) -> None:
        """Forget what was kept until now. No event that arrived earlier follows any more."""
        today = now_ms // DAY_MS
        head = self._head
        if today <= head.forgotten_day:
            return
        head.forgotten_day = today
        self._table.drop(today)
        # A commit may have to write them still, for the records of its day that exist already.
        self._added = self._added.after(today)
        self._unmerged = self._unmerged.after(today)
        self._gone += [day for day in head.lasting if day <= today]
        self._is_head_changed = self._is_head_changed or bool(head.key)
        self._show_head()

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self._added.days) or (self._is_head_changed and self._is_head_written)

    def take_changes(self) -> Changes:
        """The records for the changelog since the last call; None deletes one."""
        head, added = self._head, self._added
        changes: Changes = []
        if added.days:
            unmerged = self._unmerged
            unmerged.add(added)
            if self._slot < self._slots and len(unmerged.days) <= self._merged_ids:
                changes.append((_SLOT_KEYS[self._slot], added.slot(head.turn)))
                self._slot += 1
            else:
                changes += self._merged()
            added.days.clear()
            added.digests.clear()
        if self._gone:
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
        for day, digests in self._unmerged.by_day():
            for at in range(0, len(digests), self._merged_ids):
                number = head.lasting.get(day, 0)
                head.lasting[day] = number + 1
                key = _LASTING_KEY.pack(IDS_KEY, day, number)
                changes.append((key, _packed(digests[at : at + self._merged_ids])))
        self._unmerged = _Ids()
        self._slot = 0
        head.turn += 1
        self._is_head_changed = True
        return changes

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take over a record of the changelog whose key begins with :data:`IDS_KEY`."""
        if len(key) == len(IDS_KEY):
            self._head = _Head.unpack(value or b"")
            self._is_head_written = True
            self._key = self._head.key
            self._show_head()
            # A warm copy must not keep what is over.
            self._table.drop(self._head.forgotten_day)
        elif len(key) == _SLOT_KEY.size:
            turn, content = _Ids.of_slot(value or b"")
            self._found[_SLOT_KEY.unpack(key)[1]] = turn, content
            for day, digests in content.by_day():
                self._take_over(day, digests)
        elif value is not None:
            self._take_over(_LASTING_KEY.unpack(key)[1], _unpacked(value))

    def _take_over(self, day: int, digests: Sequence[int]) -> None:
        table = self._table
        if day > max(self._head.forgotten_day, table.newest_day - SPAN_DAYS):
            table.drop(day - SPAN_DAYS)
            for digest in digests:
                place = table.find(digest)
                if place[0] < day:
                    table.put(place, day)
            self._latest = _NOTHING

    def loaded(self) -> None:
        """All records of the changelog are here."""
        head = self._head
        self._table.drop(head.forgotten_day)
        self._unmerged = _Ids()
        self._slot = 0
        for slot, (turn, content) in sorted(self._found.items()):
            if turn == head.turn:
                self._slot = slot + 1
                self._unmerged.add(content.after(head.forgotten_day))
        self._found = {}
        self._latest = _NOTHING

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


@dataclass
class _Ids:
    """Digests with their last days, in the order in which they came."""

    days: list[int] = field(default_factory=list)
    digests: list[int] = field(default_factory=list)

    def add(self, others: _Ids) -> None:
        self.days += others.days
        self.digests += others.digests

    def after(self, day: int) -> _Ids:
        """Those that are kept longer."""
        is_kept = [one > day for one in self.days]
        return _Ids(list(compress(self.days, is_kept)), list(compress(self.digests, is_kept)))

    def by_day(self) -> Iterable[tuple[int, list[int]]]:
        """The digests of each day; days in the order of their first digests."""
        days = self.days
        if days and days.count(days[0]) == len(days):
            return ((days[0], self.digests),)
        found: dict[int, list[int]] = {}
        for day, digest in zip(days, self.digests, strict=True):
            found.setdefault(day, []).append(digest)
        return found.items()

    def slot(self, turn: int) -> bytes:
        """A turn, and for each day its number, a count and the digests."""
        record = _TURN.pack(turn)
        for day, digests in self.by_day():
            count = len(digests)
            record += pack(f">ii{count}Q", day, count, *digests)
        return record

    @staticmethod
    def of_slot(value: bytes) -> tuple[int, _Ids]:
        """The turn and the content of a slot."""
        found = _Ids()
        at = _TURN.size
        while at < len(value):
            day, count = _SPAN.unpack_from(value, at)
            at += _SPAN.size
            end = at + count * DIGEST_BYTES
            found.add(_Ids([day] * count, list(_unpacked(value[at:end]))))
            at = end
        return int.from_bytes(value[: _TURN.size], "big"), found


def _packed(digests: Sequence[int]) -> bytes:
    return pack(f">{len(digests)}Q", *digests)


def _unpacked(data: bytes) -> tuple[int, ...]:
    return unpack(f">{len(data) // DIGEST_BYTES}Q", data)


_MASK = (1 << DIGEST_BITS) - 1
_PART_IDS = 512
"""There are more parts before a part has more digests than this on average."""
_LEAST_IDS = 64
"""There are fewer parts if a part has fewer."""


class _Table:
    """Digests with their last day, in order, in parts by the digest's first bits.

    A part is an array of digests and a byte for the day of each. It is small, so that inserting
    moves little. Digests are even numbers of chance, so all parts have about the same size.
    """

    def __init__(self) -> None:
        self._digests = [array("Q")]
        self._tags = [bytearray()]
        self._shift = DIGEST_BITS
        """The first bits of a digest, which are the number of its part, follow these."""
        self._count, self._most = 0, _PART_IDS
        self._days: dict[int, int] = {}
        """How many digests each day has."""
        self.newest_day = 0

    def __len__(self) -> int:
        return self._count

    def find(self, digest: int) -> _Place:
        """Where a digest is or belongs. It holds until the table changes."""
        part = digest >> self._shift
        digests = self._digests[part]
        at = bisect_left(digests, digest)
        if at == len(digests) or digests[at] != digest:
            return 0, digest, part, at
        return self._day_of(self._tags[part][at]), digest, part, at

    def _day_of(self, tag: int) -> int:
        # The days that are here span less than SPAN_DAYS.
        return next(day for day in self._days if day % SPAN_DAYS == tag)

    def put(self, place: _Place, day: int) -> None:
        """Add a digest, or change its day."""
        days = self._days
        if day not in days:
            if day > self.newest_day:
                self.newest_day = day
            days[day] = 0
        days[day] += 1
        before, digest, part, at = place
        if before:
            days[before] -= 1
            self._tags[part][at] = day % SPAN_DAYS
            return
        self._digests[part].insert(at, digest)
        self._tags[part].insert(at, day % SPAN_DAYS)
        self._count += 1
        if self._count > self._most:
            self._split()

    def drop(self, last_day: int) -> None:
        """Remove the digests of this day and of all days before it."""
        over = [day for day in self._days if day <= last_day]
        gone = sum(self._days.pop(day) for day in over)
        if not gone:
            return
        self._count -= gone
        removed = bytes(day % SPAN_DAYS for day in over)
        is_kept = bytes(tag not in removed for tag in range(256))
        for part, (digests, tags) in enumerate(zip(self._digests, self._tags, strict=True)):
            self._digests[part] = array("Q", compress(digests, tags.translate(is_kept)))
            self._tags[part] = tags.translate(None, removed)
        while self._shift < DIGEST_BITS and self._count < len(self._digests) * _LEAST_IDS:
            self._join()

    def _split(self) -> None:
        """Make two parts of each."""
        self._shift -= 1
        split_digests: list[array[int]] = []
        split_tags: list[bytearray] = []
        for part, (digests, tags) in enumerate(zip(self._digests, self._tags, strict=True)):
            at = bisect_left(digests, 2 * part + 1 << self._shift)
            split_digests += (digests[:at], digests[at:])
            split_tags += (tags[:at], tags[at:])
        self._digests, self._tags = split_digests, split_tags
        self._most *= 2

    def _join(self) -> None:
        """Make one part of each two."""
        self._shift += 1
        self._most //= 2
        digests, tags = self._digests, self._tags
        self._digests = [one + two for one, two in zip(digests[::2], digests[1::2], strict=True)]
        self._tags = [one + two for one, two in zip(tags[::2], tags[1::2], strict=True)]

    def days(self) -> list[int]:
        """The days of the digests, in order."""
        return sorted(day for day, count in self._days.items() if count)

    def of_day(self, day: int) -> list[int]:
        """The digests of one day, in order."""
        if not self._days.get(day):
            return []
        is_wanted = bytes(tag == day % SPAN_DAYS for tag in range(256))
        return [
            digest
            for digests, tags in zip(self._digests, self._tags, strict=True)
            for digest in compress(digests, tags.translate(is_wanted))
        ]

    def memory_bytes(self) -> int:
        """What the parts take in memory, with their objects."""
        return sum(map(getsizeof, self._digests)) + sum(map(getsizeof, self._tags))
