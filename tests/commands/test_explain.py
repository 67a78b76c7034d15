"""``streamproc explain`` on recordings: the order, the states, the reasons, what is masked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs

from streamproc.contracts.records.codec import encode_effect, encode_event
from streamproc.contracts.records.receipts import Receipt, ReminderRecord, encode_receipt
from streamproc.contracts.rules_file.load import load_rulebook, packaged_rulebook
from streamproc.core.instants import to_ms
from streamproc.core.rules.rulebook import Rulebook
from streamproc.core.state.effects import Audited, Reminder
from streamproc.core.state.events import MemberJoined, SubscriberEvent, UsageRecorded
from streamproc.kafka.recording.record_lines import LogRecord, to_line
from streamproc.tools.explain import gathering
from streamproc.tools.explain.decision_words import WHY, figure, level
from streamproc.tools.explain.showing import units_of
from tests.contract import contract
from tests.contract.contract import schema
from tests.support.commands import run
from tests.support.line import GB, SUBSCRIBER, Line, day, rulebook

OTHER = "861999999999"
RULES = """\
version: 1
currency: EUR
default_locale: en
plans: [{id: basic, allowances: [{id: data, granted_bytes: 10_000_000_000}]}]
rules:
  - {id: low, kind: usage_percent, thresholds: [50, 80, 100], category: usage,
     texts: {en: "{percent}% used, {remaining} left"}}
"""


class Feed(Line):
    """A line that remembers its input records."""

    def __init__(self, rules: Rulebook | None = None) -> None:
        super().__init__(rules or rulebook())
        self.records: list[LogRecord] = []

    def feed(self, event: SubscriberEvent, arrives: Any = None) -> Any:
        at = to_ms(arrives or event.time)
        value = encode_event(event)
        place = (0, self.count, "events")
        self.records.append(LogRecord(SUBSCRIBER.encode(), value, at, (), *place))
        return super().feed(event, arrives)


@pytest.fixture
def feed() -> Feed:
    """80 % in one event (superseding 50 %), a duplicate, left the category, 100 % unsent."""
    feed = Feed()
    feed.activate()
    for hour in range(3):
        feed.use(GB // 10, at=0.5 + hour / 24)
    feed.use(8 * GB, at=1)
    feed.use(GB // 10, at=1.5, id="twice")
    feed.use(GB // 10, at=1.5, id="twice")
    feed.opt("usage", at=2)
    feed.use(2 * GB, at=3)
    return feed


def recording(path: Path, records: list[LogRecord]) -> Path:
    path.write_bytes(b"".join(to_line(record) + b"\n" for record in records))
    return path


def outputs(feed: Feed) -> list[LogRecord]:
    key = SUBSCRIBER.encode()
    return [
        LogRecord(key if isinstance(one, Audited | Reminder) else None, encode_effect(one), 0)
        for one in feed.effects
    ]


def receipt_of(reminder: Reminder) -> LogRecord:
    receipt = Receipt(
        reminder.id, "delivered", day(1.1), "861****00", reminder.kind, reminder.rule, False, 1, 1,
        reminder.as_of, reminder.as_of, 1, 1, ReminderRecord("reminders", 0, 0), "smpp-1",
    )  # fmt: skip
    return LogRecord(reminder.id.encode(), encode_receipt(receipt), 0)


def test_the_audit_alone_tells_states_and_reasons(feed: Feed, tmp_path: Path) -> None:
    audits = [record for record in outputs(feed) if b"audit.recorded" in (record.value or b"")]
    said = run("explain", SUBSCRIBER, "--from", recording(tmp_path / "a.ndjson", audits))
    start = said.index("(e4, events-0@4)")
    crossing = said[start:].splitlines()[1:6]
    assert [line.strip() for line in crossing] == [
        "before  300 MB of 10 GB used, 9.7 GB left",
        "after   8.3 GB of 10 GB used, 1.7 GB left",
        f"superseded: low at 50 of data: {WHY['superseded']} (used 8.3 GB)",
        "fired: low at 80 of data: the message was written for the dispatcher",
        "2026-01-02T12:00:00Z  an event  (twice, events-0@6)",
    ]
    for reason in ("duplicate", "left_category", "opted_out"):
        assert WHY[reason] in said
    assert SUBSCRIBER not in said


def test_input_reminders_and_receipts_complete_the_story(feed: Feed, tmp_path: Path) -> None:
    reminder = next(one for one in feed.effects if isinstance(one, Reminder))
    records = [*feed.records, *outputs(feed), receipt_of(reminder)]
    file = recording(tmp_path / "all.ndjson", records)
    said = run("explain", SUBSCRIBER, "--from", file)
    assert "3 events without a decision (300 MB used)" in said
    assert "8 GB used  (e4, events-0@4)" in said
    fired = "fired: low 80 % of data: the message was written for the dispatcher\n        message"
    assert fired in said
    assert "delivered by smpp-1 2026-01-02T02:24:00Z" in said
    assert reminder.text not in said
    shown = run("explain", "-", "--from", file, "--show-numbers", given=f"{SUBSCRIBER}\n".encode())
    assert "warning: this is written down nowhere: numbers of 1 subscriber are shown" in shown
    assert reminder.text in shown
    assert SUBSCRIBER in shown


NIGHT = (
    RULES
    + """\
