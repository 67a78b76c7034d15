"""The rules file: YAML or TOML text becomes a :class:`Rulebook`, or a list of all problems with
lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path as FilePath
from typing import Any, TypeVar

import msgspec

from streamproc.contracts.rules_file import alert_rules, conversation
from streamproc.contracts.rules_file.format.entries import (
    LimitsEntry,
    RulesFormat,
    rules_format,
)
from streamproc.contracts.rules_file.format.locales import (
    MOST_LOCALES,
    names_problems,
    place_of_too_many,
)
from streamproc.contracts.rules_file.format.plans import (
    AllowanceEntry,
    pack_of,
    pack_problems,
    plan_of,
    plan_problems,
)
from streamproc.contracts.rules_file.read.faults import Fault, faults_and
from streamproc.contracts.rules_file.read.field_lines import (
    Lines,
    Path,
    SyntaxProblem,
    field_name,
    told,
)
from streamproc.contracts.rules_file.read.parse import parse
from streamproc.contracts.rules_file.texts import (
    TEXT_DEPTH,
    TextsDirectory,
    long_texts,
    options_of,
    packaged_content,
    read,
    templates,
)
from streamproc.contracts.rules_file.wording import Given, wording_of, words_problems
from streamproc.core.instants import DAY_MS
from streamproc.core.rules.account_rules import AlertRules, CheckRule, ResolvedRule, WatchRule
from streamproc.core.rules.as_written import entries, items
from streamproc.core.rules.kinds import KINDS, kind_of, with_placeholder
from streamproc.core.rules.kinds.base import Windows
from streamproc.core.rules.kinds.entry import RuleEntry
from streamproc.core.rules.placeholders import OF_SOME_KINDS, REMINDER
from streamproc.core.rules.rulebook import (
    AnyRule,
    CorrectionRule,
    Limits,
    Rulebook,
    Scope,
    Storms,
    TimedRule,
    UsageRule,
)
from streamproc.core.texts.template import TextError, compile_text
from streamproc.errors import StreamprocError

Rule = TypeVar("Rule")
_SLIP = 0.85
"""An unknown kind that is at least this similar to a known kind is taken for a typing error."""


class RulesError(StreamprocError, ValueError):
    """The rules file is wrong. The message lists every problem as FILE:LINE: field: problem."""

    has_lines = True


def load_rulebook(
    source: str | bytes, filename: str, texts: Mapping[str, bytes | str] | None = None
) -> Rulebook:
    """The rulebook of a file's content: TOML if the file name ends so, else YAML.

    ``texts`` is the content of the files of the texts directory, by path (docs/texts.md). Raises
    :class:`RulesError` with all problems.
    """
    try:
        data, lines = parse(source, filename)
    except SyntaxProblem as problem:
        raise RulesError(str(problem)) from None
    directory = TextsDirectory(texts or {})
    origins = directory.merge_into(data, filename)
    beyond = place_of_too_many(data)
    if beyond is not None:
        wrong = f"{field_name(beyond)}: there are more than {MOST_LOCALES} locales in the file"
        raise RulesError(str(SyntaxProblem(filename, lines.of(beyond), wrong)))
    # If parsing already reported a field, a second problem of the field is its consequence.
    known = {path for _, path, _ in lines.problems}
    problems = [
        *lines.problems,
        *(one for one in _Check(data, lines).problems() if one[1] not in known),
    ]
    if problems or directory.problems:
        inside, outside = [], list(directory.problems)
        for line, path, wrong in problems:
            origin = origins.get(path[:TEXT_DEPTH])
            if origin is None:
                inside.append((line, f"{field_name(path)}: {wrong}" if path else wrong))
            else:
                outside.append(origin.problem(path[TEXT_DEPTH:], wrong))
        here = [f"{filename}:{line}: {one}" for line, one in sorted(inside)]
        raise RulesError(told(filename, [*here, *sorted(outside)]))
    return rulebook_of(msgspec.convert(data, rules_format()))


def load_rules(path: FilePath) -> Rulebook:
    """The rulebook of a file and of the texts beside it; raises ``OSError`` too."""
    content = read(path)
    return load_rulebook(content.rules, str(path), content.texts)


def default_rulebook() -> Rulebook:
    """The packaged rules, in the locales of the packaged texts."""
    return packaged_rulebook("default.yaml")


@cache
def packaged_rulebook(name: str) -> Rulebook:
    """A rules file that comes with streamproc, by its path under ``contracts/rules``.

    It is built once per process: packaged files do not change, and a rulebook is immutable.
    """
    content = packaged_content(name)
    return load_rulebook(content.rules, name, content.texts)


def removed(old: Rulebook, new: Rulebook) -> list[str]:
    """Plans, packs and allowances that ``new`` lacks and subscribers of ``old`` can still have, in
    words.

    A plan that is gone grants nothing from the next cycle on. A pack or allowance that is gone has
    no scope any more, so its buckets would cover all usage.
    """
    # An allowance of another plan counts too: buckets find their scope by its id.
    kept = {one.id for plan in new.plans.values() for one in plan.allowances}
    allowances = {one.id: None for plan in old.plans.values() for one in plan.allowances}
    return [
        *(f"plan {name!r}" for name in old.plans if name not in new.plans),
        *(f"pack {name!r}" for name in old.packs if name not in new.packs),
        *(f"allowance {name!r}" for name in allowances if name not in kept),
    ]


class _Check:
    """Checks single fields first, then conditions between several fields.

    The second part checks the data as the operator wrote it, so that one problem does
    not hide another.
    """

    def __init__(self, data: dict[str, Any], lines: Lines) -> None:
        self._data = data
        self._lines = lines
        self._problems: list[tuple[int, Path, str]] = []
        self._given = Given(data)

    def problems(self) -> list[tuple[int, Path, str]]:
        """Line, path and problem of each problem found."""
        found = faults_and(self._data, rules_format(), self._conditions)
        for path, problem in found:
            self._add(path, _unknown_kind(path, self._data) or problem)
        return self._problems

    def _conditions(self) -> Iterator[Fault]:
        """What types do not show. Problems with a line of their own are stored at once."""
        for name in ("plans", "packs", "rules", "services", "roaming_zones", "notices"):
            self._check_ids((name,), items(self._data, name))
        self._check_scopes()
        self._check_plans()
        yield from words_problems(self._data)
        yield from names_problems(self._data)
        yield from alert_rules.problems(self._data)
        for index, rule in entries(self._data, "rules"):
            self._check_rule(("rules", index), rule)
        yield from conversation.problems(self._data, self._given)
        yield from long_texts(self._data)

    def _add(self, path: Path, problem: str) -> None:
        self._problems.append((self._lines.of(path), path, problem))

    def _check_ids(self, path: Path, found: list[Any]) -> None:
        ids: dict[str, int] = {}
        for index, item in enumerate(found):
            name = item.get("id") if isinstance(item, dict) else None
            if not isinstance(name, str):
                continue
            field = (*path, index, "id")
            line = self._lines.of(field)
            if name not in ids:
                ids[name] = line
                continue
            if line == ids[name]:  # both ids come from one anchor, so report the line of the alias
                line = self._lines.of((*path, index))
            problem = f"{name!r} is used twice, first in line {ids[name]}"
            self._problems.append((line, field, problem))

    def _check_scopes(self) -> None:
        """A bucket finds its scope by the id of its pack or allowance, so these ids must be
        different."""
        pack_ids = {str(pack.get("id")) for _, pack in entries(self._data, "packs")}
        scopes: dict[str, Scope] = {}
        for number, plan in entries(self._data, "plans"):
            path: Path = ("plans", number, "allowances")
            self._check_ids(path, items(plan, "allowances"))
            for index, item in entries(plan, "allowances"):
                name = item.get("id")
                if not isinstance(name, str):
                    continue
                if name in pack_ids:
                    self._add((*path, index, "id"), f"{name!r} is a pack's id too")
                    continue
                try:
                    scope = msgspec.convert(item, AllowanceEntry).scope
                except msgspec.ValidationError:
                    continue  # reported already
                if scopes.setdefault(name, scope) != scope:
                    self._add((*path, index, "id"), f"{name!r} has another scope in another plan")

    def _check_plans(self) -> None:
        """Conditions between the fields of one plan or pack."""
        for index, plan in entries(self._data, "plans"):
            for name in ("tariffs", "policies"):
                self._check_ids(("plans", index, name), items(plan, name))
            for path, problem in plan_problems(("plans", index), plan):
                self._add(path, problem)
        for index, pack in entries(self._data, "packs"):
            for path, problem in pack_problems(("packs", index), pack):
                self._add(path, problem)

    def _check_rule(self, path: Path, rule: dict[str, Any]) -> None:
        kind = rule.get("kind")
        texts = rule.get("texts")
        for locale, written in texts.items() if isinstance(texts, dict) else ():
            for place, template in templates(written):
                wrong = _text_problem(template, locale, kind, self._given)
                if wrong or not template.strip():
                    self._add((*path, "texts", locale, *place), wrong or "must not be empty")
        seen: set[Any] = set()
        for index, value in enumerate(items(rule, "thresholds")):
            if isinstance(value, list | dict):
                continue  # the wrong type is reported elsewhere
            if value in seen:
                self._add((*path, "thresholds", index), f"{value} is given twice")
            seen.add(value)


def _unknown_kind(path: Path, data: dict[str, Any]) -> str | None:
    """The problem of an unknown kind of rule that does not look like a typing error."""
    if len(path) != 3 or path[0] != "rules" or path[2] != "kind":
        return None
    kind = data["rules"][path[1]].get("kind")
    if not isinstance(kind, str) or get_close_matches(kind, KINDS, 1, _SLIP):
        return None
    return (
        f"there is no kind {kind!r}, and no package is installed here that brings it along "
        f"(docs/extending.md); known: {', '.join(KINDS)}"
    )


def _text_problem(template: str, locale: str, kind: Any, given: Given) -> str | None:
    """Why a template cannot be rendered, or which of its placeholders has no meaning for a rule's
    kind."""
    try:
        names = compile_text(template, locale, REMINDER, given=given.in_locale(locale)).names
    except TextError as error:
        return str(error)
    known = kind_of(kind)
    for name, only_where in OF_SOME_KINDS.items():
        if known is None or name not in names or name in known.placeholders:
            continue
        if not only_where:
            return f"{{{name}}} has no meaning in {known.called}"
        kinds = " and ".join(with_placeholder(name))
        return f"{{{name}}} has a meaning only {only_where.format(kinds=kinds)}"
    return None


def rulebook_of(file: RulesFormat) -> Rulebook:
    """The rulebook of a file without problems."""
    rules = rules_of(file)
    return Rulebook(
        plans=tuple(plan_of(plan) for plan in file.plans),
        packs=tuple(pack_of(pack) for pack in file.packs),
        usage_rules=_all_of(UsageRule, rules),
        timed_rules=_all_of(TimedRule, rules),
        limits=_limits(file.limits),
        default_locale=file.default_locale,
        currency=file.currency,
        text_options=options_of(
            [*((rule.id, rule.texts) for rule in file.rules), *conversation.texts_of(file)]
        ),
        services=conversation.services_of(file),
        zones=conversation.zones_of(file),
        notices=conversation.notices_of(file),
        commands=conversation.commands_of(file),
        correction_rules=_all_of(CorrectionRule, rules),
        storms=Storms(file.storms.rate_per_second),
        alerts=alert_rules.alert_policy(file.alerts),
        alert_rules=AlertRules(
            _all_of(WatchRule, rules), _all_of(CheckRule, rules), _all_of(ResolvedRule, rules)
        ),
        wording=wording_of(file),
    )


def rules_of(file: RulesFormat) -> list[AnyRule]:
    """The rules of a file, in its order."""
    storms = file.storms
    windows = Windows(storms.mandatory_window_seconds * 1000, storms.window_seconds * 1000)
    return [rule_of(entry, windows) for entry in file.rules]


def rule_of(entry: RuleEntry, windows: Windows) -> AnyRule:
    """The rule of an entry."""
    return KINDS[str(entry.__struct_config__.tag)].rule(entry, windows)


def _all_of(type_of_rule: type[Rule], rules: list[AnyRule]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if isinstance(rule, type_of_rule))


def _limits(limits: LimitsEntry) -> Limits:
    return Limits(
        limits.max_event_bytes,
        limits.max_ahead_seconds * 1000,
        limits.max_age_days * DAY_MS,
        {source: one.max_age_days * DAY_MS for source, one in limits.sources.items()},
        limits.hold_unknown_seconds * 1000,
        limits.hold_max_events,
        limits.history_cycles,
        limits.subscribers,
    )
