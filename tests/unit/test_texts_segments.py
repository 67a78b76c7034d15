"""Segments as networks count them, against an encoder that packs them."""

from __future__ import annotations

import pytest

from streamproc.core.texts.segments import segments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 160, ("gsm7", 1)),
        ("a" * 161, ("gsm7", 2)),
        ("a" * 306, ("gsm7", 2)),
        ("a" * 307, ("gsm7", 3)),
        ("`", ("ucs2", 1)),
        ("\t", ("ucs2", 1)),
        ("é" * 160, ("gsm7", 1)),
        ("€" * 80, ("gsm7", 1)),
        ("€" * 81, ("gsm7", 2)),
        ("a" * 159 + "€", ("gsm7", 2)),
        # An escape pair would straddle the end of the first part: it moves, and costs a septet.
        ("a" * 152 + "€" + "a" * 152, ("gsm7", 3)),
        ("a" * 151 + "€" + "a" * 153, ("gsm7", 2)),
        ("中" * 70, ("ucs2", 1)),
        ("中" * 71, ("ucs2", 2)),
        ("中" * 134, ("ucs2", 2)),
        ("中" * 135, ("ucs2", 3)),
        ("😀" * 35, ("ucs2", 1)),
        ("😀" * 36, ("ucs2", 2)),
        ("中" * 68 + "😀", ("ucs2", 1)),
        ("中" * 69 + "😀", ("ucs2", 2)),
        # 67 units a part: 33 pairs and a unit that no pair fits into.
        ("😀" * 67, ("ucs2", 3)),
        ("中" * 66 + "😀" + "中" * 66, ("ucs2", 3)),
        ("\ud83d", ("ucs2", 1)),  # half a pair, which is no text but must not stop anybody
    ],
)
def test_segments_are_counted_as_networks_do(text: str, expected: tuple[str, int]) -> None:
    assert segments(text) == expected
