"""Pairs the messages of two runs.

Only messages of one subscriber, rule and billing cycle are paired, first those about the same
bucket, then the rest. Within such a group, equal reminder ids are the same message, then equal
thresholds. The remaining messages are paired in order of time, so that the differences of time are
smallest. A rule that only one run has is compared with another rule of its kind, because it may
have been renamed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Set
from typing import Literal, NamedTuple

from streamproc.tools.simulation.run_messages import Sent

Effect = Literal["same", "earlier", "later", "dropped", "added"]
EFFECTS: tuple[Effect, ...] = ("same", "earlier", "later", "dropped", "added")


class MessageChange(NamedTuple):
    """A message of the present rules, of the changed rules, or of both."""

    present: Sent | None
    changed: Sent | None

    @property
    def effect(self) -> Effect:
        """The effect of the changed rules for the subscriber."""
        if self.present is None:
            return "added"
        if self.changed is None:
            return "dropped"
        if self.shift_ms == 0:
            return "same"
        return "earlier" if self.shift_ms < 0 else "later"

    @property
    def shift_ms(self) -> int:
        """How much later the message comes; 0 if only one run has it."""
        if self.present is None or self.changed is None:
            return 0
        return self.changed.told_ms - self.present.told_ms

    @property
    def message(self) -> Sent:
        """The message of the changed rules if there is one, else that of the present rules."""
        found = self.changed or self.present
        assert found is not None
        return found


def pair(
    present: Iterable[Sent], changed: Iterable[Sent], common_rules: Set[str]
) -> list[MessageChange]:
    """Every message of both runs, each once; ``common_rules`` are the rules of both."""

    def rule_of(message: Sent) -> str:
        return message.rule if message.rule in common_rules else f"({message.kind})"

    def by_bucket(message: Sent) -> Hashable:
        return message.subscriber, rule_of(message), message.cycle_ms, message.bucket

    def by_rule(message: Sent) -> Hashable:
        return message.subscriber, rule_of(message), message.cycle_ms

    pairs, left, right = _pair_groups(list(present), list(changed), by_bucket)
    more, left, right = _pair_groups(left, right, by_rule)
    changes = [MessageChange(*found) for found in (*pairs, *more)]
    changes += [MessageChange(one, None) for one in left]
    changes += [MessageChange(None, one) for one in right]
    changes.sort(key=lambda one: (one.message.told_ms, one.message.subscriber, one.message.id))
    return changes


Pairs = list[tuple[Sent, Sent]]
Split = tuple[Pairs, list[Sent], list[Sent]]


def _pair_groups(
    present: list[Sent], changed: list[Sent], key: Callable[[Sent], Hashable]
) -> Split:
    groups: dict[Hashable, tuple[list[Sent], list[Sent]]] = defaultdict(lambda: ([], []))
    for message in present:
        groups[key(message)][0].append(message)
    for message in changed:
        groups[key(message)][1].append(message)
    pairs: Pairs = []
    left: list[Sent] = []
    right: list[Sent] = []
    for mine, theirs in groups.values():
        # From the surest sign that two messages are the same one to the weakest.
        found, mine, theirs = _pair_by(mine, theirs, lambda message: message.id)
        pairs += found
        found, mine, theirs = _pair_by(mine, theirs, lambda message: message.threshold, once=True)
        pairs += found
        found, mine, theirs = _pair_by_time(mine, theirs)
        pairs += found
        left += mine
        right += theirs
    return pairs, left, right


def _pair_by(
    mine: list[Sent],
    theirs: list[Sent],
    key: Callable[[Sent], Hashable],
    *,
    once: bool = False,
) -> Split:
    """Pairs messages with equal keys; with ``once`` only if no other message has that key."""
    # If two messages share a key, each could be the partner, so no pair is certain.
    if once:
        for side in (mine, theirs):
            values = [key(message) for message in side]
            if None in values or len(set(values)) < len(values):
                return [], mine, theirs
    by_key = {key(message): message for message in theirs}
    pairs = [(one, by_key[key(one)]) for one in mine if key(one) in by_key]
    if not pairs:
        return [], mine, theirs
    taken = {key(one) for one, _ in pairs}
    return (
        pairs,
        [one for one in mine if key(one) not in taken],
        [one for one in theirs if key(one) not in taken],
    )


def _pair_by_time(mine: list[Sent], theirs: list[Sent]) -> Split:
    """As many pairs as possible, in order, with the smallest sum of time differences."""
    if not mine or not theirs:
        return [], mine, theirs
    mine = sorted(mine, key=lambda message: message.told_ms)
    theirs = sorted(theirs, key=lambda message: message.told_ms)
    # The smaller side is paired completely, which makes the table below simple.
    if len(mine) > len(theirs):
        pairs, left, right = _pair_by_time(theirs, mine)
        return [(other, one) for one, other in pairs], right, left
    # cost[i][j]: cost of pairing the first i of mine with the first j of theirs.
    cost = [[0.0] * (len(theirs) + 1)]
    for i, one in enumerate(mine, 1):
        row = [float("inf")] * (len(theirs) + 1)
        for j in range(i, len(theirs) + 1):
            apart = abs(one.told_ms - theirs[j - 1].told_ms)
            # Either the j-th of theirs stays without a pair, or it is the pair of the i-th of mine.
            row[j] = min(row[j - 1], cost[i - 1][j - 1] + apart)
        cost.append(row)
    pairs = []
    i, j = len(mine), len(theirs)
    while i:
        if cost[i][j] == cost[i][j - 1]:
            j -= 1
            continue
        pairs.append((mine[i - 1], theirs[j - 1]))
        i, j = i - 1, j - 1
    taken = {message.id for _, message in pairs}
    return pairs[::-1], [], [one for one in theirs if one.id not in taken]
