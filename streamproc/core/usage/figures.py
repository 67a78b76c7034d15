"""Figures of an account that watch rules compare with their thresholds."""

from __future__ import annotations

from typing import Final

from streamproc.core.rules.account_rules import VELOCITY_SLOTS, WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import PLAN_KINDS, UNLIMITED, Account, rare_state_of
from streamproc.core.usage import tariffs
from streamproc.core.usage.costs import costing
from streamproc.core.usage.policies import limits_in_force


def spend_minor(account: Account, tariff: str | None, rules: Rulebook) -> int:
    """What the cycle's overage costs so far, under one tariff or (None) under all."""
    if tariff is None:
        return tariffs.spend_minor(account, rules)
    if tariffs.is_free(account):
        return 0
    spends = tariffs.spend_by_tariff(account, rules)
    return sum(one.spend_minor for one in spends if one.tariff == tariff)


ENDLESS_BYTES: Final = 1 << 62
"""Bytes left of an unlimited allowance: more than any sum of real buckets."""


def remaining_bytes(account: Account) -> int:
    """Bytes left in all buckets together."""
    return left_and_used(account)[0]


def left_and_used(account: Account) -> tuple[int, int]:
    """Bytes left in all buckets together, and the cycle's usage as the history will store it.

    That usage is the part charged to the plan's allowances, and overage. Packs and top-ups do not
    count, because they can last for several cycles.
    """
    left_bytes, used_bytes = 0, account.overage_bytes
    for bucket in account.buckets:  # with every usage, twice: in one pass, and written out
        used = bucket.used_bytes
        kind = bucket.kind
        if kind == UNLIMITED:
            left_bytes += ENDLESS_BYTES
        else:
            left_bytes += (
                bucket.granted_bytes - used - bucket.expired_bytes - bucket.rolled_over_bytes
            )
        if kind in PLAN_KINDS:
            used_bytes += used
    for bucket in account.ended:
        if bucket.kind in PLAN_KINDS:
            used_bytes += bucket.used_bytes
    return left_bytes, used_bytes


def usual_bytes(account: Account, cycles: int) -> int:
    """Usage of the last ``cycles`` cycles together; 0 if a cycle is unknown or incomplete."""
    last = account.history[-cycles:]
    if len(last) < cycles or last[0].start_ms <= account.activated_ms:
        return 0
    return sum(cycle.used_bytes + cycle.overage_bytes for cycle in last)


_AND: Final = " "
"""Separator in keys; a rule id does not contain it."""


def speed_key(rule: WatchRule) -> str:
    """The key of a velocity rule's window in the account (``RareState.speeds``)."""
    return f"{rule.id}{_AND}{rule.window_ms}"


def slide(account: Account, rule: WatchRule, time_ms: int) -> None:
    """Move a velocity rule's window forward to ``time_ms``; it never moves back."""
    width_ms = rule.window_ms // VELOCITY_SLOTS
    slots = account.extra.speeds.get(speed_key(rule), []) if account.extra is not None else []
    newest = max(time_ms // width_ms, slots[-2] if slots else 0)
    while slots and slots[0] <= newest - VELOCITY_SLOTS:
        del slots[:2]


def speed_up(account: Account, rule: WatchRule, time_ms: int, used_bytes: int) -> None:
    """Add usage to its part of the window; parts before the window are removed."""
    slot = time_ms // (rule.window_ms // VELOCITY_SLOTS)
    speeds = rare_state_of(account).speeds
    slots = speeds.get(speed_key(rule))
    if slots is None:
        # Counts of a window with another length cannot be used for this one.
        for name in [name for name in speeds if name.partition(_AND)[0] == rule.id]:
            del speeds[name]
        slots = speeds[speed_key(rule)] = []
    if slots and slot <= slots[-2] - VELOCITY_SLOTS:
        return
    at = len(slots)
    while at and slots[at - 2] > slot:
        at -= 2
    if at and slots[at - 2] == slot:
        slots[at - 1] += used_bytes
    else:
        slots[at:at] = (slot, used_bytes)


class AccountFigures:
    """``Figures`` of ``rules/kinds/account_view.py``: of an account as it is now."""

    __slots__ = ("_account", "_rules", "_sums")

    def __init__(self, account: Account, rules: Rulebook) -> None:
        self._account = account
        self._rules = rules
        self._sums: tuple[int, int] | None = None
        """Calculated at the first use: most rules need neither."""

    @property
    def left_bytes(self) -> int:
        return self._left_and_used[0]

    @property
    def used_bytes(self) -> int:
        return self._left_and_used[1]

    @property
    def _left_and_used(self) -> tuple[int, int]:
        if self._sums is None:
            self._sums = left_and_used(self._account)
        return self._sums

    @property
    def overage_bytes(self) -> int:
        return self._account.overage_bytes

    def sorts_costing(self, tariff: str) -> int:
        return costing(self._account, tariff, self._rules)

    def spend_minor(self, tariff: str | None) -> int:
        return spend_minor(self._account, tariff, self._rules)

    def cap_minor(self, tariff: str) -> int | None:
        return tariffs.cap_minor(self._account, tariff, self._rules)

    def usual_bytes(self, cycles: int) -> int:
        return usual_bytes(self._account, cycles)

    def limits_in_force(self, policies: frozenset[str]) -> int:
        return len(limits_in_force(self._account, policies, self._rules))

    def in_window_bytes(self, rule: WatchRule) -> int:
        extra = self._account.extra
        return sum(extra.speeds.get(speed_key(rule), [])[1::2]) if extra is not None else 0


def values_of(account: Account, rules: Rulebook) -> list[int]:
    """The figure of each of ``rules.shared_figures`` now."""
    return values_in(AccountFigures(account, rules), rules)


def values_in(figures: Figures, rules: Rulebook) -> list[int]:
    """The same, from figures that were calculated already."""
    return [kind.value(sharing[0], figures) for _, kind, sharing in rules.shared_figures]


def cap_minor(account: Account, rule: WatchRule, rules: Rulebook) -> int | None:
    """The cap to which percentages of a rule refer; None if none is in force for the subscriber."""
    if rule.cap_minor is not None:
        return rule.cap_minor
    return tariffs.cap_minor(account, rule.tariff or "", rules)


def is_figure_at(
    account: Account, rule: WatchRule, threshold: int, rules: Rulebook, margin: int = 0
) -> bool:
    """Whether a threshold is reached now, or would be reached if it were ``margin`` lower."""
    kind, figures = WATCH_KINDS[rule.kind], AccountFigures(account, rules)
    level = kind.level(rule, threshold, margin, figures)
    return level is not None and kind.value(rule, figures) >= level
