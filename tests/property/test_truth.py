"""Law 28: every figure and statement of a message is true, for the one who reads it.

Lives happen under drawn rules, the packaged ones and the packs; each message is read back by its
template and held to the account of the oracle (``tests/support/truth``, docs/design.md). A million
messages: ``python -m perf.truth``.
"""

from __future__ import annotations

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.property.budget import budget
from tests.support.truth.search import (
    PACKAGED,
    Report,
    lived,
    packaged_place,
    place_of,
)

PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
"""Lives come from numbers: a smaller number is no simpler life."""


def _assert_true(report: Report) -> None:
    assert not report.findings, "\n".join(map(str, report.findings[:5]))


# Lives with what is rare, each found by a lie that no other life of the quick profile showed: a
# recipient with a period of its own, spend under several tariffs, an end without what rolls over,
# and a held message that gives way to a lower one.
@example(number=48, events=150)
@example(number=8, events=150)
@example(number=14, events=150)
@example(number=28, events=150)
@settings(budget(12), phases=PHASES)
@given(number=st.integers(0, 10**6), events=st.integers(20, 150))
def test_drawn_rules(number: int, events: int) -> None:
    """Probes on every kind of rule, held in every way."""
    _assert_true(lived(place_of(number * 4), number, events))


@settings(budget(16), phases=PHASES)
@given(
    name=st.sampled_from(PACKAGED),
    has_probes=st.booleans(),
    is_richer=st.booleans(),
    number=st.integers(0, 10**6),
    events=st.integers(20, 150),
)
def test_packaged_rules(
    name: str, has_probes: bool, is_richer: bool, number: int, events: int
) -> None:
    """The packaged rules and packs, with probes and in their own words, as they are and richer."""
    _assert_true(lived(packaged_place(name, has_probes, is_richer), number, events))
