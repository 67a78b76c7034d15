"""Whether a subscriber is written as its key, by its characters alone.

A phone number has one form as a key: the digits of E.164, with country code and without plus. The
same number in another form would be a second account. ``contracts/numbers.py`` reads and converts
numbers. This module looks nothing up, so its answer is the same in every release.
"""

from __future__ import annotations

import re
from typing import Final, Literal

SubscriberKind = Literal["any", "numbers", "ids"]
"""``any``: phone numbers, or ids that cannot be mistaken for numbers in another form; ``numbers``:
only phone numbers; ``ids``: any text."""

CANARY_PREFIX: Final = "streamproc-canary-"
"""How the subscribers of ``streamproc canary`` begin (docs/canary.md). No customer has such an id:
nothing counts what is written about them, and no gateway of customers sends it."""

SHORTEST: Final = 7
"""Digits of the shortest phone number with its country code."""
LONGEST: Final = 15
"""Digits of the longest one (E.164)."""

_KEY: Final = re.compile(rf"[1-9][0-9]{{{SHORTEST - 1},{LONGEST - 1}}}\Z")
_TEL: Final = re.compile(r"tel:", re.IGNORECASE)
_SIP: Final = re.compile(r"sips?:(?:\+[0-9]|[^@]*@.*;user=phone(?:;|\Z))", re.IGNORECASE)
_MESSAGE: Final = re.compile(r"(?:sms|smsto|callto):\+?[0-9]", re.IGNORECASE)
_GPSI: Final = re.compile(r"msisdn[-:=]\+?[0-9]", re.IGNORECASE)
_EXPONENT: Final = re.compile(r"[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]+\Z|[0-9]+[.,][0-9]+[eE][0-9]+\Z")
_FRACTION: Final = re.compile(rf"[0-9]{{{SHORTEST},}}[.,]0+\Z")
_DIALLED: Final = re.compile(rf"00[1-9][0-9]{{{SHORTEST - 1},{LONGEST - 1}}}\Z")
_SEPARATED: Final = re.compile(
    r"\+?\(?[0-9]{1,5}[ ().,'\-/\u00a0][0-9 ().,'\-/\u00a0]*(?<![0-9])[0-9]{2,}\Z"
)
"""Country or area code first. ``8613800000001-2`` is an id that was made of a number."""
_FILLED: Final = re.compile(r"[1-9](?:[0-9]{2}){5,7}[fF]\Z")
"""Digits in BCD are pairs. An odd number of them has a filler at its end."""
_HARDWARE: Final = re.compile(r"(?:[0-9a-fA-F]{2}[-:]){5}[0-9a-fA-F]{2}\Z")
_INTERNET: Final = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}\Z")


def is_canary(subscriber: str) -> bool:
    """Whether a subscriber is one of ``streamproc canary``, and nobody."""
    return subscriber.startswith(CANARY_PREFIX)


def is_key(text: str) -> bool:
    """Whether a text has the form of a phone number as a key."""
    return _KEY.match(text) is not None


def is_tel(text: str) -> bool:
    """Whether a text is a ``tel:`` URI (RFC 3966)."""
    return _TEL.match(text) is not None


def is_sip(text: str) -> bool:
    """Whether a text is a SIP URI of a phone number (RFC 3261, 19.1.6)."""
    return _SIP.match(text) is not None


def is_message_uri(text: str) -> bool:
    """Whether a text is a URI of a number that is written to or called: ``sms:...`` (RFC 5724)."""
    return _MESSAGE.match(text) is not None


def is_gpsi(text: str) -> bool:
    """Whether a text is a phone number as 5G writes it: ``msisdn-...`` (TS 29.571), also with
    another sign behind the word."""
    return _GPSI.match(text) is not None


def damage(text: str) -> str | None:
    """How a program damaged a number; None if it did not. A spreadsheet program's digits cannot be
    restored."""
    if _FILLED.match(text):
        return "ends with the filler F of a BCD number; remove it"
    if _EXPONENT.match(text):
        return "is a number in exponent form; export the column as text"
    if _FRACTION.match(text):
        return "is a number with a fraction; export the column as text"
    return None


def is_machine_address(text: str) -> bool:
    """Whether a text is an address of a machine: ``00-11-22-33-44-55`` or ``192.0.2.10``."""
    return _HARDWARE.match(text) is not None or _INTERNET.match(text) is not None


def is_separated(text: str) -> bool:
    """Whether a text is a phone number's digits with a plus or separators between them."""
    if text.isdecimal() or is_machine_address(text) or not _SEPARATED.match(text):
        return False
    digits = "".join(one for one in text if one.isdigit())
    # A dialling prefix, such as 011, does not count.
    return len(digits) > SHORTEST and len(digits.lstrip("0")) <= LONGEST


def foreign_form(subscriber: str, kind: SubscriberKind = "any") -> str | None:
    """Why a subscriber is not its key, as a predicate ("is ..."); None if it is.

    It never repeats the subscriber. Except for ``numbers``, it answers only for texts that
    certainly are phone numbers.
    """
    if kind == "ids" or is_key(subscriber) or is_canary(subscriber):
        return None
    if is_tel(subscriber):
        return "is a tel: URI"
    if is_message_uri(subscriber):
        return "is a URI of a phone number"
    if is_sip(subscriber):
        return "is a SIP URI of a phone number"
    if is_gpsi(subscriber):
        return "is a phone number with the prefix msisdn"
    if (damaged := damage(subscriber)) is not None:
        return damaged
    if _DIALLED.match(subscriber):
        return "begins with a dialling prefix"
    if is_separated(subscriber):
        return "is a number with separators"
    if kind == "numbers":
        return "is not a phone number"
    return None
