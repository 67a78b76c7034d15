"""What watch rules say: figures of the whole account that usage has brought to a threshold."""

from __future__ import annotations

from streamproc.core.alerts.alarms import Edge, is_reached
from streamproc.core.alerts.audience import of_account
from streamproc.core.alerts.message import Speaker, rule_of
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.rules.sending import Spoken
from streamproc.core.rules.watch import WatchRule
from streamproc.core.state.account import Account
from streamproc.core.state.effects import Effect
from streamproc.core.state.gate import Mark
from streamproc.core.state.moment import Moment
from streamproc.core.texts.reminding import About, remind, threshold_of
from streamproc.core.usage.figures import level_of, slide, speed_up, values_of
from streamproc.core.usage.own_thresholds import thresholds_of

Values = list[int]
"""Each figure that watch rules have (``Rulebook.watchers``), in their order."""


def values_before(account: Account, time_ms: int, rules: Rulebook) -> Values:
    """The figures before usage of an instant is charged."""
    for figure, sharing in rules.watchers:
        if figure == "speed":
            slide(account, sharing[0], time_ms)
    return values_of(account, rules)


def edges_of_usage(
    account: Account, before: Values, time_ms: int, used_bytes: int, rules: Rulebook
) -> list[Edge]:
    """The thresholds that charged usage has reached, ascending by rule."""
    watchers = rules.watchers
    for figure, sharing in watchers:
        if figure == "speed":
            speed_up(account, sharing[0], time_ms, used_bytes)
    edges: list[Edge] = []
    after = values_of(account, rules)
    if after == before:
        return edges
    for (_, sharing), value, now in zip(watchers, before, after, strict=True):
        if now > value:
            for rule in sharing:
                edges += _edges(account, rule, value, now, rules)
    if len(edges) > 1:
        edges.sort(key=lambda edge: rules.watch_rules.index(edge.rule))
    return edges


def edges_of_expiry(account: Account, before: Values, rules: Rulebook) -> list[Edge]:
    """What ended may have been the last there was: nothing is left now, or data costs now."""
    edges: list[Edge] = []
    after = values_of(account, rules)
    for (figure, sharing), value, now in zip(rules.watchers, before, after, strict=True):
        if figure in ("left", "uncovered"):
            for rule in sharing:
                edges += _edges(account, rule, value, now, rules)
    edges.sort(key=lambda edge: rules.watch_rules.index(edge.rule))
    return edges


def reached_of(account: Account, rule: WatchRule, rules: Rulebook) -> list[int]:
    """Every threshold that is reached now, ascending; -1 if the rule has none."""
    known = thresholds_of(account, rule, rules) or (-1,)
    return [one for one in known if is_reached(account, rule, None, one, rules)]


def _edges(
    account: Account, rule: WatchRule, before: int, after: int, rules: Rulebook
) -> list[Edge]:
    if rule.kind == "every_bytes":
        (step,) = thresholds_of(account, rule, rules)[:1] or (0,)
        if not step or after // step <= before // step:
            return []
        reached = after // step * step
        return [Edge(rule, None, reached, reached)]
    if rule.kind == "zero_balance":
        return [Edge(rule, None, -1, 0)] if before < 0 == after else []
    if rule.kind == "overage_started":
        return [Edge(rule, None, -1, 0)] if before == 0 < after else []
    edges = []
    for threshold in thresholds_of(account, rule, rules):
        level = level_of(account, rule, threshold, rules)
        if level is not None and before < level <= after:
            edges.append(Edge(rule, None, threshold, threshold))
    return edges


def _is_true(moment: Moment, rule: Spoken, mark: Mark) -> bool:
    """Of this cycle, and still reached; that much was used so fast stays true."""
    assert isinstance(rule, WatchRule)
    account, rules = moment.account, moment.rules
    if not _has_threshold(account, rule, mark.threshold, rules):
        return False
    if rule.kind == "velocity":
        return True
    if rule.kind != "zero_balance" and mark.at_ms < account.cycle_start_ms:
        return False
    return is_reached(account, rule, None, mark.threshold, rules)


def _has_threshold(account: Account, rule: WatchRule, threshold: int, rules: Rulebook) -> bool:
    """Whether it still is one of the rule's; another rule may have its id by now."""
    known = thresholds_of(account, rule, rules)
    if rule.kind == "every_bytes":
        return threshold > 0 and not threshold % known[0]
    return threshold in (known or (-1,))


def _say(
    moment: Moment, rule: Spoken, mark: Mark, to: list[str], cycle_start_ms: int
) -> list[Effect]:
    assert isinstance(rule, WatchRule)
    threshold = threshold_of(rule, mark.threshold)
    arming = f"{mark.threshold}@{mark.arming}"
    buckets = list(moment.account.buckets)
    return remind(moment, About(rule, buckets, arming, cycle_start_ms, threshold=threshold), to)


def _order(rule: Spoken, mark: Mark) -> int:
    return mark.threshold


WATCH = Speaker("watch", rule_of(WatchRule), _is_true, _say, of_account, _order)
