"""Services, zones, notices and commands of a rules file: checks them and makes their ready form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import time
from functools import cache
from typing import Any

import msgspec

from streamproc.contracts.rules_file.format.conversation import (
    AnyNoticeEntry,
    CommandsEntry,
    PlanAdviceEntry,
    ServiceEntry,
    TimedNoticeEntry,
    ZoneEntry,
)
from streamproc.contracts.rules_file.format.entries import RulesFormat
from streamproc.contracts.rules_file.read.field_lines import Path
from streamproc.contracts.rules_file.read.parse import decode, parse
from streamproc.contracts.rules_file.texts import (
    TextsDirectory,
    packaged_content,
    templates,
)
from streamproc.contracts.rules_file.wording import Given
from streamproc.core.commands.folding import squeezed
from streamproc.core.rules.as_written import items, kept_cycles
from streamproc.core.rules.commands import ACTIONS, REPLIES, WORDS, Commands, ReplyName
from streamproc.core.rules.fields import TextEntry
from streamproc.core.rules.kinds.entry import plain_texts, spoken
from streamproc.core.rules.notices import AT_ONCE, PLACEHOLDERS, Notice, Service, Zone
from streamproc.core.rules.placeholders import EVERYWHERE, Vocabulary
from streamproc.core.rules.sending import PLAIN, Policy
from streamproc.core.texts.composing import owner_of
from streamproc.core.texts.template import template_error

Problem = tuple[Path, str]

_DEFAULTS = "commands.yaml"


def problems(data: Mapping[str, Any], given: Given) -> Iterator[Problem]:
    """Problems between fields, and in texts. Fields of wrong types are reported elsewhere."""
    kinds: dict[Any, int] = {}
    notices = [one if isinstance(one, dict) else {} for one in items(data, "notices")]
    for index, notice in enumerate(notices):
        path: Path = ("notices", index)
        kind: Any = notice.get("kind")
        known = PLACEHOLDERS.get(kind)
        yield from _text_problems((*path, "texts"), notice.get("texts"), known, given)
        if kind in kinds:
            yield (*path, "kind"), f"{kind!r} is given twice, first in notices[{kinds[kind]}]"
        kinds.setdefault(kind, index)
    commands = data.get("commands")
    if isinstance(commands, dict):
        yield from _command_problems(commands, given)
    if items(data, "services"):
        # A question that is never asked, or that cannot be answered, would only time out.
        for kind in ("subscription_question", "charge_question"):
            if kind not in kinds:
                yield ("notices",), f"services need a notice of the kind {kind}"
        if "commands" not in data:
            yield ("commands",), "services need commands, for answers to their questions"
    if "plan_advice" in kinds:
        index, kept = kinds["plan_advice"], kept_cycles(data)
        cycles = notices[index].get("cycles", 2)
        if isinstance(cycles, int) and cycles > kept:
            problem = f"must be at most limits.history_cycles, {kept}"
            yield ("notices", index, "cycles"), problem


def services_of(file: RulesFormat) -> tuple[Service, ...]:
    return tuple(_service(one) for one in file.services)


def zones_of(file: RulesFormat) -> tuple[Zone, ...]:
    return tuple(_zone(one) for one in file.roaming_zones)


def notices_of(file: RulesFormat) -> tuple[Notice, ...]:
    return tuple(_notice(one) for one in file.notices)


def commands_of(file: RulesFormat) -> Commands | None:
    """The commands of the file, added to the packaged ones; None if the file has no commands."""
    given = file.commands
    if given is None:
        return None
    packaged = default_commands()
    texts = _reply_texts(given)
    return Commands(
        keywords={one: _merged(given.keywords, packaged.keywords, one) for one in ACTIONS},
        shown={
            locale: {**packaged.shown.get(locale, {}), **given.shown.get(locale, {})}
            for locale in (*packaged.shown, *given.shown)
        },
        words={one: _merged(given.words, packaged.words, one) for one in WORDS},
        categories=dict(given.categories),
        category_names=dict(given.category_names),
        replies={
            name: Notice(
                name,
                "command_reply",
                plain_texts(texts[name]),
                given.category,
                True,
                given.priority,
                given.ttl_seconds * 1000,
            )
            for name in REPLIES
        },
        max_replies=given.max_replies,
        window_ms=given.window_seconds * 1000,
    )


def texts_of(file: RulesFormat) -> list[tuple[str, Mapping[str, str | TextEntry]]]:
    """All texts of notices and replies as the operator wrote them, with their owner ids."""
    found: list[tuple[str, Mapping[str, str | TextEntry]]] = [
        (owner_of(_notice(one)), one.texts) for one in file.notices
    ]
    if file.commands is not None:
        replies = _reply_texts(file.commands)
        found += [(f"command_reply {name}", texts) for name, texts in replies.items()]
    return found


def _reply_texts(given: CommandsEntry) -> dict[ReplyName, dict[str, str | TextEntry]]:
    """The texts of the file, added to the packaged ones."""
    packaged = default_commands().texts
    return {name: {**packaged[name], **given.texts.get(name, {})} for name in REPLIES}


@cache
def default_commands() -> CommandsEntry:
    """The packaged keywords, words and texts."""
    content = packaged_content(_DEFAULTS)
    data, _ = parse(decode(content.rules, _DEFAULTS), _DEFAULTS)
    directory = TextsDirectory(content.texts)
    directory.merge_into({"commands": data}, _DEFAULTS)
    assert not directory.problems, directory.problems
    return msgspec.convert(data, CommandsEntry)


def _merged(
    given: Mapping[Any, tuple[str, ...]], packaged: Mapping[Any, tuple[str, ...]], name: str
) -> tuple[str, ...]:
    found: tuple[str, ...] = given.get(name) or packaged[name]
    return found


def _text_problems(
    path: Path, texts: Any, known: Vocabulary | None, given: Given
) -> Iterator[Problem]:
    if known is None or not isinstance(texts, dict):
        return
    for locale, written in texts.items():
        for place, template in templates(written):
            if not template.strip():
                yield (*path, locale, *place), "must not be empty"
            elif wrong := template_error(template, locale, known, given.in_locale(locale)):
                yield (*path, locale, *place), wrong


def _command_problems(commands: Mapping[str, Any], given: Given) -> Iterator[Problem]:
    texts = commands.get("texts")
    own = texts if isinstance(texts, dict) else {}
    known: Mapping[Any, Vocabulary] = REPLIES
    for name, by_locale in own.items():
        yield from _text_problems(("commands", "texts", name), by_locale, known.get(name), given)
    yield from _packaged_problems(own, given)
    spellings: dict[str, Mapping[Any, Any]] = {
        "keywords": default_commands().keywords,
        "words": default_commands().words,
        "categories": {},
    }
    for field, packaged in spellings.items():
        written = commands.get(field)
        told = written if isinstance(written, dict) else {}
        yield from _repeated(("commands", field), {**packaged, **told}, told)
    yield from _category_problems(commands)
    yield from _shown_problems(commands)


def _shown_problems(commands: Mapping[str, Any]) -> Iterator[Problem]:
    """Keywords that texts would show but that the parser would not understand."""
    shown, given = commands.get("shown"), commands.get("keywords")
    keywords: dict[Any, Any] = {
        **default_commands().keywords,
        **(given if isinstance(given, dict) else {}),
    }
    for locale, by_action in (shown if isinstance(shown, dict) else {}).items():
        for action, keyword in (by_action if isinstance(by_action, dict) else {}).items():
            known = keywords.get(action)
            if isinstance(known, list | tuple) and keyword not in known:
                yield (
                    ("commands", "shown", locale, action),
                    f"{keyword!r} is no keyword of {action}",
                )


def _category_problems(commands: Mapping[str, Any]) -> Iterator[Problem]:
    """Names of two categories that are equal for the parser: STOP would end the wrong one."""
    keywords, names = commands.get("categories"), commands.get("category_names")
    meant: dict[str, str] = {}
    for category, spellings in (keywords if isinstance(keywords, dict) else {}).items():
        for one in spellings if isinstance(spellings, list | tuple) else ():
            if isinstance(one, str):
                meant.setdefault(squeezed(one), category)
    for category, by_locale in (names if isinstance(names, dict) else {}).items():
        for locale, name in (by_locale if isinstance(by_locale, dict) else {}).items():
            if not isinstance(name, str):
                continue
            plain, path = squeezed(name), ("commands", "category_names", category, locale)
            if not plain:
                yield path, "must not be blank"
            elif meant.setdefault(plain, category) != category:
                yield path, f"{name!r} is given for {meant[plain]} already"


def _packaged_problems(own: Mapping[str, Any], given: Given) -> Iterator[Problem]:
    """Placeholders that packaged replies use and the file has no value for, unless the file
    replaces them."""
    for name, texts in default_commands().texts.items():
        replaced = own.get(name)
        for locale, template in plain_texts(texts).items():
            if isinstance(replaced, dict) and locale in replaced:
                continue
            if any(f"{{{one}" in template for one in EVERYWHERE):
                wrong = template_error(template, locale, REPLIES[name], given.in_locale(locale))
                if wrong:
                    yield ("commands",), f"the packaged reply {name} in {locale}: {wrong}"


def _repeated(
    path: Path, everything: Mapping[str, Any], own: Mapping[str, Any]
) -> Iterator[Problem]:
    """Two spellings that are equal for the parser. The reported one is in the file."""
    meant: dict[str, str] = {}
    ordered = sorted(everything.items(), key=lambda one: one[0] in own)
    for name, spellings in ordered:
        for index, spelling in enumerate(spellings if isinstance(spellings, list | tuple) else ()):
            if not isinstance(spelling, str):
                continue
            plain = squeezed(spelling)
            place = (*path, name, index) if name in own else path
            if not plain:
                yield place, "must not be blank"
            elif plain in meant:
                yield place, f"{spelling!r} is given for {meant[plain]} already"
            meant.setdefault(plain, name)


def _service(one: ServiceEntry) -> Service:
    return Service(
        one.id,
        one.names,
        one.price_minor,
        one.confirm_charge,
        one.answer_seconds * 1000,
        one.wrong_charge_refund_percent,
    )


def _zone(one: ZoneEntry) -> Zone:
    return Zone(one.id, one.names, one.price_minor, one.unit_bytes)


def _notice(one: AnyNoticeEntry) -> Notice:
    kind: Any = one.__struct_config__.tag  # tags of entries are the kinds of notices
    common = (one.id, kind, *spoken(one))
    policy = Policy(in_quiet_hours=one.in_quiet_hours or ("send" if kind in AT_ONCE else "hold"))
    if policy == PLAIN:
        policy = PLAIN
    if not isinstance(one, TimedNoticeEntry):
        return Notice(*common, policy=policy)
    at, grace_ms = time.fromisoformat(one.at), one.misfire_grace_seconds * 1000
    if isinstance(one, PlanAdviceEntry):
        return Notice(*common, at, one.days_after, grace_ms, one.cycles, one.saving_minor, policy)
    return Notice(*common, at, one.days_before, grace_ms, policy=policy)
