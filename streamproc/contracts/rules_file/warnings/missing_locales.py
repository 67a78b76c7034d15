"""Names and texts that are missing in a locale in which others exist."""

from __future__ import annotations

from streamproc.contracts.rules_file.load import rulebook_of
from streamproc.contracts.rules_file.warnings.subject import Subject, Warned
from streamproc.core.texts.missing_texts import missing_names, missing_texts

_MOST_TOLD = 3


def missing_name(subject: Subject) -> Warned:
    """Ids that texts show to customers. All ids of a file are one warning."""
    found = missing_names(rulebook_of(subject.file))
    if found:
        yield (), f"customers read ids: {_some(found)}"


def missing_text(subject: Subject) -> Warned:
    found = missing_texts(rulebook_of(subject.file))
    if found:
        yield (), f"customers read another language: {_some(found)}"


def _some(found: list[str]) -> str:
    more = len(found) - _MOST_TOLD
    told = "; ".join(found[:_MOST_TOLD])
    return f"{told}; and {more} more (streamproc texts lint)" if more > 0 else told
