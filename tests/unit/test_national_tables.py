"""National language tables of the GSM alphabet, against two transcriptions by others.

Each is known here by the digest of its tables. The places at which it differs are listed, with the
character that it has there.
"""

from __future__ import annotations

import hashlib
from typing import get_args

import pytest

from streamproc.contracts.numbers import Address
from streamproc.dispatch.smpp.inbound import Inbound, text_of
from streamproc.dispatch.smpp.national import NUMBERS, WITHOUT_LOCKING, Language, codec
from streamproc.dispatch.smpp.text import TextForm, split

Tables = dict[tuple[str, str], dict[int, str]]
Differences = dict[tuple[str, str, int], str]

LANGUAGES = get_args(Language)
PRINTED: Differences = {
    # CyberChef (8dac813b), src/core/lib/Gsm7.mjs: 3GPP TS 23.038 V16.0.0 as it was printed.
    ("single", "portuguese", 0x05): "",
    ("locking", "kannada", 0x24): "\u0caa",
    ("single", "oriya", 0x20): "\u0bea",
    ("locking", "tamil", 0x11): "\u0b91",
    ("locking", "telugu", 0x11): "\u0c11",
    ("single", "telugu", 0x1C): "\u0ce6",
}
"""Misprints, an omission, and two code points that Unicode has never given to a character."""
IN_GO: Differences = {
    # warthog618/sms (5a8659a), encoding/gsm7/charset.
    ("locking", "hindi", 0x00): "\u0981",
    ("locking", "hindi", 0x01): "\u0982",
    ("locking", "hindi", 0x02): "\u0983",
    ("locking", "urdu", 0x5C): "",
}
"""Signs of Bengali in a Hindi table, and an omission."""


def our_tables() -> Tables:
    found: Tables = {}
    for language, number in NUMBERS.items():
        for kind, escape in (("locking", b""), ("single", b"\x1b")):
            if kind == "locking" and language in WITHOUT_LOCKING:
                continue
            table = codec(number if kind == "locking" else 0, number if kind == "single" else 0)
            found[kind, language] = {}
            for code in range(128):
                char = table.decode(escape + bytes((code,)), "replace")[0]
                if char != "\ufffd" and code != 0x1B:
                    found[kind, language][code] = char
    return found


def with_differences(tables: Tables, differences: Differences) -> Tables:
    changed = {key: dict(table) for key, table in tables.items()}
    for (kind, language, code), char in differences.items():
        assert changed[kind, language].get(code, "") != char
        changed[kind, language][code] = char
        if not char:
            del changed[kind, language][code]
    return changed


def digest(tables: Tables) -> str:
    lines = (
        f"{kind} {language} {code:02X} {ord(char):04X}\n"
        for (kind, language), table in sorted(tables.items())
        for code, char in sorted(table.items())
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_the_tables_are_those_of_the_standard() -> None:
    tables = with_differences(our_tables(), PRINTED)
    assert digest(tables) == "d3f6126fce176a7f1011f4f7fa010e9ac2c09472b0cf905ce4efb974a6b3595f"


def test_the_tables_are_those_of_another_library() -> None:
    """It has no locking tables of Turkish and Portuguese in this form."""
    tables = with_differences(our_tables(), IN_GO)
    for language in ("turkish", "portuguese"):
        del tables["locking", language]
    assert digest(tables) == "89ac04faef90eb46716ab1563440e6b12e8313411ec902e6cb175d7f6fdf73f0"


TEXTS: dict[Language, str] = {
    "turkish": "500 MB kaldı, süreniz bitiyor",
    "portuguese": "Restam 500 MB até amanhã, não há mais",
    "bengali": "৫০০ MB বাকি আছে",
    "gujarati": "500 MB બાકી છે",
    "hindi": "आपका 80% डेटा उपयोग हो गया है। शेष: २ GB",
    "kannada": "500 MB ಉಳಿದಿದೆ",
    "malayalam": "500 MB ബാക്കിയുണ്ട്",
    "oriya": "500 MB ବାକି ଅଛି",
    "punjabi": "500 MB ਬਾਕੀ ਹੈ",
    "tamil": "500 MB மீதம் உள்ளது",
    "telugu": "500 MB మిగిలి ఉంది",
    "urdu": "آپ کا 500 MB باقی ہے",
}


@pytest.mark.parametrize("language", sorted(TEXTS))
def test_a_text_in_a_language_is_sent_with_its_tables_and_read_again(language: Language) -> None:
    text = TEXTS[language]
    form = TextForm(national=LANGUAGES, national_locking=(language,))
    for one in (text, text * 6):
        parts = split(one, 7, form)
        assert {part.data_coding for part in parts} == {0}
        assert len(parts) < max(len(split(one, 7)), 2)
        read = "".join(
            text_of(
                Inbound(Address(1, 1, "1"), Address(0, 1, "2"), 0x40, 0, part.short_message, {}),
                "gsm",
            ).text
            for part in parts
        )
        assert read == one


def test_tables_that_the_other_side_lacks_are_not_used() -> None:
    hindi = TEXTS["hindi"]
    for form in (TextForm(), TextForm(national=LANGUAGES), TextForm(national_locking=("tamil",))):
        assert {part.data_coding for part in split(hindi, 7, form)} == {8}
    # A usual text needs no header.
    (part,) = split("80% used", 7, TextForm(national=LANGUAGES, national_locking=("hindi",)))
    assert (part.short_message, part.esm_class) == (b"80% used", 0)


def test_the_tables_that_need_the_least_space_are_chosen() -> None:
    """Turkish letters are one septet each with the locking table, and two with an escape."""
    form = TextForm(national=("turkish",), national_locking=("turkish",))
    (part,) = split("Kalan 5 MB ğ", 7, TextForm(national=("turkish",)))
    assert part.short_message[:4] == b"\x03\x24\x01\x01"
    (part,) = split("ğ" * 100, 7, form)
    assert part.short_message[:4] == b"\x03\x25\x01\x01"
    assert len(split("ğ" * 155, 7, form)) == 1
    (part,) = split("ğ" * 20 + "ş" * 20 + "[x]", 7, form)
    assert part.short_message[:4] == b"\x03\x25\x01\x01", "brackets are in the usual extension"
