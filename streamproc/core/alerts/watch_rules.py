"""Messages of watch rules: figures of the whole account that have reached a threshold."""

from __future__ import annotations

from typing import Final

from streamproc.core.alerts.audience import of_account
from streamproc.core.alerts.message import Speaker, rule_of
from streamproc.core.alerts.remembered_thresholds import Reached, is_reached
from streamproc.core.rules.account_rules import WatchRule
from streamproc.core.rules.kinds import WATCH_KINDS
from streamproc.core.rules.kinds.account_view import Figures
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Effect
from streamproc.core.state.message_memory import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.texts.reminding import About, remind, threshold_of
from streamproc.core.usage.figures import AccountFigures, slide, speed_up, values_in, values_of
from streamproc.core.usage.own_thresholds import thresholds_of
from streamproc.core.usage.tariffs import is_free

Values = list[int]
"""The figures of watch rules (``Rulebook.shared_figures``), in their order."""
NO_THRESHOLD: Final = (-1,)
"""In place of thresholds for rules without thresholds: there is one thing to reach."""


def values_before(account: Account, time_ms: int, rules: Rulebook) -> Values:
    """The figures before usage of an instant is charged. Callers must not change the list.

    For most usage the cycle has cost nothing, neither before nor after; then a shared list is
    returned.
    """
    if rules.watches_cost_alone and is_free(account):
        return rules.figures_without_cost
    for _, kind, sharing in rules.shared_figures:
        if kind.slides:
            slide(account, sharing[0], time_ms)
    return values_of(account, rules)


def edges_of_usage(
    account: Account, before: Values, time_ms: int, used_bytes: int, rules: Rulebook
) -> list[Reached]:
    """The thresholds that usage has reached, ascending by rule."""
    if rules.watches_cost_alone and is_free(account):
        return []
    shared = rules.shared_figures
    for _, kind, sharing in shared:
        if kind.slides:
            speed_up(account, sharing[0], time_ms, used_bytes)
    edges: list[Reached] = []
    figures = AccountFigures(account, rules)
    after = values_in(figures, rules)
    if after == before:
        return edges
    for (_, _, sharing), value, now in zip(shared, before, after, strict=True):
        if now > value:
            for rule in sharing:
                edges += _edges(account, rule, value, now, figures, rules)
    if len(edges) > 1:
        edges.sort(key=lambda edge: rules.watch_rules.index(edge.rule))
    return edges


def edges_of_expiry(account: Account, before: Values, rules: Rulebook) -> list[Reached]:
    """After an end: possibly nothing is left now, or data costs now."""
    edges: list[Reached] = []
    figures = AccountFigures(account, rules)
    after = values_in(figures, rules)
    for (_, _, sharing), value, now in zip(rules.shared_figures, before, after, strict=True):
        for rule in sharing:
            if WATCH_KINDS[rule.kind].is_reached_by_ends:
                edges += _edges(account, rule, value, now, figures, rules)
    edges.sort(key=lambda edge: rules.watch_rules.index(edge.rule))
    return edges


def reached_of(account: Account, rule: WatchRule, rules: Rulebook) -> list[int]:
    """Every threshold that is reached now, ascending; -1 if the rule has none."""
    known = thresholds_of(account, rule, rules) or NO_THRESHOLD
    return [one for one in known if is_reached(account, rule, None, one, rules)]


def _edges(
    account: Account, rule: WatchRule, before: int, after: int, figures: Figures, rules: Rulebook
) -> list[Reached]:
    known = thresholds_of(account, rule, rules) if rule.thresholds else NO_THRESHOLD
    reached = WATCH_KINDS[rule.kind].reached(rule, known, before, after, figures)
    return [Reached(rule, None, threshold, threshold) for threshold in reached]


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    """Whether it is of this cycle and still reached; a velocity that was reached stays true."""
    assert isinstance(rule, WatchRule)
    account, rules = moment.account, moment.rules
    if not _has_threshold(account, rule, mark.threshold, rules):
        return False
    kind = WATCH_KINDS[rule.kind]
    if kind.stays_true:
        return True
    if kind.is_of_cycle and mark.at_ms < account.cycle_start_ms:
        return False
    return is_reached(account, rule, None, mark.threshold, rules)


def _has_threshold(account: Account, rule: WatchRule, threshold: int, rules: Rulebook) -> bool:
    """Whether it is still a threshold of the rule. Another rule can have this id by now."""
    known = thresholds_of(account, rule, rules) or NO_THRESHOLD
    return WATCH_KINDS[rule.kind].has_threshold(known, threshold)


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, WatchRule)
    threshold = threshold_of(rule, mark.threshold)
    occasion = f"{mark.threshold}@{mark.arming}"
    buckets = list(moment.account.buckets)
    return remind(moment, About(rule, buckets, occasion, cycle_start_ms, threshold=threshold), to)


def _order(rule: Spoken, mark: Mark) -> int:
    return mark.threshold


WATCH = Speaker("watch", rule_of(WatchRule), _is_true, _say, of_account, _order)
