"""What msgspec finds wrong in a record, as a sentence for people who do not know Python."""

from __future__ import annotations

import re
from typing import Final

_KINDS: Final = {
    "array": "a list",
    "bool": "true or false",
    "datetime": "a time",
    "float": "a number",
    "int": "a whole number",
    "null": "null",
    "object": "an object with fields",
    "str": "text",
}
_FORMS: Final = {
    "int": "a number",
    "float": "a number with a fraction",
}
_WRONG_KIND: Final = re.compile(r"Expected `([a-z |]+)`, got `(\w+)`\Z")
_BOUND: Final = re.compile(r"Expected `(\w+)` (?:(of length) )?(>=|<=|>|<) (-?[0-9.]+)\Z")
_FORM: Final = re.compile(r"Expected `str` matching regex ")
_MISSING: Final = "Object missing required field `"
_UNKNOWN: Final = "Object contains unknown field"
_COUNTED: Final = {"str": "characters", "array": "items", "object": "fields"}
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_INSTANT: Final = "must be a time with Z or an offset, such as 2026-01-05T08:30:00Z"


def plain_words(message: str) -> tuple[str, str]:
    """The field that a message of msgspec is about (empty: the whole record), and what is wrong.

    A message that is not known stays as it is.
    """
    what, at, path = message.partition(" - at `")
    place = _place(path.removesuffix("`")) if at else ""
    if what.startswith(_MISSING):
        inner = what.removeprefix(_MISSING).rstrip("`")
        return f"{place}.{inner}".lstrip("."), "is missing"
    if what.startswith(_UNKNOWN):
        return place, _unknown(what.removeprefix(_UNKNOWN).strip(" `"))
    found = _WRONG_KIND.match(what)
    if found is not None:
        return place, _wrong_kind(found[1], found[2])
    found = _BOUND.match(what)
    if found is not None:
        return place, _out_of_bounds(found[1], is_length=bool(found[2]), bound=(found[3], found[4]))
    if _FORM.match(what):
        return place, "does not have the form that the contract describes (schemas/)"
    if what.startswith(("Invalid RFC3339 encoded datetime", "Expected `datetime` with a timezone")):
        return place, _INSTANT
    return place, what


def sentence(message: str, whole: str = "the record") -> str:
    """The same as one sentence. ``whole``: how the whole record is called."""
    place, says = plain_words(message)
    return f"{place or whole} {says}" if says[:1].islower() else says


def _place(path: str) -> str:
    """A path of msgspec without its sign for the whole: ``$.segments[0]``."""
    inner = path.removeprefix("key in `").removeprefix("key in ").strip("`")
    return inner.removeprefix("$").lstrip(".").replace("[...]", "")


def _unknown(name: str) -> str:
    return f"has a field {name} that is not in the contract" if name else "has an unknown field"


def _wrong_kind(wanted: str, given: str) -> str:
    if wanted == "datetime":
        return _INSTANT
    kinds = [_KINDS.get(one.strip(), one.strip()) for one in wanted.split("|")]
    given_words = _FORMS.get(given, _KINDS.get(given, given))
    return f"must be {' or '.join(kinds)}, not {given_words}"


def _out_of_bounds(kind: str, *, is_length: bool, bound: tuple[str, str]) -> str:
    words = f"{_BOUNDS[bound[0]]} {bound[1]}"
    if is_length and bound == (">=", "1"):
        return "must not be empty"
    if is_length:
        return f"must have {words} {_COUNTED.get(kind, 'characters')}"
    return f"must be {_KINDS.get(kind, kind)} of {words}"
