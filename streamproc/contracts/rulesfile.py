"""The rules file: YAML or TOML text to a :class:`Rulebook`, or every problem with file and line."""

from __future__ import annotations

from datetime import time
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from streamproc.contracts.rulestext import Source, SyntaxProblem, parse
from streamproc.core.instants import DAY_MS
from streamproc.core.model import ALLOWANCE, PACK, TOPUP
from streamproc.core.rulebook import (
    Allowance,
    Limits,
    Pack,
    Plan,
    Rulebook,
    Scope,
    TimedRule,
    UsageRule,
)
from streamproc.core.text import template_error

LONGEST_CYCLE_DAYS = 31

Id = Annotated[str, Meta(min_length=1, max_length=64)]
Count = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Natural = Annotated[int, Meta(ge=0, le=2**53 - 1)]
Priority = Annotated[int, Meta(ge=0, le=1000)]
Texts = Annotated[dict[str, str], Meta(min_length=1)]
BucketKind = Literal["allowance", "pack", "topup"]
ClockTime = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]

T = TypeVar("T")


class RulesError(ValueError):
    """The rules file is wrong; the message lists every problem as FILE:LINE: field: problem."""


class _Strict(Struct, forbid_unknown_fields=True, frozen=True):
    pass


class _Scoped(_Strict, frozen=True):
    rating_groups: frozenset[Natural] | None = None
    roaming_zones: frozenset[Id] | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.rating_groups, self.roaming_zones)


class _Allowance(_Scoped, frozen=True, kw_only=True):
    id: Id
    granted_bytes: Count
    priority: Priority = 50


class _Plan(_Strict, frozen=True):
    id: Id
    allowances: tuple[_Allowance, ...]
    overage_price_minor: Natural = 0
    overage_unit_bytes: Count = 1_000_000


class _Pack(_Scoped, frozen=True, kw_only=True):
    id: Id
    granted_bytes: Count
    validity_hours: Annotated[int, Meta(ge=1, le=24 * 3660)]
    priority: Priority = 10


class _Rule(_Strict, frozen=True, tag_field="kind", kw_only=True):
    id: Id
    texts: Texts
    category: Id
    mandatory: bool = False
    priority: Priority = 5
    ttl_seconds: Count = 86_400


class _Percent(_Rule, frozen=True, tag="usage_percent", kw_only=True):
    thresholds: Annotated[tuple[Annotated[int, Meta(ge=1, le=100)], ...], Meta(min_length=1)]
    bucket_kinds: frozenset[BucketKind] = frozenset((ALLOWANCE, PACK, TOPUP))


class _Remaining(_Rule, frozen=True, tag="remaining_bytes", kw_only=True):
    thresholds: Annotated[tuple[Natural, ...], Meta(min_length=1)]
    bucket_kinds: frozenset[BucketKind] = frozenset((ALLOWANCE, PACK, TOPUP))


class _Timed(_Rule, frozen=True, kw_only=True):
    at: ClockTime
    misfire_grace_seconds: Natural = 21_600


class _Summary(_Timed, frozen=True, tag="usage_summary", kw_only=True):
    every: Literal["day", "week", "month"] = "week"
    day: Annotated[int, Meta(ge=1, le=31)] = 1


class _BeforeCycleEnd(_Timed, frozen=True, tag="before_cycle_end", kw_only=True):
    # The cycle ends at midnight: one day before is its last day, none would be too late.
    days_before: Annotated[int, Meta(ge=1, le=27)]


class _BeforeExpiry(_Timed, frozen=True, tag="before_expiry", kw_only=True):
    days_before: Annotated[int, Meta(ge=0, le=365)]


class _Limits(_Strict, frozen=True):
    max_event_bytes: Count = 1 << 40
    max_ahead_seconds: Natural = 300
    max_age_days: Count = 40
    dedupe_horizon_days: Count = 75
    dedupe_max_ids: Annotated[int, Meta(ge=100, le=65_536)] = 16_384
    hold_unknown_seconds: Natural = 86_400
    hold_max_events: Annotated[int, Meta(ge=1, le=10_000)] = 100
    history_cycles: Annotated[int, Meta(ge=1, le=24)] = 2


