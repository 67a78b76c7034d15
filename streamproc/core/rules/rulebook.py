"""Plans, packs and alert rules: the content of the rules file, ready for use.

A :class:`Rulebook` is immutable and shared by all accounts; accounts hold only ids. Its
``fingerprint`` changes with its content. So due instants that an account has cached are calculated
again after a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any
from zlib import crc32

import msgspec
from msgspec import Struct

from streamproc.core.instants import DAY_MS
from streamproc.core.rules.account_rules import (
    NO_ALERT_RULES,
    AlertRules,
    CheckRule,
    ResolvedRule,
    WatchRule,
)
from streamproc.core.rules.commands import Commands
from streamproc.core.rules.kinds import BUCKET_KINDS, CHECK_KINDS, TIMED_KINDS
from streamproc.core.rules.kinds.timed import Shape
from streamproc.core.rules.limits import Limits as Limits
from streamproc.core.rules.notices import Notice, Service, Zone
from streamproc.core.rules.plan_terms import PolicyCounter, Rollover, Tariff, Tier
from streamproc.core.rules.rule import CorrectionRule as CorrectionRule
from streamproc.core.rules.rule import Misfire as Misfire
from streamproc.core.rules.rule import TimedRule as TimedRule
from streamproc.core.rules.rule import UsageRule as UsageRule
from streamproc.core.rules.scope import EVERYTHING as EVERYTHING
from streamproc.core.rules.scope import Scope as Scope
from streamproc.core.rules.sending import UNRESTRICTED, AlertPolicy
from streamproc.core.rules.shared_figures import shared_figures_of
from streamproc.core.rules.wording import NO_WORDING, Wording


class Allowance(Struct, frozen=True, gc=False):
    """What a plan grants in each new cycle."""

    id: str
    granted_bytes: int
    """Granted bytes; 0 if it is unlimited."""
    priority: int
    scope: Scope = EVERYTHING
    unlimited: bool = False
    rollover: Rollover | None = None
    names: dict[str, str] = {}
    """What customers read in place of the id, by locale."""


class Plan(Struct, frozen=True, gc=False):
    """Allowances and prices. ``overage_price_minor`` (minor currency units) is the price of each
    begun ``overage_unit_bytes`` that nothing else covers."""

    id: str
    allowances: tuple[Allowance, ...]
    overage_price_minor: int = 0
    overage_unit_bytes: int = 1_000_000
    price_minor: int = 0
    """Price of one cycle."""
    overage_tiers: tuple[Tier, ...] = ()
    """Other prices from some overage on, ascending."""
    cost_cap_minor: int | None = None
    """Cap of the plan's own tariff."""
    tariffs: tuple[Tariff, ...] = ()
    """Tariffs for some usage only. The first that covers the usage applies."""
    policies: tuple[PolicyCounter, ...] = ()
    names: dict[str, str] = {}
    """What customers read in place of the id, by locale."""

    @property
    def all_tariffs(self) -> tuple[Tariff, ...]:
        """Every tariff in order, the plan's own (id empty) last."""
        first = Tier(0, self.overage_price_minor, self.overage_unit_bytes)
        own = Tariff("", (first, *self.overage_tiers), EVERYTHING, self.cost_cap_minor)
        return *self.tariffs, own


class Pack(Struct, frozen=True, gc=False):
    """An add-on with a validity of its own."""

    id: str
    granted_bytes: int
    validity_ms: int
    priority: int
    scope: Scope = EVERYTHING
    price_minor: int | None = None
    """Price of one pack, for texts; None: the rules file has none."""
    names: dict[str, str] = {}
    """What customers read in place of the id, by locale."""


class Storms(Struct, frozen=True, gc=False):
    """How many timed reminders a partition sends if many fall due at once."""

    rate_per_second: int = 0
    """Highest rate, by the wall clock; 0: no limit."""


UNLIMITED = Storms()


class TextOptions(Struct, frozen=True, gc=False):
    """What a text has besides its template."""

    max_segments: int = 1
    """How many SMS parts it may need; ``texts lint`` checks it."""
    channels: dict[str, str] = {}
    """Templates for channels other than SMS."""


class Crossing(Struct, frozen=True, gc=False):
    """One level of one rule on a bucket of a given size: it fires at ``used_bytes`` and above."""

    used_bytes: int
    rule: UsageRule
    value: int


_LEVEL_CACHE_SIZE = 50_000
DAYS_OF_DOUBT = 3
"""Days by which a number of days can be wrong: because of the time of day, daylight saving, and
zones that skipped a date."""
TOPUP_PRIORITY = 90


AnyRule = UsageRule | TimedRule | WatchRule | CheckRule | ResolvedRule | CorrectionRule
OwnThresholds = tuple[tuple[str, tuple[int, ...]], ...]
"""Pairs of a rule's id and a subscriber's thresholds; levels are looked up by them."""


