"""Limits and times that pages name are those of the code."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from unittest import mock

import pytest

from streamproc.dispatch.delivery_reports import LAST_PART_MS
from streamproc.dispatch.early_reports import EARLY_LIMIT, EARLY_MS, NUMBER_LIMIT
from streamproc.dispatch.number_hashes import TELLING_DIGITS
from streamproc.dispatch.peer_lines import QUIET_SECONDS
from streamproc.dispatch.scheduler import FORGET_MS
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.smpp import pdu
from streamproc.dispatch.smpp.gateway import LASTING_SECONDS
from streamproc.dispatch.smpp.pdus import ADDRESS_LIMIT
from streamproc.dispatch.smpp.session import HANDLING_LIMIT
from streamproc.dispatch.sms_log import LIMIT_S
from streamproc.dispatch.sms_memory import CONFIRM_MS, REPEAT_MS
from streamproc.hard_end import ENDED_HARD, LAST_WORDS_SECONDS, STOP_LIMIT_SECONDS
from streamproc.kafka import topic_watch
from streamproc.kafka.silence import REPEAT_SECONDS, UNANSWERED_SECONDS
from streamproc.metrics.figure_line import LINE_SECONDS
from streamproc.metrics.serving import CONNECTION_SECONDS
from streamproc.tools.verify.checkpoint import EVERY_SECONDS
from streamproc.tools.verify.verify import LARGEST_SHARE, LATEST_TIMERS_MS

DOCS = Path(__file__).parents[2] / "docs"
USUAL = DispatchSettings(mock.Mock())
MINUTE_S, HOUR_MS = 60.0, 3_600_000

SAID = [
    ("dispatcher.md", f"It waits up to {USUAL.settle_seconds:g} s for answers"),
    ("dispatcher.md", f"ends within {STOP_LIMIT_SECONDS + LAST_WORDS_SECONDS:g} s whatever"),
    ("dispatcher.md", f"the status is {ENDED_HARD}"),
    ("dispatcher.md", f"every {USUAL.stats_every_seconds:g} seconds (`--stats-every-seconds`)"),
    ("dispatcher.md", f"for {USUAL.stall_seconds:g} seconds (`--stall-seconds`)"),
    ("dispatcher.md", f"half of the session timeout and at most {USUAL.settle_seconds:g} s"),
    ("dispatcher.md", f"ends each session within {LASTING_SECONDS:g} s"),
    ("dispatcher.md", f"no other within {LAST_PART_MS // 1000} seconds"),
    ("dispatcher.md", f"within {LIMIT_S:g} seconds, or too much is under way"),
    ("dispatcher.md", f"({HANDLING_LIMIT} requests in a session)"),
    ("dispatcher.md", f"within {CONFIRM_MS // 1000} seconds; later, its dispatcher has died"),
    (
        "dispatcher.md",
        f"longer than {pdu.MAX_PDU_BYTES:,} bytes or shorter than {pdu.HEADER_BYTES}",
    ),
    ("dispatcher.md", f"{EARLY_LIMIT:,} wait for two minutes, {NUMBER_LIMIT} of one number or id"),
    ("dispatcher.md", f"a number of more than {ADDRESS_LIMIT} characters"),
    ("operations.md", f"within {STOP_LIMIT_SECONDS + LAST_WORDS_SECONDS:g} s. It also stops"),
    ("operations.md", "Without it a line of figures is in the log each minute"),
    ("metrics.md", f"ends after {CONNECTION_SECONDS:g} s; of more than 32 connections"),
    ("guarantees.md", f"an event within {LATEST_TIMERS_MS // 60_000} minutes before one of its"),
    ("guarantees.md", "it is also written every minute (`--checkpoint-every-seconds`)"),
    ("security-kafka.md", "every two seconds while it runs"),
]
"""Page and words; those of the next test are written out there."""


@cache
def page(name: str) -> str:
    return " ".join((DOCS / name).read_text(encoding="utf-8").split())


@pytest.mark.parametrize(("name", "words"), SAID, ids=lambda text: text[:40])
def test_a_page_says_the_figure_of_the_code(name: str, words: str) -> None:
    assert words in page(name)


def test_figures_that_pages_write_as_words() -> None:
    assert (TELLING_DIGITS, LARGEST_SHARE) == (8, 0.1)  # eight digits, a tenth of the time
    assert MINUTE_S == LINE_SECONDS == QUIET_SECONDS == REPEAT_SECONDS == EVERY_SECONDS
    assert (REPEAT_MS, FORGET_MS, EARLY_MS) == (HOUR_MS, 24 * HOUR_MS, 120_000)
    assert (topic_watch.LOOK_SECONDS, topic_watch.FURTHER_SECONDS) == (2.0, 30.0)
    assert UNANSWERED_SECONDS < 10  # after 5 to 10 s of silence
