"""What changes from one rulebook to another one, in words.

Both are compared as they were parsed. So the order of entries, comments, and what is written in
another way with the same meaning make no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from typing import Any, Final

from msgspec import Struct

from streamproc.core.instants import NEVER_MS
from streamproc.core.rules.kinds import KINDS
from streamproc.core.rules.kinds.base import MINOR_UNITS
from streamproc.core.rules.rulebook import Rulebook, TextOptions
from streamproc.core.texts.quantities import readable_bytes

Place = tuple[str, ...]
"""The names that lead to a value: ``("allowance data", "granted_bytes")``."""
NOTHING: Final = "none"
MOST_LETTERS: Final = 300
"""More of a text is not shown."""
_SPANS_MS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms"))
_ENTRIES: Final[Mapping[str, str]] = {
    "allowances": "allowance",
    "tariffs": "tariff",
    "policies": "policy",
    "overage_tiers": "overage tier",
    "tiers": "tier",
    "caps": "cap",
    "replies": "reply",
}
"""One entry of a field that has several."""
_UNITS: Final = ("_bytes", "_ms", "_minor", "_percent")
_UNLISTED: Final = frozenset({"id", "kind"})
"""They name an entry, so they are not compared."""


def differences(old: Rulebook, new: Rulebook) -> list[str]:
    """One line for each thing that is added, removed or changed; none if nothing is.

    An amount of money is in the currency of its rulebook.
    """
    lines = [
        f"{what}: {before} → {after}"
        for what, before, after in (
            ("default locale", old.default_locale, new.default_locale),
            ("currency", old.currency, new.currency),
        )
        if before != after
    ]
    for noun, entries in _SECTIONS.items():
        lines += _entries(noun, entries(old), entries(new), _Told(old, new))
    for noun, part in _PARTS.items():
        lines += _Told(old, new).changed(noun, "", part(old), part(new))
    lines += _texts(old.text_options, new.text_options, _Told(old, new))
    return lines


_SECTIONS: Final[Mapping[str, Callable[[Rulebook], Mapping[str, Any]]]] = {
    "plan": lambda rules: rules.plans,
    "pack": lambda rules: rules.packs,
    "rule": lambda rules: rules.rules_by_id,
    "service": lambda rules: rules.services,
    "roaming zone": lambda rules: rules.zones,
    "notice": lambda rules: rules.notices,
}
_PARTS: Final[Mapping[str, Callable[[Rulebook], Any]]] = {
    "limits": lambda rules: rules.limits,
    "storms": lambda rules: rules.storms,
    "alerts": lambda rules: rules.alerts,
    "words": lambda rules: rules.wording,
    "commands": lambda rules: rules.commands,
}


def _texts(
    old: Mapping[tuple[str, str], TextOptions],
    new: Mapping[tuple[str, str], TextOptions],
    told: _Told,
) -> Iterator[str]:
    """Options of texts; the templates themselves are values of the rules."""
    usual = TextOptions()
    for place in dict.fromkeys((*old, *new)):
        owner, locale = place
        before, after = old.get(place, usual), new.get(place, usual)
        yield from told.changed(f"text of {owner} in {locale}", "", before, after)


def _entries(
    noun: str, old: Mapping[str, Any], new: Mapping[str, Any], told: _Told
) -> Iterator[str]:
    for name, before in old.items():
        if name not in new:
            yield f"{noun} {name}: removed"
        elif type(new[name]) is not type(before) or _kind(before) != _kind(new[name]):
            yield f"{noun} {name}: {_called(before)} → {_called(new[name])}"
        else:
            yield from told.changed(f"{noun} {name}", _kind(before), before, new[name])
    yield from (
        f"{noun} {name}: new{f' ({_called(one)})' if _kind(one) else ''}"
        for name, one in new.items()
        if name not in old
    )


def _kind(entry: Any) -> str:
    return str(getattr(entry, "kind", ""))


def _called(entry: Any) -> str:
    return _kind(entry).replace("_", " ") or "without a kind"


class _Told:
    """Says values in words, as the two rulebooks mean them."""

    def __init__(self, old: Rulebook, new: Rulebook) -> None:
        self._currencies = old.currency, new.currency

    def changed(self, noun: str, kind: str, old: Any, new: Any) -> Iterator[str]:
        """The values of an entry, or a part of the file, that are not the same."""
        before, after = dict(_values(old)), dict(_values(new))
        for place in dict.fromkeys((*before, *after)):
            one, other = before.get(place), after.get(place)
            if one == other:
                continue
            words = ", ".join(_named(part) for part in place)
            parts = (noun, words, self._pair(place[-1], kind, one, other))
            yield ": ".join(part for part in parts if part)

    def _pair(self, field: str, kind: str, old: Any, new: Any) -> str:
        unit = _unit_of(field, kind)
        shown = [
            _shown(value, unit, currency)
            for value, currency in zip((old, new), self._currencies, strict=True)
        ]
        if shown[0] == shown[1]:  # rounded, or cut
            shown = [_exact(value, unit) for value in (old, new)]
        return f"{shown[0]} → {shown[1]}"


def _values(entry: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The single values in an entry, by their place."""
    if isinstance(entry, Struct):
        for name in entry.__struct_fields__:
            if name not in _UNLISTED:
                yield from _values(getattr(entry, name), (*at, name))
    elif isinstance(entry, Mapping):
        for name, value in entry.items():
            yield from _values(value, (*at, str(name)))
    elif isinstance(entry, tuple) and entry and all(isinstance(one, Struct) for one in entry):
        noun = _ENTRIES.get(at[-1], at[-1])
        for index, one in enumerate(entry):
            called = getattr(one, "id", None) or index + 1
            yield from _values(one, (*at[:-1], f"{noun} {called}"))
    elif entry is not None and entry != () and at:
        yield at, entry