alerts: {quiet_hours: {start: "22:00", end: "07:00"}}
"""
)


@pytest.fixture
def night() -> Feed:
    """80 % at 23:00, which is told at 07:00."""
    feed = Feed(load_rulebook(NIGHT, "night.yaml"))
    feed.activate()
    feed.use(8 * GB, at=23 / 24)
    feed.reach(day(1 + 8 / 24))
    return feed


@pytest.mark.parametrize("with_input", [True, False])
def test_a_message_that_was_held_is_told_when_it_was_sent(
    night: Feed, tmp_path: Path, with_input: bool
) -> None:
    records = [*(night.records if with_input else ()), *outputs(night)]
    file = recording(tmp_path / "all.ndjson", records)
    said = run("explain", SUBSCRIBER, "--from", file)
    held = said.index("quiet_hours: ")
    sent = said.index("2026-01-02T07:00:00Z  due work, caused by e1  (events-0@1)")
    assert held < sent < said.index("fired: ")
    period = ("--from-time", "2026-01-02T07:00:00Z", "--to-time", "2026-01-02T07:01:00Z")
    then = run("explain", SUBSCRIBER, "--from", file, *period)
    assert "fired: " in then
    assert "quiet_hours: " not in then
    document = json.loads(run("explain", SUBSCRIBER, "--from", file, "--json"))
    assert [one.get("due", False) for one in document["entries"]] == [False, False, True]


def test_a_message_without_a_receipt_has_no_result_yet(night: Feed, tmp_path: Path) -> None:
    reminder = next(one for one in night.effects if isinstance(one, Reminder))
    file = recording(tmp_path / "all.ndjson", outputs(night))
    assert "no result yet" not in run("explain", SUBSCRIBER, "--from", file)
    other = structs.replace(reminder, id="0" * 32)
    file = recording(tmp_path / "more.ndjson", [*outputs(night), receipt_of(other)])
    assert "no result yet" in run("explain", SUBSCRIBER, "--from", file)


def test_whoever_finds_nothing_is_told_what_to_try(night: Feed, tmp_path: Path) -> None:
    file = recording(tmp_path / "all.ndjson", outputs(night))
    assert "--region" in run("explain", "600000001", "--from", file, code=1)
    early = ("--to-time", "2025-01-01T00:00:00Z")
    assert "nothing in this time" in run("explain", SUBSCRIBER, "--from", file, *early, code=1)


def test_a_reject_is_told_where_its_record_lies(feed: Feed, tmp_path: Path) -> None:
    feed.use(1 << 41, at=4)
    file = recording(tmp_path / "all.ndjson", [*feed.records, *outputs(feed)])
    said = run("explain", SUBSCRIBER, "--from", file)
    assert "rejected: absurd_bytes (more than" in said
    assert said.index("rejected") > said.index("opted_out")


def test_recomputing_says_what_the_audit_says(feed: Feed, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    other = UsageRecorded("x", "ocs", OTHER, day(5), total_bytes=1)
    last = LogRecord(OTHER.encode(), encode_event(other), to_ms(day(5)), (), 0, 99, "events")
    file = recording(tmp_path / "all.ndjson", [*feed.records, last, *outputs(feed)])
    arguments = ("explain", SUBSCRIBER, "--from", file, "--recompute", "--rules", rules)
    document = json.loads(run(*arguments, "--json"))
    count = sum(isinstance(one, Audited) for one in feed.effects)
    assert f"has {count} of these decisions, lacks 0 and has 0 others" in document["notes"][-1]
    assert len(document["entries"]) == len(feed.records)
    usage = document["entries"][4]
    assert [one["decision"] for one in usage["decisions"]] == ["superseded", "fired"]
    before, after = (state[0]["used_bytes"] for state in usage["buckets"])
    assert (before, after) == (300_000_000, 8_300_000_000)
    assert "bucket  data: 300 MB -> 8.3 GB of 10 GB used" in run(*arguments)


def test_a_rule_that_is_another_now_is_found_by_recomputing(feed: Feed, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES.replace("[50, 80, 100]", "[50, 80, 85]"))
    file = recording(tmp_path / "all.ndjson", [*feed.records, *outputs(feed)])
    said = run("explain", SUBSCRIBER, "--from", file, "--recompute", "--rules", rules)
    assert "lacks 1 and has 1 others" in said  # opted out of 85 instead of 100


def test_a_reminder_without_its_audit_is_told(feed: Feed, tmp_path: Path) -> None:
    """Releases before ``fired`` wrote none."""
    old = [record for record in outputs(feed) if b'"fired"' not in (record.value or b"")]
    said = run("explain", SUBSCRIBER, "--from", recording(tmp_path / "a.ndjson", old))
    superseded, fired = said.index("superseded:"), said.index("fired: low 80 % of data")
    assert superseded < fired < said.index("duplicate")


def test_a_time_can_be_chosen(feed: Feed, tmp_path: Path) -> None:
    file = recording(tmp_path / "a.ndjson", outputs(feed))
    said = run("explain", SUBSCRIBER, "--from", file, "--from-time", "2026-01-03T00:00:00Z")
    assert "left_category" in said
    assert "superseded" not in said


def test_nobody_known_ends_with_1(feed: Feed, tmp_path: Path) -> None:
    file = recording(tmp_path / "a.ndjson", outputs(feed))
    assert "0 audit records" in run("explain", OTHER, "--from", file, code=1)


@pytest.mark.parametrize(
    "arguments",
    [(), ("--rejects", "r", "--broker", "b"), ("--recompute", "--broker", "b")],
    ids=["no source", "rejects without input", "recompute without input"],
)
def test_what_does_not_fit_together_is_refused(arguments: tuple[str, ...]) -> None:
    run("explain", SUBSCRIBER, *arguments, code=2)


def test_every_decision_of_the_schema_has_words() -> None:
    known = schema("audit.recorded.v1")["properties"]["decision"]["x-extensible-enum"]
    missing = set(known) - WHY.keys()
    assert not missing, f"add to WHY in tools/explain/decision_words.py: {sorted(missing)}"


def test_figures_and_levels_are_told_with_their_units() -> None:
    assert figure("until_ms", to_ms(day(1))) == "until 2026-01-02T00:00:00Z"
    assert figure("lateness_ms", 1500) == "lateness 1500 ms"
    assert figure("forgotten_ids", 3) == "3 forgotten ids"
    assert level(80, "percent") == "80 %"
    assert level(100_000_000, "bytes") == "100 MB left"
    assert level(80, None) == "at 80"


def test_decisions_of_a_later_release_are_shown_by_name(tmp_path: Path) -> None:
    line = Line(rulebook())
    line.activate()
    (activated,) = [one for one in line.effects if isinstance(one, Audited)]
    later = msgspec.structs.replace(activated, decision="moved_to_mars")
    record = LogRecord(SUBSCRIBER.encode(), encode_effect(later), 0)
    said = run("explain", SUBSCRIBER, "--from", recording(tmp_path / "a.ndjson", [record]))
    assert "moved_to_mars: moved to mars" in said


def test_levels_of_every_kind_of_rule_are_told_in_their_unit() -> None:
    units = units_of(packaged_rulebook("showcase.yaml"))
    told = {name: level(500, unit) for name, unit in units.items()}
    assert told == {
        "percent-used": "500 %",
        "percent-left": "500 % left",
        "bytes-left": "500 B left",
        "bytes-used": "500 B used",
        "spent": "500 minor units spent",
        "spend-cap": "500 % of the cap spent",
        "each-step": "500 B used",
        "fast": "500 B in its window",
        "unusual": "500 % of the usual",
        "new-year": "500 %",
    }


def test_the_types_of_records_that_are_no_input_are_those_of_the_schemas() -> None:
    assert {f"{kind}.v1" for kind in gathering.OUTPUTS} == {
        *contract.OUTPUTS,
        *contract.DISPATCH,
    }


@pytest.mark.parametrize("kind", sorted(gathering.OUTPUTS))
def test_no_output_is_taken_for_an_event_of_the_subscriber(kind: str) -> None:
    found = gathering.Gathered(SUBSCRIBER)
    value = json.dumps({"type": kind}).encode()
    found.take(LogRecord(SUBSCRIBER.encode(), value, 0, (), 0, 1, "topic"), kind)
    assert found.arrived == []


def test_members_of_a_pool_are_shown_as_the_subscriber_is(tmp_path: Path) -> None:
    feed, member = Feed(), "861388888888"
    feed.rules = load_rulebook(
        RULES.replace("thresholds", "bucket_kinds: [member], thresholds"), "r"
    )
    feed.activate()
    feed.send(MemberJoined, 0.1, member=member, cap_bytes=GB)
    feed.use(GB, at=0.2, member=member)
    file = recording(tmp_path / "all.ndjson", [*feed.records, *outputs(feed)])
    arguments = ("explain", SUBSCRIBER, "--from", file)
    said = run(*arguments)
    assert "fired: low 100 % of member:861*******88 (861*******88): the message was" in said
    document = run(*arguments, "--json")
    assert member not in said + document
    decisions = [one for entry in json.loads(document)["entries"] for one in entry["decisions"]]
    assert [one["member"] for one in decisions if one["decision"] == "fired"] == ["861*******88"]
    assert f"of member:{member} ({member})" in run(*arguments, "--show-numbers")


def test_recomputing_says_which_decisions_differ_and_how_often(feed: Feed, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    audits = [one for one in outputs(feed) if b'"audit.recorded"' in (one.value or b"")]
    fired = next(one for one in audits if b'"fired"' in (one.value or b""))
    # One decision is written twice, and another one is missing.
    kept = [one for one in audits if b'"superseded"' not in (one.value or b"")]
    file = recording(tmp_path / "all.ndjson", [*feed.records, *kept, fired])

    said = run("explain", SUBSCRIBER, "--from", file, "--recompute", "--rules", rules)

    lost = len(audits) - len(kept)
    assert said.splitlines()[0].endswith(
        f"lacks {lost} and has 1 others; it lacks superseded low: {lost}; its others are "
        "fired low: 1"
    )
