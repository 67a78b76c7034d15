"""Phone numbers: from any form that systems write to the form of keys.

The key is the digits of E.164 with country code and without plus, such as ``8613800000001``.
All code that reads numbers from outside uses this module, because two forms of one number would
be two accounts.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any, Final, NamedTuple

from streamproc.core.subscribers import (
    LONGEST,
    SHORTEST,
    SubscriberKind,
    damage,
    is_gpsi,
    is_key,
    is_machine_address,
    is_message_uri,
    is_separated,
    is_sip,
    is_tel,
)
from streamproc.errors import StreamprocError

_KEPT_NUMBERS: Final = 1 << 16
"""Results that are kept. A file has the same subscribers many times, and reading a number by the
library's tables is much slower than a look-up."""
_ADVICE: Final = (
    "name the region of national numbers (--region CN; in a mapping file region: CN), or say that "
    "subscribers are no numbers (--subscribers ids; in a mapping file subscribers: ids)"
)
# Type of number and numbering plan, with the values of SMPP 3.4.
TON_UNKNOWN: Final = 0
TON_INTERNATIONAL: Final = 1
TON_ALPHANUMERIC: Final = 5
NPI_UNKNOWN: Final = 0
NPI_ISDN: Final = 1


class NumberError(StreamprocError, ValueError):
    """A text that should be a phone number but is not one. The message never repeats it."""


class UnknownRegionError(StreamprocError, ValueError):
    """The region does not exist."""


class Numbering(NamedTuple):
    """How subscribers are read from input."""

    region: str | None = None
    """ISO 3166 code of the country whose numbers have no country code, such as CN; None: there is
    none."""
    kind: SubscriberKind = "any"


class Address(NamedTuple):
    """A number as SMPP addresses it (3.4, 5.2.5 and 5.2.6)."""

    ton: int
    npi: int
    digits: str


def check_region(region: str) -> str:
    """The region in capitals. Raises :class:`UnknownRegionError`."""
    from phonenumbers import SUPPORTED_REGIONS

    found = region.strip().upper()
    if found not in SUPPORTED_REGIONS:
        raise UnknownRegionError(
            f"there is no region {region!r}; give an ISO 3166 code of two letters, such as CN"
        )
    return found


def subscriber_key(text: str, numbering: Numbering = Numbering()) -> str:  # noqa: B008
    """The key of a subscriber: a phone number in the form of keys, or an id without changes.

    Raises :class:`NumberError` for a text that looks like a number but cannot be resolved to one.
    """
    if numbering.kind == "ids":
        return text
    return _key(text, numbering)


@lru_cache(maxsize=_KEPT_NUMBERS)
def _key(text: str, numbering: Numbering) -> str:
    found = text.strip()
    if is_sip(found):  # the number stands before the host, and before parameters of its own
        found = found.partition(":")[2].partition("@")[0].partition(";")[0]
    elif is_gpsi(found):
        found = f"+{found[len('msisdn-') :].removeprefix('+')}"
    elif is_message_uri(found):
        found = f"+{found.partition(':')[2].partition('?')[0].removeprefix('+')}"
    if (damaged := damage(found)) is not None:
        raise NumberError(damaged)
    if is_tel(found) or found.startswith("+"):
        return _international(found, numbering.region)
    if not (found.isdecimal() or is_separated(found)) or is_machine_address(found):
        return _id(text, numbering)
    digits = _digits(found)
    if found.isdecimal() and _is_no_number(digits):
        return _id(found, numbering)
    if digits.startswith("00"):
        return _international(f"+{digits[2:]}", numbering.region)
    return _without_prefix(digits, numbering.region)


def _digits(text: str) -> str:
    """The digits of a text as ASCII, also those of other scripts."""
    return "".join(str(unicodedata.decimal(one)) for one in text if one.isdecimal())


def _is_no_number(digits: str) -> bool:
    """Whether it is too short for a phone number, or as long as the number of a SIM card."""
    if len(digits) < SHORTEST or len(digits) > LONGEST + 2:
        return True
    return len(digits) >= LONGEST - 1 and digits[0] != "0" and not _is_valid(_parsed(f"+{digits}"))


def _id(text: str, numbering: Numbering) -> str:
    """An id without changes. Raises :class:`NumberError` if only numbers are allowed."""
    if numbering.kind == "numbers":
        raise NumberError("is not a phone number")
    return text


def _without_prefix(digits: str, region: str | None) -> str:
    """The key of digits that are a number with country code, or a number of the region."""
    from phonenumbers import PhoneNumberType, number_type

    abroad = _parsed(f"+{digits}") if digits[0] != "0" else None
    at_home: Any = _parsed(digits, region) if region is not None else None
    if region is not None and _is_of(abroad, region):
        return digits
    if _is_valid(at_home):
        mobile = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
        # Both can be valid. Then a mobile number of the region is meant, not a landline.
        if number_type(at_home) in mobile or not _is_valid(abroad):
            return _formatted(at_home)
    if _is_valid(abroad):
        return digits
    if region is None:
        raise NumberError(f"is not a phone number with country code; {_ADVICE}")
    raise NumberError(f"is neither a phone number of {region} nor one with country code; {_ADVICE}")


def _international(text: str, region: str | None) -> str:
    """The key of a number with its country code. Raises :class:`NumberError`."""
    digits = text[len("tel:") :] if is_tel(text) else text
    if any(one.isalpha() for one in digits.partition(";")[0]):
        # The library reads the letters as the keys of a phone.
        raise NumberError("has letters in a phone number")
    number = _parsed(text)
    if number is not None and number.extension:
        raise NumberError("has an extension, so it is not a subscriber's number")
    if _is_valid(number) or (region is not None and _is_of(number, region)):
        return _formatted(number)
    raise NumberError("is not a phone number with country code")


def _parsed(text: str, region: str | None = None) -> Any:
    """The library's number object; None if the text is not a number."""
    from phonenumbers import NumberParseException, parse

    try:
        return parse(text, region)
    except NumberParseException:
        return None


def _is_valid(number: Any) -> bool:
    from phonenumbers import is_valid_number

    return number is not None and is_valid_number(number) and not number.extension


def _is_of(number: Any, region: str) -> bool:
    """Whether a number has the region's country code, and a usual number of digits.

    The library may not know a new range yet, so an unknown range is not refused.
    """
    from phonenumbers import country_code_for_region, is_possible_number

    if number is None or number.country_code != country_code_for_region(region):
        return False
    return is_possible_number(number) and not number.extension


def _formatted(number: Any) -> str:
    from phonenumbers import PhoneNumberFormat, format_number

    return str(format_number(number, PhoneNumberFormat.E164)).removeprefix("+")


# The sender is the same for all messages, and a subscriber the same for all parts of one.
@lru_cache(maxsize=_KEPT_NUMBERS)
def smpp_address(text: str, region: str | None = None) -> Address:
    """A number or a sender's name in the form of SMPP addresses.

    A number with country code, or a national one of ``region``, is international. Other digits,
    such as a short code, have no type. Anything else is a name.
    """
    if not is_tel(text) and (text.isalpha() or any(one.isalpha() for one in text)):
        return Address(TON_ALPHANUMERIC, NPI_UNKNOWN, text)
    try:
        key = subscriber_key(text, Numbering(region))
    except NumberError:
        key = _digits(text)
    number = _parsed(f"+{key}") if is_key(key) else None
    if _is_valid(number) or (region is not None and _is_of(number, region)):
        return Address(TON_INTERNATIONAL, NPI_ISDN, key)
    return Address(TON_UNKNOWN, NPI_ISDN, _digits(key))
