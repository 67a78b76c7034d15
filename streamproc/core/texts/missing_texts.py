"""What a rules file lacks for its readers: texts, names, dates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from streamproc.core.instants import HOUR_MS
from streamproc.core.rules.placeholders import EVERYWHERE, Kind
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.texts.locales import is_same_script
from streamproc.core.texts.samples import TextOwner, owners_of
from streamproc.core.texts.template import compile_text

READ_LATER_MS: Final = 6 * HOUR_MS
"""A message with a longer lifetime can be read on another day than the day of its figures."""
_SHOWN_IN: Final = {
    "plan": frozenset(("plan", "better_plan")),
    "allowance": frozenset(("bucket", "buckets")),
    "pack": frozenset(("bucket", "buckets")),
    "service": frozenset(("service", "services", "questions")),
    "zone": frozenset(("zone",)),
    "category": frozenset(("category", "categories")),
}
"""The placeholders that show a name of each kind."""


class _Named(NamedTuple):
    what: str
    id: str
    names: Mapping[str, str]


def missing_texts(rules: Rulebook) -> list[str]:
    """Owners without a text in a locale in which other rules and notices of the file have one.

    A text of the same language and script counts for another country.
    """
    wanted = _locales(rules)
    found = []
    for owner in owners_of(rules):
        missing = _missing(wanted, owner.texts)
        if missing:
            found.append(f"{owner.name}: no text in {', '.join(missing)}, which others have")
    return found


def missing_names(rules: Rulebook) -> list[str]:
    """Things in texts of these rules that customers read as an id, or in another language."""
    wanted, shown = _locales(rules), _placeholders(rules)
    found = []
    for one in _named(rules):
        missing = _missing(wanted, one.names) if shown & _SHOWN_IN[one.what] else []
        if missing:
            found.append(f"{one.what} {one.id} has no name in {', '.join(missing)}")
    return found


def times_without_dates(rules: Rulebook) -> list[str]:
    """Texts that show a time without its date, and that can be read on the next day."""
    found = []
    for owner in owners_of(rules):
        if owner.ttl_ms <= READ_LATER_MS:
            continue
        for locale, template in owner.texts.items():
            names = ", ".join(f"{{{name}}}" for name in _lonely_times(owner, locale, template))
            if names:
                found.append(
                    f"{owner.name} {locale}: {names} has a time and no date, "
                    "and may be read on the next day"
                )
    return found


def _lonely_times(owner: TextOwner, locale: str, template: str) -> list[str]:
    given = dict.fromkeys(EVERYWHERE, "-")
    forms = compile_text(template, locale, owner.known, given=given).forms
    instants = [name for name, kind in owner.known.items() if kind is Kind.INSTANT]
    return [
        name
        for name in instants
        if (name, "time") in forms and not {(name, ""), (name, "date"), (name, "datetime")} & forms
    ]


def _locales(rules: Rulebook) -> list[str]:
    """Locales of the file's own texts. Packaged replies have more locales, which do not count."""
    owners = [*rules.rules_by_id.values(), *rules.notices.values()]
    return list(dict.fromkeys(locale for one in owners for locale in one.texts))


def _missing(wanted: list[str], texts: Mapping[str, str]) -> list[str]:
    return [one for one in wanted if not any(is_same_script(one, other) for other in texts)]


def _placeholders(rules: Rulebook) -> set[str]:
    found: set[str] = set()
    for owner in owners_of(rules):
        for name in owner.known:
            if any(f"{{{name}" in template for template in owner.texts.values()):
                found.add(name)
    return found


def _named(rules: Rulebook) -> Iterator[_Named]:
    for plan in rules.plans.values():
        yield _Named("plan", plan.id, plan.names)
    allowances = dict.fromkeys(one.id for plan in rules.plans.values() for one in plan.allowances)
    for name in allowances:
        yield _Named("allowance", name, rules.source_names.get(name, {}))
    for pack in rules.packs.values():
        yield _Named("pack", pack.id, pack.names)
    for service in rules.services.values():
        yield _Named("service", service.id, service.names)
    for zone in rules.zones.values():
        yield _Named("zone", zone.id, zone.names)
    if rules.commands is not None:
        for category in rules.categories:
            names = rules.commands.category_names.get(category, {})
            yield _Named("category", category, names)