class Rulebook:
    """Everything that the core needs to know and that is not state."""

    def __init__(
        self,
        plans: tuple[Plan, ...],
        packs: tuple[Pack, ...],
        usage_rules: tuple[UsageRule, ...],
        timed_rules: tuple[TimedRule, ...],
        limits: Limits,
        default_locale: str,
        currency: str,
        alerts: AlertPolicy = UNRESTRICTED,
        text_options: Mapping[tuple[str, str], TextOptions] | None = None,
        services: tuple[Service, ...] = (),
        zones: tuple[Zone, ...] = (),
        notices: tuple[Notice, ...] = (),
        commands: Commands | None = None,
        correction_rules: tuple[CorrectionRule, ...] = (),
        storms: Storms = UNLIMITED,
        alert_rules: AlertRules = NO_ALERT_RULES,
        wording: Wording = NO_WORDING,
        id_key: str = "",
    ) -> None:
        self.plans = {plan.id: plan for plan in plans}
        self.packs = {pack.id: pack for pack in packs}
        self.usage_rules = usage_rules
        self.timed_rules = timed_rules
        self.correction_rules = correction_rules
        self.watch_rules = alert_rules.watch
        self.check_rules = alert_rules.checks
        self.resolved_rules = alert_rules.resolved
        self.limits = limits
        self.default_locale = default_locale
        self.currency = currency
        self.wording = wording
        self.id_key = id_key
        """What makes ids of records testable by nobody else. It is secret, and no part of the file;
        empty: ids have no key."""
        self.alerts = alerts
        self.storms = storms
        self.services = {one.id: one for one in services}
        self.zones = {one.id: one for one in zones}
        self.notices: dict[str, Notice] = {one.kind: one for one in notices}
        self.commands = commands
        self.text_options = text_options or {}
        """Options of texts, by rule and locale, where the rules file has some."""
        self.prepared: dict[tuple[str, str], Any] = {}
        """A cache for other modules, by their own keys: for example compiled texts."""
        self._levels: dict[
            tuple[str, str, int, OwnThresholds], tuple[tuple[int, ...], tuple[Crossing, ...]]
        ] = {}
        content = [plans, packs, usage_rules, timed_rules, limits, default_locale, alerts]
        content += [services, zones, notices, commands, currency, correction_rules, alert_rules]
        # Rules files without these words keep the fingerprint that they had before the
        # words existed.
        if wording != NO_WORDING:
            content.append(wording)
        self.fingerprint = crc32(msgspec.json.encode(content, order="sorted"))
        self._derive_from_plans()
        self._derive_from_buckets()
        self._derive_from_timed_rules()
        self._derive_from_alert_rules()
        self._derive_from_all_rules()

    def _derive_from_plans(self) -> None:
        """What usage beyond the buckets asks: tariffs, caps, policies."""
        plans = self.plans.values()
        self.tariffs = {plan.id: plan.all_tariffs for plan in plans}
        self.policies = {plan.id: plan.policies for plan in plans if plan.policies}
        self.free_caps = {
            plan.id: [one.id for one in plan.all_tariffs if one.cap_minor == 0] for plan in plans
        }
        """Tariffs whose cap is reached from the start, because it is 0."""
        self.watched_plans = frozenset(one.id for one in plans if one.tariffs or one.policies)
        """Plans whose usage changes more than buckets: meters of tariffs, policies."""

    def _derive_from_buckets(self) -> None:
        """What allowances and packs cover, and how they are called."""
        sources: list[Pack | Allowance] = [
            *self.packs.values(),
            *(one for plan in self.plans.values() for one in plan.allowances),
        ]
        self.source_names = {one.id: one.names for one in sources if one.names}
        """Names by locale of the packs and allowances that have names, by id."""
        self.scopes = {one.id: one.scope for one in sources if one.scope != EVERYTHING}
        """What allowances and packs cover, by id. Those that cover everything are not in it, so the
        common case is one lookup."""
        self.not_home_data = frozenset(
            name for name, scope in self.scopes.items() if not scope.is_home_data
        )
        """Ids of allowances and packs that do not cover ordinary usage at home at every hour."""

    def _derive_from_timed_rules(self) -> None:
        """For whom timed rules have nothing, so that they are not asked about them."""
        self.timed_for_all = all(
            one.plans is None and one.segments is None and not one.only_chosen
            for one in self.timed_rules
        )
        """Whether every timed rule is meant for each subscriber who chose nothing."""
        self.timed_without_packs = tuple(
            one
            for one in self.timed_rules
            if TIMED_KINDS[one.kind].shape_of(one) is not Shape.AT_ENDS
        )
        """The timed rules that can send something to an account without packs, top-ups and the
        like."""

    def _derive_from_alert_rules(self) -> None:
        """Figures of watch rules, what checks need to know, and what rules remember."""
        self.shared_figures = shared_figures_of(self.watch_rules)
        self.watches_cost_alone = all(one.kind.is_of_cost for one in self.shared_figures)
        self.figures_without_cost = [0] * len(self.shared_figures)
        """The figures of watch rules as long as the cycle has cost nothing, if all of them are
        about cost."""
        self.watched_costs = frozenset(
            one.tariff or "" for one in self.watch_rules if one.kind == "overage_started"
        )
        """Tariffs with a rule that reports the start of overage."""
        silences = [
            days
            for one in self.check_rules
            if (days := CHECK_KINDS[one.kind].silence_days(one)) is not None
        ]
        self.wants_last_use = bool(silences)
        self.surely_silent_ms = (min(silences, default=0) - DAYS_OF_DOUBT) * DAY_MS
        """For this long after the last usage no inactivity reminder can be due, in any time
        zone."""
        reaching: list[UsageRule | WatchRule] = [*self.usage_rules, *self.watch_rules]
        followed = {name for rule in self.resolved_rules for name in rule.of}
        self.tracked = frozenset(
            rule.id
            for rule in reaching
            if rule.policy.for_count > 1 or rule.policy.hysteresis or rule.id in followed
        )
        """Rules that remember what is reached (``RareState.alarms``)."""
        self.created_rules = tuple(one for one in reaching if one.policy.evaluate_on_create)
        self.has_checks = bool(self.check_rules or self.created_rules)

    def _derive_from_all_rules(self) -> None:
        """Rules by id, and the categories that subscribers can opt out of."""
        by_id: list[AnyRule] = [
            *self.usage_rules,
            *self.watch_rules,
            *self.timed_rules,
            *self.check_rules,
            *self.resolved_rules,
            *self.correction_rules,
        ]
        self.rules_by_id = {rule.id: rule for rule in by_id}
        # The order of the categories is another one than that of the rules by id. Both stay as they
        # are, because lists that customers see follow them.
        named: list[AnyRule | Notice] = [
            *self.usage_rules,
            *self.watch_rules,
            *self.check_rules,
            *self.resolved_rules,
            *self.timed_rules,
            *self.notices.values(),
            *self.correction_rules,
        ]
        self.categories = tuple(dict.fromkeys(one.category for one in named))
        """The categories that subscribers can opt out of."""

    def keyed(self, id_key: str) -> Rulebook:
        """The same rules, with a key for the ids of records."""
        other = copy(self)
        other.id_key = id_key
        return other

    def speaking(self) -> Iterator[AnyRule | Notice]:
        """All rules and notices."""
        yield from self.rules_by_id.values()
        yield from self.notices.values()

    def levels(
        self, kind: str, source: str, granted_bytes: int, own: OwnThresholds = ()
    ) -> tuple[tuple[int, ...], tuple[Crossing, ...]]:
        """Levels of a bucket in used bytes, ascending, and what each of them stands for, index by
        index.

        ``own`` are a subscriber's own thresholds.
        """
        key = (kind, source, granted_bytes, own)
        found = self._levels.get(key)
        if found is None:
            if len(self._levels) >= _LEVEL_CACHE_SIZE:
                self._levels.clear()
            chosen = dict(own)
            is_endless = kind == "unlimited"
            crossings = sorted(
                (
                    Crossing(level, rule, value)
                    for rule in self.usage_rules
                    if rule.is_about(kind, source)
                    and (not is_endless or BUCKET_KINDS[rule.kind].is_of_unlimited)
                    for value in chosen_thresholds(rule, chosen.get(rule.id))
                    if (level := BUCKET_KINDS[rule.kind].used_level(value, granted_bytes)) > 0
                    and (is_endless or level <= granted_bytes)
                ),
                key=_order,
            )
            found = tuple(one.used_bytes for one in crossings), tuple(crossings)
            self._levels[key] = found
        return found


def _order(crossing: Crossing) -> tuple[int, str, int]:
    """Sort key: of one rule the most urgent is last, also if a small bucket has several at one
    level."""
    rule = crossing.rule
    return crossing.used_bytes, rule.id, BUCKET_KINDS[rule.kind].urgency(crossing.value)


def chosen_thresholds(rule: UsageRule | WatchRule, own: tuple[int, ...] | None) -> tuple[int, ...]:
    """The thresholds of a rule for a subscriber whose own thresholds are ``own`` (None: has none).

    Own thresholds replace those of the rule. A mandatory rule keeps its thresholds and gets the own
    ones in addition.
    """
    if own is None:
        return rule.thresholds
    return tuple(sorted({*rule.thresholds, *own})) if rule.mandatory else own
