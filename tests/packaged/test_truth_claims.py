"""The words by which the packaged texts are read (law 28): whoever rewords one needs them, too.

And what the replies to STOP say is so.
"""

from __future__ import annotations

import pytest

from tests.support.truth.claims import claims_of
from tests.support.truth.search import PACKAGED, packaged_data


@pytest.mark.parametrize("name", PACKAGED)
def test_what_words_claim_is_known_in_every_language(name: str) -> None:
    """A text claims the same in all of its languages, or its words are not in the table."""
    for rule in packaged_data(name)["rules"]:
        found = {}
        for locale, written in rule["texts"].items():
            text = written if isinstance(written, str) else written["text"]
            found[locale] = sorted(one.name for one in claims_of(text, locale, rule["kind"]))
        assert len(set(map(tuple, found.values()))) == 1, (rule["id"], found)


@pytest.mark.parametrize("name", [*PACKAGED, "showcase.yaml"])
def test_who_stops_summaries_still_hears_what_expires(name: str) -> None:
    """The reply to `STOP SUMMARY` names the summaries alone."""
    rules = packaged_data(name)["rules"]
    summaries = {one["category"] for one in rules if one["kind"] == "usage_summary"}
    ends = [
        one["id"]
        for one in rules
        if one["kind"] in ("before_cycle_end", "before_expiry", "expiry")
        and one["category"] in summaries
    ]
    assert ends == []
