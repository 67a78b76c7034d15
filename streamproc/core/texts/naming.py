"""Names that customers read instead of ids. Records keep the ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import ROLLOVER, TOPUP, Bucket
from streamproc.core.texts.locales import best_name, in_locale
from streamproc.core.texts.packaged_words import BUCKET_KINDS, DEFAULT, ROLLED_OVER, SHARE_OF_OTHER
from streamproc.core.usage.pools import member_of_cap


class Named(Protocol):
    """The fields of a bucket that its name depends on."""

    kind: str
    source: str


def bucket_name(bucket: Named, locale: str, rules: Rulebook) -> str:
    """A bucket's name for a reader of ``locale``: of its pack, allowance or kind; else its id.

    A roll-over has the name of its allowance, with a word that says "rolled over".
    """
    words = BUCKET_KINDS.get(bucket.kind)
    if words is not None:
        return kind_name(bucket.kind, locale, rules)
    name = name_in(rules.source_names.get(bucket.source), bucket.source, locale, rules)
    # An allowance and its roll-over can stand next to each other in a list.
    return rolled_over_name(name, locale, rules) if bucket.kind == ROLLOVER else name


def name_for_reader(bucket: Bucket, locale: str, rules: Rulebook, reader: str) -> str:
    """A bucket's name for the number ``reader``. "Your share" is that of the reader alone."""
    member = member_of_cap(bucket.id)
    if member and member != reader:
        return in_locale(SHARE_OF_OTHER, locale, DEFAULT).replace("{member}", member)
    return bucket_name(bucket, locale, rules)


def rolled_over_name(name: str, locale: str, rules: Rulebook) -> str:
    """The name of a roll-over, made from the name of its allowance."""
    given = rules.wording.rollover_names
    return in_locale({**ROLLED_OVER, **given}, locale, DEFAULT).replace("{name}", name)


def kind_name(kind: str, locale: str, rules: Rulebook) -> str:
    """The name of a bucket that comes from no pack or allowance."""
    given = rules.wording.topup_names if kind == TOPUP else {}
    return in_locale({**BUCKET_KINDS[kind], **given}, locale, DEFAULT)


def plan_name(plan: str, locale: str, rules: Rulebook) -> str:
    """A plan's name; its id if it has no name, or if the rules do not have it any more."""
    found = rules.plans.get(plan)
    return name_in(found.names if found else None, plan, locale, rules)


def category_name(category: str, locale: str, rules: Rulebook) -> str:
    """A category's name; else the first of its keywords, else its id."""
    commands = rules.commands
    if commands is None:
        return category
    keywords = commands.categories.get(category, (category,))
    return name_in(commands.category_names.get(category), keywords[0], locale, rules)


def name_in(names: Mapping[str, str] | None, unnamed: str, locale: str, rules: Rulebook) -> str:
    """The best of ``names`` by locale; ``unnamed`` if there is none."""
    return best_name(names, locale, rules.default_locale) if names else unnamed
