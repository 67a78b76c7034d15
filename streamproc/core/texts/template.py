"""Templates, compiled once: a text is rendered by calling a few functions and filling a string."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any, Final

from msgspec import UNSET, UnsetType

from streamproc.core.instants import DAY_MINUTES
from streamproc.core.rules.placeholders import ENDLESS, EVERYWHERE, Kind, Nothing, Vocabulary
from streamproc.core.texts.direction import opened
from streamproc.core.texts.filling import Filler
from streamproc.core.texts.formats import (
    Formats,
    UnknownStyleError,
    formats,
    iso_date,
    iso_minute,
)
from streamproc.core.texts.grammar import TextError as TextError
from streamproc.core.texts.grammar import read_nodes

Part = Callable[[Any], str]
"""Shows a piece of a text, given the figures."""

Pieces = tuple[tuple[str, str | None], ...]
"""Literals, each with the placeholder after it, if there is one."""

_BRANCHES: Final = ("plural", "selectordinal", "select")
_TYPES: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.BYTES: ("plural",),
    Kind.PRICE_UNIT: ("plural",),
    Kind.COUNT: ("number", "percent", "plural", "selectordinal"),
    Kind.MONEY: ("plural",),
    Kind.INSTANT: ("date", "time", "datetime", "select"),
    Kind.DATE: ("date", "select"),
    Kind.TEXT: ("select",),
    Kind.NAME: ("select",),
    Kind.NAMES: ("list", "plural"),
    Kind.LEVEL: (),
}
_ABBREVIATED: Final = ("date", "time", "datetime")
"""Types whose figures can end with a full stop: ``9:00 p.m.``, ``27 nov.``"""
_DEFAULT_STYLES: Final = {"date": "medium", "time": "short", "datetime": "short"}
_SELECTED: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.INSTANT: ("never", "midnight", "other"),
    Kind.DATE: ("never", "other"),
}
"""The branches of a select on an end. If the end is at midnight, people name the day before."""
_UNLIMITED: Final = "unlimited"
_NONE: Final = "none"
"""The branch of a select for an empty list."""
"""The plural branch for bytes without limit."""


class Text:
    """A compiled template. ``render`` takes figures: an attribute for each of ``names``."""

    __slots__ = (
        "branches",
        "channels",
        "clock",
        "forms",
        "is_transliterated",
        "locale",
        "names",
        "nodes",
        "pieces",
        "render",
        "source",
    )

    def __init__(
        self,
        source: str,
        locale: str,
        names: frozenset[str],
        render: Part,
        branches: tuple[tuple[str, str, frozenset[str]], ...],
        pieces: Pieces | None = None,
        forms: frozenset[tuple[str, str]] = frozenset(),
        nodes: list[Any] | None = None,
    ) -> None:
        self.source = source
        self.locale = locale
        self.names = names
        self.render = render
        self.branches = branches
        """Placeholder, type and keys of each plural and select, for checks of texts."""
        self.pieces = pieces
        """For a plain text; None for an ICU message in which a placeholder has a type."""
        self.is_transliterated = False
        """Whether the rendered text loses its diacritics."""
        self.forms = forms
        """Placeholders with the types in which they are shown; empty if there is no type."""
        self.clock = ""
        """How its first time of day is shown; empty if it has none. Ends in its lists are shown in
        the same way."""
        self.nodes: list[Any] = nodes or []
        """As parsed, for modules that calculate a part of the text in advance
        (``texts/flat.py``)."""
        self.channels: dict[str, Part] = {}
        """How to render the words for channels other than SMS."""

    def render_channels(self, figures: Any) -> dict[str, str] | UnsetType:
        """The words for other channels, UNSET if there are none."""
        if not self.channels:
            return UNSET
        return {channel: render(figures) for channel, render in self.channels.items()}


def compile_text(
    source: str,
    locale: str,
    known: Vocabulary,
    currency: str = "XXX",
    given: Mapping[str, str] | None = None,
    *,
    shown: Formats | None = None,
) -> Text:
    """Compile a template. Raises :class:`TextError`. ``currency`` is the currency of money
    placeholders; ``shown`` replaces the usual formats of the locale.

    ``given`` has the values of ``placeholders.EVERYWHERE`` that the rules file gives in this
    locale. A text may not show others of them.
    """
    written = shown or formats(locale, currency)
    compiler = _Compiler(known, written)
    nodes = compiler.filled_in(read_nodes(source), given or {})
    pieces = _pieces(nodes)
    render = compiler.nodes(nodes)
    if ".." not in source and any(form in _ABBREVIATED for _, form in compiler.forms):
        render = _with_single_stops(render)
    if written.is_leftward:
        render = _piped(render, opened)
    names, branches = frozenset(compiler.names), tuple(compiler.branches)
    forms = frozenset(compiler.forms)
    text = Text(source, locale, names, render, branches, pieces, forms, nodes)
    text.clock = compiler.clock
    return text


def template_error(
    source: str, locale: str, known: Vocabulary, given: Mapping[str, str] | None = None
) -> str | None:
    """What is wrong with a template, or None if it can be rendered."""
    try:
        compile_text(source, locale, known, given=given)
    except TextError as error:
        return str(error)
    return None


class _Compiler:
    def __init__(self, known: Vocabulary, shown: Formats) -> None:
        self._known = known
        self._formats = shown
        self.names: set[str] = set()
        self.branches: list[tuple[str, str, frozenset[str]]] = []
        self.forms: set[tuple[str, str]] = set()
        self.clock = ""

    def filled_in(self, nodes: list[Any], given: Mapping[str, str]) -> list[Any]:
        """The nodes with the values of the rules file filled in."""
        shown = {
            name: self._formats.name(word) if EVERYWHERE[name] is Kind.NAME else word
            for name, word in given.items()
        }
        # Branches that are never taken are checked as well, so that an error in them is
        # reported at once.
        filler = Filler(
            self._known,
            shown,
            lambda name, form: self._check_type(name, self._kind(name), form),
            lambda branch: self.nodes(branch, str),
        )
        return filler.fill(nodes)

    def nodes(self, nodes: list[Any], number: Part | None = None) -> Part:
        """``number`` shows the value of ``#``."""
        return _filled([one if isinstance(one, str) else self._node(one, number) for one in nodes])

    def _node(self, node: dict[str, Any], number: Part | None) -> Part:
        if node.get("hash"):
            assert number is not None  # the parser treats "#" as text elsewhere
            return number
        name: str = node["name"]
        kind = self._kind(name)
        form: str | None = node.get("type")
        if form is None:
            return self._bare(name, kind)
        self._check_type(name, kind, form)
        if form == "select":
            return self._select(name, kind, node["options"], number)
        if form in _BRANCHES:
            return self._plural(name, kind, form, node)
        return self._typed(name, kind, form, node.get("format"))

    def _check_type(self, name: str, kind: Kind, form: str | None) -> None:
        if form is not None and form not in _TYPES[kind]:
            known = ", ".join(_TYPES[kind]) or "none"
            raise TextError(f"{{{name}}} has no type {form!r}; its types: {known}")

    def _typed(self, name: str, kind: Kind, form: str, style: str | None) -> Part:
        get, known = attrgetter(name), self._formats
        self.forms.add((name, form))
        if form == "time" and not self.clock:
            # A list has no seconds, whatever the text has.
            self.clock = style if style and style.startswith("::") else _DEFAULT_STYLES[form]
        if kind in (Kind.INSTANT, Kind.DATE):
            try:
                show = known.instant(form, style or _DEFAULT_STYLES[form])
                if kind is Kind.DATE:
                    return _piped(get, lambda day: show(None if day is None else day * DAY_MINUTES))
                return _piped(get, show)
            except UnknownStyleError as error:
                raise TextError(f"the style of {{{name}, {form}}}: {error}") from None
        if style is not None:
            raise TextError(f"{{{name}, {form}}} takes no style")
        if form == "list":
            return _piped(get, known.list)
        return _if_any(get, known.percent if form == "percent" else known.number)

    def _select(
        self, name: str, kind: Kind, options: dict[str, list[Any]], number: Part | None
    ) -> Part:
        keys = frozenset(options)
        of_ends = _SELECTED.get(kind)
        if of_ends and not keys.issubset(of_ends):
            raise TextError(f"{{{name}, select}} knows {', '.join(of_ends)} only")
        self.branches.append((name, "select", keys))
        get = attrgetter(name)
        parts = {key: self.nodes(nodes, number) for key, nodes in options.items()}
        other = parts.pop("other")
        if of_ends:
            never = parts.get("never", other)
            midnight = parts.get("midnight")
            if midnight is None:
                # Without a branch for midnight the local time does not matter.
                return lambda figures: (never if get(figures) is None else other)(figures)

            def of_end(figures: Any) -> str:
                local_minute = get(figures)
                if local_minute is None:
                    return never(figures)
                return (other if local_minute % DAY_MINUTES else midnight)(figures)

            return of_end
        none = parts.get(_NONE, other)

        def of_text(figures: Any) -> str:
            value = get(figures)
            return parts.get(value, none if isinstance(value, Nothing) else other)(figures)

        return of_text

    def _plural(self, name: str, kind: Kind, form: str, node: dict[str, Any]) -> Part:
        known, offset = self._formats, node["offset"]
        if offset and kind not in (Kind.COUNT, Kind.NAMES):
            raise TextError(f"{{{name}, {form}}} takes no offset")
        value_of = attrgetter(name)
        get: Callable[[Any], Any] = (
            (lambda figures: len(value_of(figures))) if kind is Kind.NAMES else value_of
        )
        number: Part = (
            (lambda figures: known.number((get(figures) or 0) - offset))
            if kind in (Kind.COUNT, Kind.NAMES)
            else self._bare(name, kind)
        )
        options: dict[str, list[Any]] = node["options"]
        self._check_forms(name, kind, form, options)
        self.branches.append((name, form, frozenset(options) - {_UNLIMITED}))
        parts = {key: self.nodes(nodes, number) for key, nodes in options.items()}
        unlimited = parts.pop(_UNLIMITED, parts["other"])
        exact = {int(key[1:]): parts.pop(key) for key in options if key.startswith("=")}
        other = parts["other"]
        choose = known.ordinal_form if form == "selectordinal" else known.plural_form

        def chosen(figures: Any) -> str:
            # A figure without a value counts as 0, because every text must be renderable.
            value = get(figures) or 0
            part = exact.get(value)
            if part is None and kind is Kind.BYTES and value >= ENDLESS:
                part = unlimited
            if part is None:
                part = parts.get(choose(value - offset), other)
            return part(figures)

        return chosen

    def _check_forms(self, name: str, kind: Kind, form: str, options: dict[str, list[Any]]) -> None:
        locale = self._formats.locale
        rule = locale.ordinal_form if form == "selectordinal" else locale.plural_form
        forms = {*rule.tags, "other"}
        for key in options:
            if key.startswith("="):
                if re.fullmatch(r"=-?[0-9]{1,15}", key) is None:
                    raise TextError(f"{{{name}, {form}}}: {key} is not a whole number")
            elif key == _UNLIMITED and kind is Kind.BYTES:
                continue
            elif key not in forms:
                raise TextError(
                    f"{{{name}, {form}}}: {key} is not a {form} form of {locale}; "
                    f"it has {', '.join(sorted(forms))}"
                )

    def _kind(self, name: str) -> Kind:
        if name not in self._known:
            known = ", ".join(sorted(self._known))
            raise TextError(f"unknown placeholder {{{name}}}; known: {known}")
        self.names.add(name)
        return self._known[name]

    def _bare(self, name: str, kind: Kind) -> Part:
        get = attrgetter(name)
        self.forms.add((name, ""))
        if kind is Kind.TEXT:
            return get
        if kind is Kind.COUNT:
            return _if_any(get, str)
        shows: dict[Kind, Callable[[Any], str]] = {
            Kind.BYTES: self._formats.bytes,
            Kind.MONEY: self._formats.money,
            Kind.INSTANT: iso_minute,
            Kind.DATE: iso_date,
            Kind.PRICE_UNIT: self._formats.price_unit,
            Kind.NAME: self._formats.name,
            Kind.NAMES: self._formats.list,
            Kind.LEVEL: self._formats.level,
        }
        return _piped(get, shows[kind])


