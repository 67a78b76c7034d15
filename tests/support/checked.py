"""The check of a rulebook's texts, made once per process because it takes a tenth of a second."""

from __future__ import annotations

from functools import cache

from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.texts.checking import Checked, check


@cache
def checked(rules: Rulebook) -> list[Checked]:
    return check(rules)
