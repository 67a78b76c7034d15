"""``play`` and ``simulate`` read the files that ``send`` reads: every form, with the same results.

The files have usage alone, as other systems write it. The activation stands in a file of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

import streamproc.producer
from streamproc.cli import main
from streamproc.contracts.records.codec import encode_event
from streamproc.core.state.events import SubscriberEvent
from streamproc.producing.readers import FORMS
from tests.commands.test_play import RULES, activated, event, used, write
from tests.support import carrier
from tests.unit import test_readers_charging as charging
from tests.unit.test_readers_forms import CSV, MAPPING
from tests.unit.test_readers_radius import DETAIL
from tests.unit.test_readers_sessions import radius

WHO = "8613800000001"
ROOT = Path(__file__).parents[2]
LINES_MAPPING = """\
source: mediation
fields:
  subscriber: {column: who.msisdn}
  time: {column: at}
  total_bytes: {column: bytes}
"""
CGRATES = (
    "c0ffee02,*default,*data,d1,*rated,t.org,call,{who},{who},data,2026-01-05T08:42:25Z,"
    "2026-01-05T08:42:26Z,1048576,0.012\nc0ffee03,*default,*data,d1,*rated\n"
)
LINES = [
    {"type": "session", "who": {"msisdn": WHO}, "at": "2026-01-05T09:00:00Z", "bytes": 600_000},
    {"type": "session", "who": {"msisdn": WHO}, "at": "2026-01-05T10:00:00Z", "bytes": -1},
]
TOTALS = [radius(1, "start"), radius(2, "interim", outputOctets=600_000), {"id": 3}]
FILES: dict[str, tuple[str, bytes, str | None]] = {
    "ndjson": (
        "usage.ndjson",
        json.dumps({"id": "1", **used(5.5, 600_000, who=WHO)}).encode() + b"\n{}\n",
        None,
    ),
    "csv": ("usage.csv", CSV.encode(), MAPPING),
    "json": ("usage.json", "\n".join(map(json.dumps, LINES)).encode(), LINES_MAPPING),
    "cgrates-csv": ("cdrs", CGRATES.format(who=WHO).encode(), None),
    "tmf635": ("usage.json", json.dumps(TOTALS).encode(), None),
    "radius-detail": ("detail", DETAIL.encode() + b"\tAcct-Status-Type = Stop\n", None),
    "3gpp-cdr": (
        "cdr.dat",
        charging.encoded("pGWRecord", charging.pgw(listOfServiceData=charging.SERVICES)) + b"\x30",
        None,
    ),
}
"""For each form: a file with usage of :data:`WHO` and something that is not an event."""


class _Taken:
    """A producer that takes events and sends none."""

    waiting = 0

    def __init__(self, events: list[SubscriberEvent]) -> None:
        self._events = events

    def __enter__(self) -> _Taken:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, event: SubscriberEvent) -> None:
        self._events.append(event)

    def flush(self) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    write([activated(1, who=WHO, plan="endless")], "activations.ndjson")
    return tmp_path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[SubscriberEvent]:
    """The events that ``send`` gives to its producer."""
    events: list[SubscriberEvent] = []
    monkeypatch.setattr(streamproc.producer, "UsageProducer", lambda *_, **__: _Taken(events))
    return events


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(main, list(arguments))
    assert "Traceback" not in result.output, result.output
    return result


def played(*arguments: str) -> tuple[list[Any], list[str], list[dict[str, Any]]]:
    """Usage, the lines of the error output, and all documents of a play."""
    result = run("play", "rules.yaml", *arguments, "--json")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    events = [one["event"] for one in found if one["type"] == "event"]
    usage = [one for one in events if one["type"] == "usage.recorded"]
    assert result.exit_code == 1, "each file has a bad record"
    return usage, result.stderr.splitlines(), found


def options_of(form: str) -> list[str]:
    """Writes the file of a form; returns its name with options."""
    name, content, mapping = FILES[form]
    Path(name).write_bytes(content)
    options = [name, "--format", form, "--region", "CN"]
    if mapping is not None:
        Path("columns.yaml").write_text(mapping, encoding="utf-8")
        options += ["--mapping", "columns.yaml"]
    return options


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_played_and_compared_as_it_is_sent(
    folder: Path, sent: list[SubscriberEvent], form: str
) -> None:
    options = options_of(form)
    result = run("send", "--broker", "b:1", *options)
    assert result.exit_code == 1, result.output
    refused = [line for line in result.stderr.splitlines() if line.startswith(f"{options[0]}:")]
    assert sent
    assert refused

    usage, errors, found = played(*options)
    assert errors[: len(refused)] == refused
    assert msgspec.json.encode(usage) == msgspec.json.encode(
        [json.loads(encode_event(one)) for one in sorted(sent, key=lambda one: one.time)]
    )
    bad = [(one["file"], one["line"], one["reason"]) for one in found if one["type"] == "bad_line"]
    assert [f"{file}:{line}: {reason}" for file, line, reason in bad] == refused

    rules = ["--rules", "rules.yaml", "--present", "rules.yaml"]
    compared = run("simulate", *rules, "--from", *options)
    assert compared.exit_code == 1
    assert compared.stderr.splitlines()[: len(refused)] == refused


@pytest.mark.parametrize(
    "command",
    [
        ("send", "--broker", "b:1", "activations.ndjson"),
        ("send", "--broker", "b:1", "--watch", "."),
        ("play", "rules.yaml", "activations.ndjson"),
        ("simulate", "--rules", "rules.yaml", "--from", "activations.ndjson"),
    ],
)
def test_a_mapping_that_nothing_would_read_is_refused(
    folder: Path, command: tuple[str, ...]
) -> None:
    Path("columns.yaml").write_text(MAPPING, encoding="utf-8")
    result = run(*command, "--format", "ndjson", "--mapping", "columns.yaml")
    assert result.exit_code == 1
    assert "Error: ndjson takes no mapping" in result.output


@pytest.mark.parametrize("form", ["csv", "json"])
def test_activations_are_taken_from_a_file_beside_a_mapped_one(
    folder: Path, sent: list[SubscriberEvent], form: str
) -> None:
    """With ``auto``, events of the contract need no mapping, also where another file has one."""
    name, *_, mapping = options_of(form)
    usage, _, found = played(name, "activations.ndjson", "--mapping", mapping)
    assert usage
    assert [one for one in found if one["type"] == "reject"] == []
    result = run("send", "--broker", "b:1", "activations.ndjson", name, "--mapping", mapping)
    assert f"{len(usage) + 1} events to " in result.stdout
    assert [one.id for one in sent[1:]] == [one["id"] for one in usage]

    rules = ["--rules", "rules.yaml", "--present", "rules.yaml"]
    both = ["--from", "activations.ndjson", "--from", name, "--mapping", mapping]
    compared = run("simulate", *rules, *both)
    assert f"{len(usage) + 1} records of" in compared.stdout


def test_files_are_put_together_by_time_for_each_subscriber(folder: Path) -> None:
    """A day pack that is bought between two records of usage counts from then on."""
    bought = event("account.topped_up", 6, pack="day")
    # One subscriber after the other, and the second file in order of time.
    second = activated(5, who="34600000002")
    write([activated(5), bought, second, bought | {"subscriber": "34600000002"}], "lives.ndjson")
    usage = [
        used(day, 100_000, who=who, source="probe")
        for day in (5.5, 6.5)
        for who in ("34600000001", "34600000002")
    ]  # fmt: skip
    write(usage, "usage.ndjson")
    for files in (["lives.ndjson", "usage.ndjson"], ["usage.ndjson", "lives.ndjson"]):
        result = run("play", "rules.yaml", *files, "--json")
        assert result.exit_code == 0, result.stderr
        found = [json.loads(line) for line in result.stdout.splitlines()]
        events = [one for one in found if one["type"] == "event"]
        for who in ("34600000001", "34600000002"):
            mine = [one for one in events if one["subscriber"] == who]
            assert [one["event"]["type"] for one in mine] == [
                "account.activated", "usage.recorded", "account.topped_up", "usage.recorded",
            ]  # fmt: skip
            assert not any(one["late"] for one in mine)
            spent = [one for one in mine[-1]["after"]["buckets"] if one["used_bytes"]]
            assert {one["id"].partition("#")[0] for one in spent} == {"data", "day"}


def test_lines_of_several_files_are_named_with_their_file(folder: Path) -> None:
    write([activated(5), activated(5, who="34600000002", plan="huge")], "lives.ndjson")
    usage = [used(5.5, 600_000), event("account.topped_up", 5.6, pack="none")]
    write([one | {"source": "probe"} for one in usage], "usage.ndjson")
    result = run("play", "rules.yaml", "lives.ndjson", "usage.ndjson")
    assert "activated with plan basic" in result.stdout
    assert re.search("600 kB used +usage.ndjson:1\n", result.stdout)
    assert [line.partition(" rejected")[0] for line in result.stderr.splitlines()] == [
        "lives.ndjson:2:",
        "usage.ndjson:2:",
    ]
    told = run("simulate", "--rules", "rules.yaml", "--present", "rules.yaml", "--from",
               "lives.ndjson", "--from", "usage.ndjson").stdout  # fmt: skip
    assert "unknown_pack (first: usage.ndjson:2)" in told
    assert "unknown_plan (first: lives.ndjson:2)" in told


def test_numbers_are_read_as_send_reads_them(folder: Path, sent: list[SubscriberEvent]) -> None:
    numbers = ["+34600000001", "0034600000001", "600000001", "3.46E+10"]
    write([activated(5, who=one) for one in numbers])
    for more in ([], ["--region", "ES"], ["--subscribers", "ids"]):
        sent.clear()
        told = run("send", "--broker", "b:1", "events.ndjson", *more).stderr
        result = run("play", "rules.yaml", "events.ndjson", *more, "--json")
        found = [json.loads(line) for line in result.stdout.splitlines()]
        assert [one["subscriber"] for one in found if one["type"] == "event"] == [
            one.subscriber for one in sent
        ]
        assert result.stderr.splitlines()[: told.count("\n")] == told.splitlines()


def test_stop_plays_nothing_after_a_bad_record(folder: Path, sent: list[SubscriberEvent]) -> None:
    write([activated(5), used(5.5, 1000), "{}", used(5.6, 1000)])
    write([used(5.7, 1000)], "more.ndjson")
    run("send", "--broker", "b:1", "events.ndjson", "more.ndjson", "--on-bad", "stop")
    result = run("play", "rules.yaml", "events.ndjson", "more.ndjson", "--on-bad", "stop", "--json")
    events = [one for one in map(json.loads, result.stdout.splitlines()) if one["type"] == "event"]
    assert len(events) == len(sent) == 2


def test_running_totals_go_on_from_the_memory_that_send_keeps_and_leave_it_alone(
    folder: Path, sent: list[SubscriberEvent]
) -> None:
    Path("one.json").write_text(json.dumps(radius(1, "interim", outputOctets=600_000)))
    Path("two.json").write_text(json.dumps(radius(2, "stop", outputOctets=900_000)))
    options = ["--format", "tmf635", "--sessions", "memory"]
    assert run("play", "rules.yaml", "one.json", *options).exit_code == 1
    assert not Path("memory").exists(), "a play that may only read makes no file"

    run("send", "--broker", "b:1", "one.json", *options)
    before = Path("memory").read_bytes()
    for _ in range(2):
        usage, _, _ = played("two.json", *options)
        assert [one["downlink_bytes"] for one in usage] == [300_000]
    assert Path("memory").read_bytes() == before
    both, _, _ = played("one.json", "two.json", "--format", "tmf635")
    assert [one["downlink_bytes"] for one in both] == [600_000, 300_000]


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[None]:
    site = tmp_path / "site"
    site.mkdir()
    carrier.install_into(site)
    with carrier.used(site):
        yield


def test_a_form_of_an_installed_package_is_played(folder: Path, installed: None) -> None:
    cdr = ROOT / "examples" / "carrier-package" / "usage.cdr"
    usage, errors, _ = played("activations.ndjson", str(cdr))
    assert [one["id"] for one in usage] == ["A-1", "A-2"]
    assert errors[0].startswith(f"{cdr}:3: ")


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        (["play", "usage.csv"], 1, "csv needs a mapping file"),
        (["play", "usage.csv", "--format", "xml"], 2, "none of auto, ndjson, csv"),
        (["play", "rules.yaml", "other.yaml", "usage.csv"], 2, "give one file of RULES"),
        (["play", "rules.yaml", "activations.ndjson", "calls.csv", "--mapping", "m.yaml"], 0,
         "Left out by the mapping: 1 record."),
        (["play", "calls.csv", "--mapping", "m.yaml"], 1, "1 left out by the mapping"),
        (["simulate", "--rules", "rules.yaml", "--from", "usage.csv"], 1, "csv needs a mapping"),
        (["simulate", "--rules", "rules.yaml", "--from", "topic:usage", "--broker", "b:1",
          "--mapping", "m.yaml"], 2, "--mapping is for files of events; topic:usage is a topic"),
        (["simulate", "--rules", "rules.yaml", "--from", "log.ndjson", "--region", "CN"], 2,
         "--region is for files of events; log.ndjson is a recording"),
        (["simulate", "--rules", "rules.yaml", "--from", "activations.ndjson", "--from",
          "topic:usage", "--broker", "b:1"], 2, "several sources can only be files of events"),
        (["simulate", "--rules", "rules.yaml", "--from", "activations.ndjson", "--from",
          "log.ndjson"], 2, "give a recording alone"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told(
    folder: Path, arguments: list[str], code: int, wanted: str
) -> None:
    Path("usage.csv").write_text(CSV)
    Path("calls.csv").write_text("\n".join(CSV.splitlines()[i] for i in (0, 3)) + "\n")
    Path("m.yaml").write_text(MAPPING)
    Path("log.ndjson").write_text('{"key":"8613","value":"{}","timestamp_ms":1}\n')
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert wanted in result.output
