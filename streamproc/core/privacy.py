"""How a subscriber number is shown in logs and errors (law 21)."""

from __future__ import annotations

import re
from typing import Final

_TELLING: Final = 8
"""A part of a number with this many digits identifies its owner: it is a national number without
its country code."""
_SHOWN: Final = 5
_HIDDEN: Final = 6
"""With fewer hidden digits, few subscribers would be left."""

_ID: Final = (
    # A UUID whose last group has a letter, as nearly all have.
    r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-(?=[0-9]*[a-fA-F])[0-9a-fA-F]{12}\b",
    r"(?<!\d)(?:19|20)\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?!\d)",
    r"(?<!\d)(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
)
"""What has many digits and is not a phone number: UUIDs and dates."""
_NUMBER: Final = (
    rf"\d{{{_TELLING},}}",
    r"(?<!\w)\(?\d{1,5}(?:[ ().\-/\u00a0]{1,2}\d{2,6}){1,6}(?!\w)",
)
_FOUND: Final = re.compile(f"(?P<kept>{'|'.join(_ID)})|{'|'.join(_NUMBER)}")


def mask(subscriber: str) -> str:
    """A number for screens and logs: the first three and the last two characters; fewer if it is
    short."""
    if len(subscriber) < _TELLING:
        return subscriber[:1] + "*" * (len(subscriber) - 1)
    shown = min(_SHOWN, len(subscriber) - _HIDDEN)
    last = shown // 2
    hidden = "*" * (len(subscriber) - shown)
    return f"{subscriber[: shown - last]}{hidden}{subscriber[-last:]}"


def conceal(text: str, subscriber: str) -> str:
    """``text`` with the subscriber's number masked, also where the number has no country code, and
    with every other number that can be a phone number."""
    for start in range(max(len(subscriber) - _TELLING, 0) + 1):
        part = subscriber[start:]
        if part in text:
            text = text.replace(part, mask(part))
            break
    return mask_numbers(text)


def mask_numbers(text: str) -> str:
    """``text`` with everything masked that can be a phone number."""
    return _FOUND.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    whole = found.group()
    if found["kept"] or sum(one.isdecimal() for one in whole) < _TELLING:
        return whole
    return mask(whole)
