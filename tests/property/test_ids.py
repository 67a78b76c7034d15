"""The memory of identities: exact, the same bytes with and without the compiled part, whole after a
load of a compacted changelog."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamproc.core.rules.limits import Limits
from streamproc.core.usage import ages, dedupe
from streamproc.engine.ids import DAY_MS, IDS_KEY, IdMemory, SeenIds, differing, snapshot
from tests.property.budget import budget
from tests.support.compiled import IS_NATIVE

KEY = bytes(range(16))
NOW_MS = 20_000 * DAY_MS


def makers() -> list[Any]:
    if not IS_NATIVE:
        return [SeenIds]
    import streamproc_native

    return [SeenIds, streamproc_native.SeenIds]


class Twins:
    """Each kind of memory, with the log of each partition and a plain dictionary that is right."""

    def __init__(self, slots: int, merged_ids: int) -> None:
        self.size = slots, merged_ids
        self.memories = self.made()
        for one in self.memories:
            one.begin(KEY)
            assert not one.is_changed, "nothing to write before the first event"
        self.log: dict[bytes, bytes] = {}
        self.expected: dict[bytes, int] = {}
        self.forgotten_day = 0

    def made(self) -> list[IdMemory]:
        return [make(*self.size) for make in makers()]

    def remember(self, name: bytes, received_ms: int, until_ms: int) -> None:
        if self.is_expected(name, received_ms):
            return
        for one in self.memories:
            assert not one.is_seen(name, received_ms)
            one.remember(name, received_ms, until_ms)
        self.expected[name] = until_ms // DAY_MS + 1
        self.forgotten_day = max(self.forgotten_day, received_ms // DAY_MS)

    def is_expected(self, name: bytes, received_ms: int) -> bool:
        last_day = self.expected.get(name, 0)
        return last_day > max(received_ms // DAY_MS, self.forgotten_day)

    def expire(self, now_ms: int) -> None:
        self.forgotten_day = max(self.forgotten_day, now_ms // DAY_MS)
        for one in self.memories:
            one.expire(now_ms)
            assert one.forgotten_ms == self.forgotten_day * DAY_MS

    def commit(self) -> None:
        changes = [one.take_changes() for one in self.memories]
        assert all(one == changes[0] for one in changes)
        for key, value in changes[0]:
            assert key.startswith(IDS_KEY)
            if value is None:
                del self.log[key]
            else:
                self.log[key] = value
        assert not any(one.is_changed for one in self.memories)

    def reload(self, order: random.Random) -> None:
        """Another worker loads the compacted log; what was not committed is lost."""
        self.commit()
        records = list(self.log.items())
        order.shuffle(records)  # compaction keeps the order of offsets, which is any order of keys
        self.memories = self.made()
        for one in self.memories:
            for key, value in records:
                one.load(key, value)
            one.loaded()
            assert one.forgotten_ms == self.forgotten_day * DAY_MS

    def copy(self) -> None:
        """What tools write and read is the same."""
        for one, again in zip(self.memories, self.made(), strict=True):
            records = snapshot(one)
            assert records == snapshot(self.memories[0])
            for key, value in records.items():
                again.load(key, value)
            again.loaded()
            assert differing(one, again) == (0, 0)
            assert snapshot(again) == records
            kept = [name for name, day in self.expected.items() if day > self.forgotten_day]
            days = {name: day - 1 for name, day in self.expected.items()}
            for name in kept[:1]:
                again.remember(name + b"!", 0, days[name] * DAY_MS)
                assert differing(one, again) == (0, 1)
                assert differing(again, one) == (1, 0)
                assert differing(again, one, is_part=True) == (0, 0)

    def check(self, names: list[bytes], received_ms: int) -> None:
        for name in names:
            expected = self.is_expected(name, received_ms)
            assert [one.is_seen(name, received_ms) for one in self.memories] == [
                expected for _ in self.memories
            ], name
        kept = sum(day > self.forgotten_day for day in self.expected.values())
        assert [len(one) for one in self.memories] == [kept for _ in self.memories]


@budget(25)
@given(seed=st.integers(0, 2**32 - 1), slots=st.sampled_from([2, 5]), most=st.sampled_from([7, 40]))
def test_any_history(seed: int, slots: int, most: int) -> None:
    """With few slots and small records, so that they are merged often."""
    chance = random.Random(seed)
    twins, now_ms = Twins(slots, most), NOW_MS
    names = [str(number).encode() for number in range(300)]
    for _ in range(400):
        what = chance.random()
        if what < 0.7:
            kept_ms = chance.choice([0, 1, DAY_MS, 2 * DAY_MS, 40 * DAY_MS])
            late_ms = chance.choice([0, 0, DAY_MS])
            twins.remember(chance.choice(names), now_ms - late_ms, now_ms - late_ms + kept_ms)
        elif what < 0.9:
            twins.commit()
        elif what < 0.95:
            now_ms += chance.randrange(DAY_MS)
            twins.expire(now_ms)
        else:
            twins.reload(chance)
    twins.check(names, now_ms)
    twins.copy()


class Counting:
    """Events of one subscriber as limits change: what is judged as the core does it."""

    def __init__(self, limits: Limits) -> None:
        self.ids = random.choice(makers())()
        self.ids.begin(KEY)
        self.clock_ms = NOW_MS
        self.take(limits)

    def take(self, limits: Limits) -> None:
        self.limits = limits
        ages.adopt_limits(self.ids, limits, self.clock_ms)

    def arrive(self, source: str, event_id: str, time_ms: int) -> bool:
        """Whether an event that arrives now counts."""
        limits, ids, now_ms = self.limits, self.ids, self.clock_ms
        if not now_ms - limits.max_age_of(source) <= time_ms <= now_ms + limits.max_ahead_ms:
            return False
        if time_ms < ages.oldest_ms(ids, source, time_ms, limits):
            return False
        if dedupe.is_seen(ids, "1", source, event_id, now_ms):
            return False
        name = dedupe.name_of("1", source, event_id)
        dedupe.remember(ids, name, source, now_ms, limits)
        return True

    def reload(self) -> None:
        again = type(self.ids)()
        for key, value in snapshot(self.ids).items():
            again.load(key, value)
        again.loaded()
        self.ids = again


DAYS = st.integers(1, 6)
LIMITS = st.builds(
    lambda default, ocs, tap, ahead: Limits(
        max_age_ms=default * DAY_MS,
        max_ahead_ms=ahead,
        max_age_by_source={
            name: days * DAY_MS for name, days in (("ocs", ocs), ("tap", tap)) if days
        },
    ),
    DAYS,
    st.sampled_from([0, 1, 2, 6]),
    st.sampled_from([0, 3, 6]),
    st.sampled_from([0, 300_000, 2 * DAY_MS]),
)


@budget(60)
@given(first=LIMITS, changes=st.lists(LIMITS, max_size=4), seed=st.integers(0, 2**32 - 1))
def test_nothing_counts_twice_however_limits_change(
    first: Limits, changes: list[Limits], seed: int
) -> None:
    """An event counts once, whenever its copies come and whatever ages are allowed by then."""
    chance = random.Random(seed)
    counting, counted = Counting(first), set()
    pending = [*changes]
    times = {
        (source, str(number)): NOW_MS + chance.randrange(-8 * DAY_MS, 16 * DAY_MS)
        for source in ("ocs", "tap", "other")
        for number in range(12)
    }
    for _ in range(300):
        counting.clock_ms += chance.choice([0, 1, 1_000, 3_600_000])
        if pending and chance.random() < 0.02:
            counting.take(pending.pop())
        if chance.random() < 0.02:
            counting.reload()
        identity = chance.choice(list(times))
        near_ms = times[identity] - counting.clock_ms
        if not counting.arrive(*identity, times[identity]):
            # What is no older than was ever allowed and has not counted must count.
            limits = [first, *changes]
            if (
                identity not in counted
                and 0 >= near_ms >= -min(one.max_age_of(identity[0]) for one in limits) + DAY_MS
            ):
                raise AssertionError("a young event was refused")
            continue
        assert identity not in counted
        counted.add(identity)


def test_a_larger_age_holds_for_events_from_then_on() -> None:
    strict, wide = Limits(max_age_ms=DAY_MS), Limits(max_age_ms=30 * DAY_MS)
    counting = Counting(strict)
    assert counting.arrive("ocs", "1", NOW_MS)
    counting.clock_ms += 5 * DAY_MS
    raised_ms = counting.clock_ms
    assert counting.arrive("ocs", "2", raised_ms)
    ahead_ms = raised_ms + strict.max_ahead_ms
    assert counting.arrive("ocs", "ahead", ahead_ms)
    counting.take(wide)
    assert not counting.arrive("ocs", "1", NOW_MS), "its id is gone"
    counting.clock_ms += 20 * DAY_MS
    assert counting.arrive("ocs", "3", ahead_ms + 1)
    assert not counting.arrive("ocs", "ahead", ahead_ms)
    assert not counting.arrive("ocs", "2", raised_ms)
    assert not counting.arrive("ocs", "4", raised_ms - 1)


def test_a_copy_at_the_last_possible_instant_is_seen() -> None:
    """First as early as is allowed, and then just as old as is allowed; at the end of a day."""
    for limits in (Limits(max_age_ms=DAY_MS, max_ahead_ms=0), Limits(max_age_ms=DAY_MS)):
        counting = Counting(limits)
        time_ms = NOW_MS + limits.max_ahead_ms
        assert counting.arrive("ocs", "1", time_ms)
        counting.clock_ms = time_ms + limits.max_age_ms
        assert not counting.arrive("ocs", "1", time_ms)
        counting.clock_ms += 1
        assert not counting.arrive("ocs", "1", time_ms), "it is too old"


def test_if_arrivals_do_not_move_the_time_a_wrong_clock_forgets_nothing() -> None:
    """Such an identity is kept as long as there is room, and comparisons do not ask until when."""
    for make in makers():
        ids, other = make(), make()
        for one, now_ms in ((ids, NOW_MS), (other, NOW_MS + DAY_MS)):
            one.begin(KEY)
            one.forgets_with_arrivals = False
            one.remember(b"first", NOW_MS, NOW_MS + 40 * DAY_MS)
            one.expire(now_ms)
            ahead_ms = NOW_MS + 900 * DAY_MS
            one.remember(b"ahead", ahead_ms, ahead_ms + 40 * DAY_MS)
            assert one.forgotten_ms == now_ms
            assert one.is_seen(b"first", NOW_MS)
            assert one.is_seen(b"ahead", ahead_ms)
        assert ids.days()[1] != other.days()[1]
        assert differing(ids, other) == differing(other, ids) == (0, 0)
