"""SMS texts: templates, figures as people read them, and segments as networks count them.

Segment arithmetic (3GPP TS 23.038/23.040): GSM-7 holds 160 septets, 153 per part when
concatenated, extension characters cost two; anything else is UCS-2 with 70, 67 per part. Neither
an escape pair nor a surrogate pair is split over two parts.
"""

from __future__ import annotations

import re
from string import Formatter
from typing import Final, Literal

GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")

_NOT_GSM: Final = re.compile(f"[^{re.escape(''.join(sorted(GSM_BASIC | GSM_EXTENSION)))}]")
_EXTENDED: Final = re.compile(f"[{re.escape(''.join(sorted(GSM_EXTENSION)))}]")
_ASTRAL: Final = re.compile("[\U00010000-\U0010ffff]")

PLACEHOLDERS: Final = frozenset(
    (
        *("bucket", "used", "granted", "remaining", "overage", "percent"),
        *("threshold", "as_of", "cycle_end", "expires", "days"),
    )
)

_UNITS: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def template_error(template: str) -> str | None:
    """What is wrong with a text template, or None if it can be rendered."""
    try:
        fields = [(name, spec, conv) for _, name, spec, conv in Formatter().parse(template)]
    except ValueError as error:
        return str(error)
    for name, spec, conversion in fields:
        if name is None:
            continue
        if name not in PLACEHOLDERS:
            return f"unknown placeholder {{{name}}}; known: {', '.join(sorted(PLACEHOLDERS))}"
        if spec or conversion:
            return f"placeholder {{{name}}} takes no format"
    return None


def readable_bytes(count: int) -> str:
    """Bytes in the decimal units of tariffs, cut (never rounded up) to two digits: ``1.25 GB``."""
    for unit_bytes, name in _UNITS:
        if count >= unit_bytes:
            hundredths = count * 100 // unit_bytes
            whole, rest = divmod(hundredths, 100)
            digits = f"{whole}.{rest:02}".rstrip("0").rstrip(".")
            return f"{digits} {name}"
    return f"{count} B"


def choose_locale(texts: dict[str, str], wanted: str, default: str) -> str:
    """The best of a rule's locales: exact, then same language, then default, then first."""
    if wanted in texts:
        return wanted
    language = wanted.partition("-")[0]
    for locale in texts:
        if language and locale.partition("-")[0] == language:
            return locale
    return default if default in texts else next(iter(texts))


def segments(text: str) -> tuple[Literal["gsm7", "ucs2"], int]:
    """Encoding (``gsm7`` or ``ucs2``) and number of SMS parts a text needs."""
    if _NOT_GSM.search(text) is None:
        if len(text) + len(_EXTENDED.findall(text)) <= 160:
            return "gsm7", 1
        return "gsm7", _parts([2 if char in GSM_EXTENSION else 1 for char in text], 153)
    if len(text) + len(_ASTRAL.findall(text)) <= 70:
        return "ucs2", 1
    return "ucs2", _parts([2 if ord(char) > 0xFFFF else 1 for char in text], 67)


def _parts(sizes: list[int], each: int) -> int:
    parts, free = 1, each
    for size in sizes:
        if size > free:
            parts, free = parts + 1, each
        free -= size
    return parts
