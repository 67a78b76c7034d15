"""Texts with every placeholder in a form that can be read back, in every locale."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from streamproc.contracts.rules_file.load import _text_problem, load_rulebook
from streamproc.contracts.rules_file.wording import Given
from streamproc.core.rules.commands import REPLIES
from streamproc.core.rules.notices import PLACEHOLDERS
from streamproc.core.rules.placeholders import REMINDER, Kind, Vocabulary
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.texts.template import template_error

LOCALES = ("en", "zh-CN", "zh-TW", "pl", "ru", "ar")
"""Locales of the packaged rules; the packs have some of these and some others."""
ALL_LOCALES = (*LOCALES, "de", "fr", "fr-CA", "es-US", "hi", "en-AU")
BRAND = {"en": "Airy", "zh-CN": "清风移动", "ar": "نسيم"}
CARE = {"en": "1011", "ru": "*1011#"}
_GIVEN = Given({"brand": BRAND, "care": CARE, "default_locale": "en"})
WORDS = ("none", "word_default", "word_off", "word_day", "word_week", "word_month")
"""Replies that are words inside others."""


@cache
def knows_unlimited() -> bool:
    """Whether a plural form can depend on an unlimited quantity."""
    text = "{used, plural, unlimited {a} other {b}}"
    return template_error(text, "en", {"used": Kind.BYTES}) is None


def probe(known: Vocabulary, is_long: bool = False) -> str:
    """A template with every placeholder; a long one shows instants in every way."""
    return "".join(_carried(name, kind, is_long) for name, kind in known.items())


def _carried(name: str, kind: Kind, is_long: bool) -> str:
    bare = f"«{name}={{{name}}}"
    if kind in (Kind.BYTES, Kind.MONEY):
        endless = "unlimited {U} " if kind is Kind.BYTES and knows_unlimited() else ""
        return f"{bare}|{{{name}, plural, {endless}=0 {{Z}} =1 {{S}} other {{N}}}}»"
    if kind is Kind.NAMES:
        return f"{bare}|{{{name}, plural, =0 {{Z}} =1 {{S}} other {{N}}}}»"
    if kind is Kind.INSTANT and is_long:
        ways = f"{{{name}, date, ::MMMd}}|{{{name}, time, ::Hm}}|{{{name}, datetime, short}}"
        return f"{bare}|{{{name}, select, never {{E}} other {{{ways}}}}}»"
    if kind is Kind.INSTANT:
        return f"{bare}|{{{name}, select, never {{E}} other {{T}}}}»"
    return f"{bare}»"


def vocabulary(owner: str, name: str) -> Vocabulary:
    """The placeholders of the texts of rules, of a kind of notices, or of a reply."""
    known: dict[str, Mapping[Any, Vocabulary]] = {
        "rule": {name: _of_rule(name)},
        "notice": PLACEHOLDERS,
        "reply": REPLIES,
    }
    return known[owner][name]


def _of_rule(kind: str) -> Vocabulary:
    """The placeholders with a meaning for a kind of rules."""
    return {name: one for name, one in REMINDER.items() if _is_known(name, kind)}


def _is_known(name: str, kind: str) -> bool:
    return _text_problem(f"{{{name}}}", "en", kind, _GIVEN) is None


@cache
def _probe_of(owner: str, name: str, is_long: bool) -> str:
    return probe(vocabulary(owner, name), is_long)


def with_probes(data: Mapping[str, Any], locales: tuple[str, ...] = LOCALES) -> dict[str, Any]:
    """The data of a rules file, with probes for all of its texts, each with its locale first."""

    def by_locale(owner: str, name: str, is_long: bool, has_push: bool = False) -> dict[str, Any]:
        text, push = _probe_of(owner, name, is_long), _probe_of(owner, name, False)
        found = {locale: f"{locale}: {text}" for locale in locales}
        if not has_push:
            return found
        return {
            locale: {
                "text": one,
                "max_segments": 9,
                "channels": {"push": f"push {locale}: {push}"},
            }
            for locale, one in found.items()
        }

    found = {"brand": BRAND, "care": CARE, **copy.deepcopy(dict(data))}
    for number, rule in enumerate(found.get("rules", ())):
        rule["texts"] = by_locale("rule", rule["kind"], number % 4 == 0, number % 5 == 2)
    for notice in found.get("notices", ()):
        has_push = notice["kind"] == "activation_welcome"
        notice["texts"] = by_locale("notice", notice["kind"], True, has_push)
    if found.get("commands") is not None:
        texts = found["commands"].setdefault("texts", {})
        for name in REPLIES:
            if name not in WORDS:
                texts[name] = by_locale("reply", name, True)
    return found


def loaded(data: Mapping[str, Any]) -> Rulebook:
    """A rulebook of the data of a rules file."""
    return load_rulebook(json.dumps(data), "rules.yaml")