_AnyRule = _Percent | _Remaining | _Summary | _BeforeCycleEnd | _BeforeExpiry

_UNKNOWN = "Object contains unknown field "
_TOP = ("version", "currency", "default_locale", "limits", "plans", "packs", "rules")


def load_rulebook(text: str, filename: str) -> Rulebook:
    """The rulebook of a file's text; TOML if the name ends so, else YAML.

    Raises :class:`RulesError` with all problems.
    """
    try:
        source = parse(text, filename)
    except SyntaxProblem as problem:
        raise RulesError(str(problem)) from None
    return _Loader(source).load()


def default_rulebook() -> Rulebook:
    """The packaged rules."""
    file = resources.files(__package__) / "rules" / "default.yaml"
    return load_rulebook(file.read_text(encoding="utf-8"), "default.yaml")


class _Loader:
    """Converts item by item, so that each problem has its own line."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._problems: list[tuple[int, str]] = []

    def load(self) -> Rulebook:
        data = self._source.data
        for name in data:
            if name not in _TOP:
                self._problem((name,), f"unknown field; known: {', '.join(_TOP)}")
        if data.get("version") != 1:
            self._problem(("version",), "must be 1")
        limits = self._convert(("limits",), data.get("limits", {}), _Limits) or _Limits()
        plans = self._items("plans", _Plan)
        packs = self._items("packs", _Pack)
        rules: list[Any] = self._items("rules", _AnyRule)  # type: ignore[arg-type]
        if not data.get("plans"):
            self._problem(("plans",), "at least one plan is needed")
        self._check_scoped_ids(plans, packs)
        self._check_limits(limits)
        for index, rule in rules:
            self._check_texts(index, rule)
        currency = self._convert(("currency",), data.get("currency"), Id)
        locale = self._convert(("default_locale",), data.get("default_locale"), Id)
        if self._problems:
            name = self._source.filename
            lines = [f"{name}:{line}: {text}" for line, text in sorted(self._problems)]
            raise RulesError("\n".join(lines))
        return Rulebook(
            plans=tuple(_plan(plan) for _, plan in plans),
            packs=tuple(_pack(pack) for _, pack in packs),
            usage_rules=tuple(
                _usage_rule(rule) for _, rule in rules if isinstance(rule, _Percent | _Remaining)
            ),
            timed_rules=tuple(_timed_rule(rule) for _, rule in rules if isinstance(rule, _Timed)),
            limits=_limits(limits),
            default_locale=str(locale),
            currency=str(currency),
        )

    def _items(self, name: str, kind: type[T]) -> list[tuple[int, T]]:
        items = self._source.data.get(name, [])
        if not isinstance(items, list):
            self._problem((name,), "must be a list")
            return []
        found: list[tuple[int, T]] = []
        ids: set[str] = set()
        for index, item in enumerate(items):
            one = self._convert((name, index), item, kind)
            if one is None:
                continue
            identity: str = one.id  # type: ignore[attr-defined]  # every item has one
            if identity in ids:
                self._problem((name, index, "id"), f"{identity!r} is used twice")
            ids.add(identity)
            found.append((index, one))
        return found

    def _convert(self, path: tuple[str | int, ...], item: Any, kind: type[T]) -> T | None:
        try:
            return msgspec.convert(item, kind)
        except msgspec.ValidationError as error:
            message, _, where = str(error).partition(" - at `$")
            inner = tuple(
                int(part) if part.isdigit() else part
                for part in where.rstrip("`").replace("[", ".").replace("]", "").split(".")
                if part
            )
            if message.startswith(_UNKNOWN):
                inner = (*inner, message[len(_UNKNOWN) :].strip("`"))
            self._problem(path + inner, message)
            return None

    def _check_scoped_ids(
        self, plans: list[tuple[int, _Plan]], packs: list[tuple[int, _Pack]]
    ) -> None:
        """A bucket finds its scope by the id of its pack or allowance, so these must differ."""
        scopes: dict[str, Scope] = {}
        for _, pack in packs:
            scopes[pack.id] = pack.scope
        pack_ids = set(scopes)
        for index, plan in plans:
            for place, allowance in enumerate(plan.allowances):
                path = ("plans", index, "allowances", place, "id")
                if allowance.id in pack_ids:
                    self._problem(path, f"{allowance.id!r} is a pack's id too")
                elif scopes.setdefault(allowance.id, allowance.scope) != allowance.scope:
                    self._problem(path, f"{allowance.id!r} has another scope in another plan")

    def _check_limits(self, limits: _Limits) -> None:
        least = LONGEST_CYCLE_DAYS + limits.max_age_days
        if limits.dedupe_horizon_days < least:
            self._problem(
                ("limits", "dedupe_horizon_days"),
                f"must be at least {least}: a cycle of {LONGEST_CYCLE_DAYS} days and max_age_days",
            )

    def _check_texts(self, index: int, rule: _Rule) -> None:
        for locale, template in rule.texts.items():
            wrong = template_error(template) or ("" if template.strip() else "must not be empty")
            if wrong:
                self._problem(("rules", index, "texts", locale), wrong)
        if isinstance(rule, _Summary) and rule.every == "week" and rule.day > 7:
            self._problem(("rules", index, "day"), "a weekday is 1 (Monday) to 7")

    def _problem(self, path: tuple[str | int, ...], message: str) -> None:
        name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
        self._problems.append((self._source.line(path), f"{name.lstrip('.')}: {message}"))


def _plan(plan: _Plan) -> Plan:
    allowances = tuple(
        Allowance(one.id, one.granted_bytes, one.priority, one.scope) for one in plan.allowances
    )
    return Plan(plan.id, allowances, plan.overage_price_minor, plan.overage_unit_bytes)


def _pack(pack: _Pack) -> Pack:
    validity_ms = pack.validity_hours * 3_600_000
    return Pack(pack.id, pack.granted_bytes, validity_ms, pack.priority, pack.scope)


def _usage_rule(rule: _Percent | _Remaining) -> UsageRule:
    return UsageRule(
        rule.id,
        "usage_percent" if isinstance(rule, _Percent) else "remaining_bytes",
        tuple(sorted(set(rule.thresholds))),
        frozenset(map(str, rule.bucket_kinds)),
        rule.texts,
        rule.category,
        rule.mandatory,
        rule.priority,
        rule.ttl_seconds * 1000,
    )


_KINDS: dict[type[_Timed], Literal["usage_summary", "before_cycle_end", "before_expiry"]] = {
    _Summary: "usage_summary",
    _BeforeCycleEnd: "before_cycle_end",
    _BeforeExpiry: "before_expiry",
}


def _timed_rule(rule: _Timed) -> TimedRule:
    summary = rule if isinstance(rule, _Summary) else None
    before = rule if isinstance(rule, _BeforeCycleEnd | _BeforeExpiry) else None
    return TimedRule(
        rule.id,
        _KINDS[type(rule)],
        time.fromisoformat(rule.at),
        rule.texts,
        rule.category,
        rule.mandatory,
        rule.priority,
        rule.ttl_seconds * 1000,
        rule.misfire_grace_seconds * 1000,
        summary.every if summary else "week",
        summary.day if summary else 1,
        before.days_before if before else 0,
    )


def _limits(limits: _Limits) -> Limits:
    return Limits(
        limits.max_event_bytes,
        limits.max_ahead_seconds * 1000,
        limits.max_age_days * DAY_MS,
        limits.dedupe_horizon_days * DAY_MS,
        limits.dedupe_max_ids,
        limits.hold_unknown_seconds * 1000,
        limits.hold_max_events,
        limits.history_cycles,
    )
