"""Names that customers read instead of ids; records keep the ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.account import ROLLOVER, TOPUP
from streamproc.core.texts.locales import best_name, in_locale
from streamproc.core.texts.words import BUCKET_KINDS, DEFAULT, ROLLED_OVER


class Named(Protocol):
    """A bucket, as far as its name goes."""

    kind: str
    source: str


def bucket_name(bucket: Named, locale: str, rules: Rulebook) -> str:
    """A bucket's name for a reader of ``locale``: of its pack, allowance or kind; else its id.

    What rolled over is called after its allowance, with a word that says so.
    """
    words = BUCKET_KINDS.get(bucket.kind)
    if words is not None:
        return kind_name(bucket.kind, locale, rules)
    name = name_in(rules.source_names.get(bucket.source), bucket.source, locale, rules)
    # An allowance and what rolled over of it stand beside each other in lists.
    return rolled_over_name(name, locale, rules) if bucket.kind == ROLLOVER else name


def rolled_over_name(name: str, locale: str, rules: Rulebook) -> str:
    """What is called that rolled over of an allowance with a name."""
    given = rules.wording.rollover_names
    return in_locale({**ROLLED_OVER, **given}, locale, DEFAULT).replace("{name}", name)


def kind_name(kind: str, locale: str, rules: Rulebook) -> str:
    """What a bucket is called that comes from no pack or allowance."""
    given = rules.wording.topup_names if kind == TOPUP else {}
    return in_locale({**BUCKET_KINDS[kind], **given}, locale, DEFAULT)


def plan_name(plan: str, locale: str, rules: Rulebook) -> str:
    """A plan's name; the id of one without a name, or that the rules do not have any more."""
    found = rules.plans.get(plan)
    return name_in(found.names if found else None, plan, locale, rules)


def category_name(category: str, locale: str, rules: Rulebook) -> str:
    """A category's name; else the first of its keywords, else the id."""
    commands = rules.commands
    if commands is None:
        return category
    keywords = commands.categories.get(category, (category,))
    return name_in(commands.category_names.get(category), keywords[0], locale, rules)


def name_in(names: Mapping[str, str] | None, unnamed: str, locale: str, rules: Rulebook) -> str:
    """The best of ``names`` by locale; ``unnamed`` if there is none."""
    return best_name(names, locale, rules.default_locale) if names else unnamed
