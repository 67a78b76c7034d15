"""Beats: what was begun, how far it came, and which stage is missing at its deadline. Pure."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

Way = Literal["usage", "timed"]
WAYS: Final[tuple[Way, ...]] = ("usage", "timed")
"""A reminder of usage, or of an instant."""
Stage = Literal["sent", "readable", "accepted", "delivered"]
STAGES: Final[tuple[Stage, ...]] = ("sent", "readable", "accepted", "delivered")
"""In order."""
RECENT: Final = 600
"""So many times of each stage are remembered for quantiles: with ten partitions, an hour."""


@dataclass(eq=False)
class Beat:
    """One message that must arrive."""

    way: Way
    partition: int
    mark: str
    """What its reminder names as its cause."""
    began_ms: int
    passed_ms: dict[Stage, int] = field(default_factory=dict)
    reminder_id: str = ""


class Verdict(NamedTuple):
    """A beat that is over."""

    beat: Beat
    broken: Stage | None
    """The first stage that is missing; None if it arrived."""
    why: str = ""


class Beats:
    """The beats that have not ended. ``until``: the last stage that must be proved."""

    def __init__(self, deadline_ms: int, until: Stage = "delivered") -> None:
        self._deadline_ms = deadline_ms
        self.stages = STAGES[: STAGES.index(until) + 1]
        self._open: dict[str, Beat] = {}
        self._of_reminder: dict[str, Beat] = {}
        self._whys: dict[str, str] = {}
        self._last: dict[tuple[Way, int], Verdict] = {}
        """The last verdict by way and partition."""
        self._recent: dict[tuple[Way, Stage], deque[int]] = {}

    def begin(self, way: Way, partition: int, mark: str, now_ms: int) -> Beat:
        """Begin a beat. A timed one begins at its instant: nothing is sent for it."""
        beat = self._open[mark] = Beat(way, partition, mark, now_ms)
        if way == "timed":
            beat.passed_ms["sent"] = now_ms
        return beat

    def sent(self, mark: str, now_ms: int) -> None:
        """Kafka has the event of a beat."""
        self._pass(self._open.get(mark), "sent", now_ms)

    def readable(self, mark: str, reminder_id: str, now_ms: int) -> None:
        """The reminder of a beat was read."""
        beat = self._open.get(mark)
        if beat is not None and not beat.reminder_id:
            beat.reminder_id = reminder_id
            self._of_reminder[reminder_id] = beat
            # Who reads the reminder knows that Kafka has the event.
            self._pass(beat, "sent", now_ms)
            self._pass(beat, "readable", now_ms)

    def knows(self, reminder_id: str) -> bool:
        """Whether a reminder is one of a beat that has not ended."""
        return reminder_id in self._of_reminder

    def receipt(self, reminder_id: str, status: str, now_ms: int, why: str = "") -> None:
        """A receipt of a beat's reminder was read."""
        beat = self._of_reminder.get(reminder_id)
        if beat is None:
            return
        if status == "delivered":
            self._pass(beat, "accepted", now_ms)
            self._pass(beat, "delivered", now_ms)
        elif status == "accepted":
            self._pass(beat, "accepted", now_ms)
        else:
            self._whys[beat.mark] = f"the receipt says {status}{': ' if why else ''}{why}"

    def hint(self, mark: str, why: str) -> None:
        """Something says why a beat may not arrive."""
        if mark in self._open:
            self._whys[mark] = why

    def judge(self, now_ms: int) -> list[Verdict]:
        """The beats that have arrived, and those whose deadline is over."""
        found = []
        for beat in list(self._open.values()):
            missing = next((one for one in self.stages if one not in beat.passed_ms), None)
            if missing is not None and now_ms - beat.began_ms < self._deadline_ms:
                continue
            why = self._whys.pop(beat.mark, "") if missing else ""
            verdict = Verdict(beat, missing, why)
            del self._open[beat.mark]
            self._of_reminder.pop(beat.reminder_id, None)
            self._whys.pop(beat.mark, None)
            self._last[beat.way, beat.partition] = verdict
            found.append(verdict)
        return found

    def broken(self) -> Mapping[tuple[Way, Stage], list[int]]:
        """The partitions whose last beat is missing a stage, by way and stage."""
        found: dict[tuple[Way, Stage], list[int]] = {}
        for (way, partition), verdict in sorted(self._last.items()):
            if verdict.broken is not None:
                found.setdefault((way, verdict.broken), []).append(partition)
        return found

    def recent_seconds(self, way: Way, stage: Stage, share: float) -> float:
        """The time of a stage within which a share of the last beats was; 0 without beats."""
        known = sorted(self._recent.get((way, stage), ()))
        if not known:
            return 0.0
        return known[min(int(share * len(known)), len(known) - 1)] / 1000

    def _pass(self, beat: Beat | None, stage: Stage, now_ms: int) -> None:
        if beat is None or stage in beat.passed_ms:
            return
        before_ms = max(beat.passed_ms.values(), default=beat.began_ms)
        beat.passed_ms[stage] = now_ms
        known = self._recent.setdefault((beat.way, stage), deque(maxlen=RECENT))
        known.append(max(now_ms - before_ms, 0))


def stage_seconds(beat: Beat) -> dict[Stage, float]:
    """How long each stage took that a beat has passed."""
    before_ms, found = beat.began_ms, {}
    for stage in STAGES:
        if stage in beat.passed_ms:
            found[stage] = max(beat.passed_ms[stage] - before_ms, 0) / 1000
            before_ms = max(beat.passed_ms[stage], before_ms)
    return found


def summary(verdicts: list[Verdict]) -> str:
    """Verdicts in one line for people."""
    broken = Counter(
        f"{one.beat.way} not {one.broken}" for one in verdicts if one.broken is not None
    )
    if not broken:
        return f"all {len(verdicts)} arrived"
    missing = ", ".join(f"{count} {what}" for what, count in sorted(broken.items()))
    return f"of {len(verdicts)}: {missing}"
