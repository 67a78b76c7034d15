"""SMS parts as networks count them (3GPP TS 23.038/23.040).

GSM-7 holds 160 septets, or 153 per part of a longer message; extension characters take two.
Anything else is UCS-2 with 70 characters, or 67 per part. Neither an escape pair nor a surrogate
pair is split over two parts.
"""

from __future__ import annotations

import re
from typing import Final, Literal

GSM_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION: Final = frozenset("\f^{}\\[~]|€")

_NOT_GSM: Final = re.compile(f"[^{re.escape(''.join(sorted(GSM_BASIC | GSM_EXTENSION)))}]")
_EXTENDED: Final = re.compile(f"[{re.escape(''.join(sorted(GSM_EXTENSION)))}]")
_PLAIN_ASCII: Final = "".join(filter(str.isascii, sorted(GSM_BASIC))).encode()


def segments(text: str) -> tuple[Literal["gsm7", "ucs2"], int]:
    """Encoding (``gsm7`` or ``ucs2``) and number of SMS parts a text needs."""
    if text.isascii() and not text.encode().translate(None, _PLAIN_ASCII):
        # The usual text needs no search: each of its characters takes one septet.
        length = len(text)
        return "gsm7", 1 if length <= 160 else -(-length // 153)
    if _NOT_GSM.search(text) is None:
        if len(text) + len(_EXTENDED.findall(text)) <= 160:
            return "gsm7", 1
        return "gsm7", _parts([2 if char in GSM_EXTENSION else 1 for char in text], 153)
    length = len(text)
    if length <= 35 or len(text.encode("utf-16-le", "surrogatepass")) <= 140:
        return "ucs2", 1
    return "ucs2", _parts([2 if ord(char) > 0xFFFF else 1 for char in text], 67)


def _parts(sizes: list[int], each: int) -> int:
    parts, free = 1, each
    for size in sizes:
        if size > free:
            parts, free = parts + 1, each
        free -= size
    return parts
