"""Texts: figures as Babel writes them, segments as they are packed, and nothing that stops us."""

from __future__ import annotations

from decimal import Decimal

from babel.core import Locale
from babel.numbers import format_decimal
from babel.units import format_unit
from hypothesis import example, given
from hypothesis import strategies as st

from streamproc.core.texts.locales import best_locale
from streamproc.core.texts.quantities import bytes_format, unit_formats
from streamproc.core.texts.segments import GSM_BASIC, GSM_EXTENSION, segments
from streamproc.core.texts.spaces import plain_spaces
from streamproc.core.texts.template import template_error
from streamproc.dispatch.smpp.receipt import parse_receipt
from streamproc.dispatch.smpp.text import split
from tests.property.budget import budget
from tests.unit.test_dispatch_smpp import RECEIPT, check_parts
from tests.unit.test_texts_locales import PACKAGED as LOCALES
from tests.unit.test_texts_messages import LANGUAGES
from tests.unit.test_texts_template import VOCABULARY, shown

UNITS = (
    (1, "byte"), (10**3, "kilobyte"), (10**6, "megabyte"), (10**9, "gigabyte"),
    (10**12, "terabyte"),
)  # fmt: skip
SYMBOLS = {"kilobyte": "kB", "megabyte": "MB", "gigabyte": "GB", "terabyte": "TB"}
GSM = st.text(st.sampled_from(sorted(GSM_BASIC | GSM_EXTENSION)), min_size=1, max_size=400)
ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400)


@budget(100)
@given(st.sampled_from(LANGUAGES), st.integers(0, 2**53) | st.integers(0, 10**7))
def test_bytes_are_what_babel_makes_of_the_cut_number(language: str, count: int) -> None:
    """The fast way, and Babel's."""
    locale = Locale.parse(language)
    unit_bytes, unit = max((size, name) for size, name in UNITS if size <= max(count, 1))
    if unit == "byte":
        return  # nothing, or less than a kilobyte
    value = Decimal(count * 100 // unit_bytes) / 100
    expected = format_unit(value, f"digital-{unit}", "short", "0.##", locale)
    two = format_unit(2, f"digital-{unit}", "short", "0.##", locale)
    if two.endswith(SYMBOLS.get(unit, "-")):  # not spelled out for one of them either
        expected = two.replace("2", format_decimal(value, "0.##", locale))
    assert bytes_format(unit_formats(locale))(count) == plain_spaces(expected)


@budget(300)
@given(st.text("{}'#,=ab days left plural other one select", max_size=60))
def test_no_text_stops_the_compiler(source: str) -> None:
    if template_error(source, "pl", VOCABULARY) is None:
        shown(source, "pl")


@budget(300)
@given(GSM | ANY)
@example("a" * 152 + "€" + "a" * 152)
@example("中" * 66 + "😀" + "中" * 66)
def test_as_many_segments_are_counted_as_parts_are_packed(text: str) -> None:
    encoding, count = segments(text)
    parts = split(text, 7)

    assert count == len(parts)
    for part in parts:
        body = part.short_message[6:] if count > 1 else part.short_message
        if encoding == "ucs2":
            body.decode("utf-16-be")  # raises at half a surrogate pair
            assert len(part.short_message) <= 140
        else:
            assert not body.endswith(b"\x1b")  # an escape whose character is elsewhere
            assert len(body) <= (153 if count > 1 else 160)


@budget(60)
@given(st.text(alphabet=sorted(GSM_BASIC | GSM_EXTENSION), min_size=1, max_size=700))
def test_gsm_parts_are_as_many_as_promised_and_read_back(text: str) -> None:
    check_parts(text, 160, 153)


@budget(60)
@given(st.text(min_size=1, max_size=300).filter(lambda text: segments(text)[0] == "ucs2"))
def test_ucs2_parts_are_as_many_as_promised_and_read_back(text: str) -> None:
    text = text.encode("utf-16", "ignore").decode("utf-16")
    if text and segments(text)[0] == "ucs2":
        check_parts(text, 140, 134)


@budget(60)
@given(st.binary(max_size=200), st.dictionaries(st.sampled_from([0x1E, 0x427, 0x424]), st.binary()))
def test_no_receipt_stops_the_reader(text: bytes, parameters: dict[int, bytes]) -> None:
    parse_receipt(RECEIPT, text, parameters)


@budget(300)
@given(st.text(max_size=40) | st.from_regex(r"[a-z]{2}([-_][A-Za-z]{2,4}){0,3}", fullmatch=True))
def test_any_tag_finds_one(wanted: str) -> None:
    assert best_locale(LOCALES, wanted, "zh-CN") in LOCALES
    assert best_locale(["ar"], wanted, "zh-CN") == "ar"