def _named(part: str) -> str:
    for unit in _UNITS:
        part = part.removesuffix(unit)
    return part.replace("_", " ")


def _unit_of(field: str, kind: str) -> str:
    """What the numbers of a field count."""
    if field != "thresholds" or kind not in KINDS:
        return next((unit for unit in _UNITS if field.endswith(unit)), "")
    unit = KINDS[kind].unit
    if unit == MINOR_UNITS:
        return "_minor"
    return next((one for one in ("_percent", "_bytes") if unit.startswith(one[1:])), "")


def _shown(value: Any, unit: str, currency: str) -> str:
    if value is None:
        return NOTHING
    if isinstance(value, frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return ", ".join(_shown(one, unit, currency) for one in value) or NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _number(value, unit, currency)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    return f'"{text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS] + "…"}"'


def _number(value: int, unit: str, currency: str) -> str:
    if unit == "_percent":
        return f"{value} %"
    if unit == "_bytes":
        return readable_bytes(value)
    if unit == "_minor":
        return _money(value, currency)
    if unit == "_ms":
        return _span(value)
    return f"{value:,}"


def _money(minor: int, currency: str) -> str:
    from babel.numbers import get_currency_precision

    digits = get_currency_precision(currency)
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    fraction = f".{rest:0{digits}}" if digits else ""
    return f"{sign}{whole:,}{fraction} {currency}"


def _span(length_ms: int) -> str:
    if length_ms >= NEVER_MS:
        return "never"
    size, unit = next(
        (one for one in _SPANS_MS if length_ms and not length_ms % one[0]), _SPANS_MS[-1]
    )
    return f"{length_ms // size:,} {unit}"


def _exact(value: Any, unit: str) -> str:
    if isinstance(value, tuple | frozenset):
        return ", ".join(_exact(one, unit) for one in value)
    if not isinstance(value, int):
        return NOTHING if value is None else str(value)
    return f"{value:,} bytes" if unit == "_bytes" else f"{value:,}"