def _pieces(nodes: list[Any]) -> Pieces | None:
    """The nodes of a text in which no placeholder has a type; None for any other text."""
    pieces: list[tuple[str, str | None]] = []
    literal = ""
    for node in nodes:
        if isinstance(node, str):
            literal += node
        elif node.get("type") is not None:
            return None
        else:
            pieces.append((literal, node["name"]))
            literal = ""
    return (*pieces, (literal, None)) if literal or not pieces else tuple(pieces)


def _with_single_stops(render: Part) -> Part:
    """The full stop of an abbreviation at the end of a sentence is also the stop of the
    sentence."""
    return lambda figures: render(figures).replace("..", ".")


def _piped(get: Callable[[Any], Any], show: Callable[[Any], str]) -> Part:
    return lambda figures: show(get(figures))


def _if_any(get: Callable[[Any], Any], show: Callable[[Any], str]) -> Part:
    def part(figures: Any) -> str:
        value = get(figures)
        return "" if value is None else show(value)

    return part


def _filled(pieces: list[str | Part]) -> Part:
    """One function for a sequence of literals and parts; the usual lengths are written out for
    speed."""
    # One format string is much faster than joining the parts.
    frame = "".join(one.replace("%", "%%") if isinstance(one, str) else "%s" for one in pieces)
    parts = [one for one in pieces if not isinstance(one, str)]
    if not parts:
        text = frame.replace("%%", "%")
        return lambda _: text
    a, b, c, d, e = (*parts, *[parts[0]] * 4)[:5]
    if len(parts) == 1:
        return a if frame == "%s" else lambda f: frame % (a(f),)
    if len(parts) == 2:
        return lambda f: frame % (a(f), b(f))
    if len(parts) == 3:
        return lambda f: frame % (a(f), b(f), c(f))
    if len(parts) == 4:
        return lambda f: frame % (a(f), b(f), c(f), d(f))
    if len(parts) == 5:
        return lambda f: frame % (a(f), b(f), c(f), d(f), e(f))
    return lambda f: frame % tuple([part(f) for part in parts])
