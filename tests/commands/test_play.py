"""``streamproc play``: what a file of events does under rules, told to people and to programs."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from click.testing import CliRunner, Result
from msgspec import Struct
from rich.cells import cell_len

from streamproc.cli import main
from streamproc.core.rules.kinds.usage_percent import UsagePercent
from streamproc.producing.readers.without_events import IN_WORDS
from streamproc.tools.play.happening_words import record_words
from tests.support.envelopes import enveloped

ROOT = Path(__file__).parents[2]
WHO = "34600000001"
RULES = """\
version: 1
currency: EUR
default_locale: en
alerts: {quiet_hours: {start: "22:00", end: "07:00"}}
plans:
  - id: basic
    allowances: [{id: data, granted_bytes: 1_000_000}]
    overage_price_minor: 5
    overage_unit_bytes: 1000
    cost_cap_minor: 100
    policies: [{id: stop, when: cost_cap, state: barred}]
  - id: endless
    allowances: [{id: all, unlimited: true}]
packs:
  - {id: day, granted_bytes: 500_000, validity_hours: 24}
rules:
  - id: low
    kind: usage_percent
    thresholds: [50, 80, 100]
    category: balance
    texts: {en: "{percent}% of {bucket}, {remaining} left", ar: "{percent} {remaining}",
            zh-CN: "【流量提醒】您的套餐流量已经使用了{percent},剩余流量为{remaining},请注意使用。"}
commands: {}
"""


class AccountMoved(Struct, tag="account.moved", tag_field="type"):
    id: str
    subscriber: str
    to: str


GOLDEN = """\
34600000001, times in Europe/Madrid
================================================================================
Mon 5 Jan 2026
  09:00    activated with plan basic                                      line 1
           data: new, 1 MB, until Sat 10 Jan 2026 00:00
  12:00    600 kB used                                                    line 2
           data: 1 MB -> 400 kB left of 1 MB
           +- SMS from STREAMPROC ------------------+
           | 60% of data, 400 kB left               |
           +- low 50 % of data, en, 1 part (GSM-7) -+
  23:17    250 kB used                                                    line 3
           data: 400 kB -> 150 kB left of 1 MB
           quiet hours: low 80 % of data: held by quiet hours (until Tue 6 Jan
             2026 07:00)

Tue 6 Jan 2026
  07:00    (time passed)
           +- SMS from STREAMPROC ------------------+
           | 85% of data, 150 kB left               |
           +- low 80 % of data, en, 1 part (GSM-7) -+

Sat 10 Jan 2026
  00:00    (time passed)
           data: 150 kB -> 1 MB left of 1 MB, until Tue 10 Feb 2026 00:00
           bucket expired: data: the bucket has ended (granted 1 MB, used
             850 kB, expired 150 kB)
           cycle closed: the billing cycle ended (granted 1 MB, used 850 kB,
             expired 150 kB, overage 0 B)

At the end (Sun 11 Jan 2026 00:00): active, plan basic
           data: 1 MB left of 1 MB, until Tue 10 Feb 2026 00:00

3 events of 1 subscriber, 2 SMS (2 parts), 1 held.
Played until Sun 11 Jan 2026 00:00 (Europe/Madrid), a day after the last billing
cycle that an event was in.
"""


def event(kind: str, day: float, **fields: Any) -> dict[str, Any]:
    """An event some days after the begin of January 2026 in Madrid."""
    hours, minutes = divmod(round(day % 1 * 1440), 60)
    clock = f"{int(hours):02}:{minutes:02}:00"
    time = fields.pop("time", f"2026-01-{int(day):02}T{clock}+01:00")
    who = fields.pop("who", WHO)
    return {"type": kind, "source": "billing", "subscriber": who, "time": time, **fields}


def activated(day: float = 5, **fields: Any) -> dict[str, Any]:
    known = {"plan": "basic", "time_zone": "Europe/Madrid", "billing_anchor_day": 10}
    return event("account.activated", day, **(known | fields))


def used(day: float, total_bytes: int, **fields: Any) -> dict[str, Any]:
    return event("usage.recorded", day, total_bytes=total_bytes, **fields)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text(RULES, encoding="utf-8")
    return tmp_path


def write(events: list[Any], name: str = "events.ndjson") -> None:
    """Events as lines, numbered by ids; texts are lines as they are."""
    lines = [
        one if isinstance(one, str) else json.dumps({"id": f"e{number}", **one})
        for number, one in enumerate(events, 1)
    ]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def play(events: list[Any], *more: str) -> Result:
    write(events)
    return CliRunner().invoke(main, ["play", "rules.yaml", "events.ndjson", *more])


def documents(events: list[Any], *more: str) -> list[dict[str, Any]]:
    result = play(events, "--json", *more)
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_code_that_fails_is_told_with_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as that of a rule kind of another package."""

    def broken(*_: Any) -> int:
        raise TypeError("no such level")

    assert "the code failed" not in play([activated(5.375), used(5.5, 1)]).stderr
    monkeypatch.setattr(UsagePercent, "used_level", broken)
    result = play([activated(5.375), used(5.5, 1), used(5.6, 1)])
    assert "events.ndjson:2: rejected: internal_error" in result.stderr
    said = result.stderr.splitlines()[0]
    assert said.startswith("the code failed 2 times; first in ")
    assert f"{Path(__file__).name}:" in said
    assert said.endswith(": TypeError: no such level")


def test_a_life_is_a_timeline_with_phones_in_it(folder: Path) -> None:
    result = play([activated(5.375), used(5.5, 600_000), used(5.97, 250_000)])

    assert result.stdout == GOLDEN
    assert (result.exit_code, result.stderr) == (0, "")


def test_what_waited_for_its_activation_is_told_with_it_in_the_zone_that_it_brings(
    folder: Path,
) -> None:
    shown = play([used(5.25, 600_000), activated(5.125)]).stdout
    assert shown.startswith(f"{WHO}, times in Europe/Madrid\n")
    first, _, rest = shown.partition(
        "  06:00    activated with plan basic, at Mon 5 Jan 2026 03:00"
    )
    assert "  06:00    600 kB used" in first
    assert "held: the event waits for the activation, or for its own time" in first
    assert "data: new, 1 MB, 600 kB used, until Sat 10 Jan 2026 00:00" in rest
    assert "60% of data" in rest


def test_a_record_of_a_new_type_is_shown_with_its_fields() -> None:
    assert record_words(AccountMoved("1", WHO, "Lyon")) == ("record", "account.moved: to Lyon")


def test_policies_prices_and_what_is_dropped_are_told(folder: Path) -> None:
    shown = play(
        [
            activated(),
            event("account.opted_out", 5.1, category="balance"),
            used(5.5, 1_020_000),
        ]
    ).stdout

    assert "overage: 0 B -> 20 kB (€1.00 in this cycle)" in shown
    assert "to the policy system: stop barred (cost cap)" in shown
    assert "opted out: low 100 % of data: not sent: the subscriber opted out of" in shown
    assert "superseded: low 50 %, 80 % of data: not sent: a higher" in shown


def test_texts_of_the_subscriber_and_unlimited_data_are_shown(folder: Path) -> None:
    shown = play(
        [
            activated(plan="endless"),
            used(5.2, 5_000_000),
            event("sms.received", 5.3, text="STOP"),
        ]
    ).stdout

    assert "all: unlimited, 0 B -> 5 MB used" in shown
    assert 'sent an SMS: "STOP"' in shown


def test_usage_of_which_nothing_follows_is_told_together(folder: Path) -> None:
    events = [activated(), *(used(5.5 + n / 1440, 1000) for n in range(5)), used(6.5, 1000)]

    together = play(events).stdout
    assert "5 kB used by 5 events until 12:04" in together
    assert "data: 1 MB -> 995 kB left of 1 MB" in together
    assert "  12:00    1 kB used" in together.split("Tue 6 Jan 2026")[1]
    assert play(events, "--all").stdout.count("1 kB used ") == 6


def test_an_event_behind_a_later_one_arrives_late(folder: Path) -> None:
    shown = play([activated(), used(6.5, 1000), used(6.25, 1000)]).stdout
    assert "12:00    1 kB used, at Tue 6 Jan 2026 06:00: it arrived late" in shown


def test_each_subscriber_has_a_clock_of_its_own(folder: Path) -> None:
    """A file written subscriber by subscriber is played as one in order of time."""
    other = "34600000002"
    mine = [activated(), used(6, 600_000), used(25, 850_000)]
    theirs = [activated(who=other), used(6, 600_000, who=other), used(8, 300_000, who=other)]
    mixed = [one for two in zip(mine, theirs, strict=True) for one in two]
    for events in (mine + theirs, theirs + mine, mixed):
        result = play(events)
        assert result.exit_code == 0
        assert "late" not in result.stdout
        found = documents(events)
        said = {(one["to"], one["time"][:10], one["text"]) for one in found if one["type"] == "sms"}
        assert said == {
            (WHO, "2026-01-06", "60% of data, 400 kB left"),
            (WHO, "2026-01-25", "85% of data, 150 kB left"),
            (other, "2026-01-06", "60% of data, 400 kB left"),
            (other, "2026-01-08", "90% of data, 100 kB left"),
        }
        instants = [datetime.fromisoformat(one["time"]) for one in found if "time" in one]
        assert instants == sorted(instants)
    # Compared with itself, all of it is read, and nothing is too late.
    write(mine + theirs)
    more = ["--rules", "rules.yaml", "--present", "rules.yaml", "--from", "events.ndjson"]
    compared = CliRunner().invoke(main, ["simulate", *more])
    assert compared.exit_code == 0
    assert "rejected" not in compared.output
    # A wrong year moves only its own clock, and not that if its subscriber goes on.
    wrong = used(6.5, 1, time="2062-01-06T00:00:00+01:00")
    shown = play([*mine[:2], wrong, mine[2], *theirs])
    assert shown.exit_code == 1
    assert "rejected: time_in_future" in shown.stderr
    assert shown.stderr.count("\n") == 1
    assert "late" not in shown.stdout


def test_a_late_event_is_charged_to_the_cycle_in_which_it_happened(folder: Path) -> None:
    found = documents([activated(), used(11.5, 1000), used(9.5, 4000)])
    decisions = [one["decision"] for one in found if one["type"] == "decision"]
    assert "late_usage" in decisions
    after = [one["after"] for one in found if one["type"] == "event"][-1]
    assert after["buckets"][0]["used_bytes"] == 1000


def test_a_wrong_year_does_not_carry_the_clock_away(folder: Path) -> None:
    wrong = used(6, 1000, time="2062-01-06T00:00:00+01:00")
    for events in ([activated(), wrong, used(7, 600_000)], [wrong, activated(), used(7, 600_000)]):
        result = play(events)
        assert f"events.ndjson:{events.index(wrong) + 1}: rejected: time_in_future" in result.stderr
        assert "60% of data" in result.stdout
        assert "Played until Sun 11 Jan 2026 00:00" in result.stdout
    # Late by weeks is late, and no sign that the others are early.
    late = play([activated(), used(7, 1000), used(30, 1000), used(8, 4000)]).stdout
    assert "4 kB used, at Thu 8 Jan 2026 00:00: it arrived late" in late


def test_bad_lines_and_rejects_are_named_and_the_rest_is_played(folder: Path) -> None:
    result = play(
        [
            activated(),
            '{"type": "usage.recorded"',
            used(5.2, -1),
            event("account.topped_up", 5.3, pack="days"),
            used(5.5, 600_000),
            event("usage.guessed", 5.6),
        ]
    )
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "events.ndjson:2: is not a JSON object",
        "events.ndjson:3: total_bytes: must be a whole number of at least 0",
        "events.ndjson:6: there is no event type usage.guessed; did you mean usage.refunded?",
        "events.ndjson:4: rejected: unknown_pack: no such pack in the rules ('days'; did you "
        "mean day?)",
    ]
    assert "60% of data" in result.stdout
    assert "1 event REJECTED" in result.stdout
    assert "Bad lines: 3; the rest was played." in result.stdout
    shown = result.stdout[result.stdout.index("Not events") :]
    for told in ("2): is not a JSON object", "6): there is no event type usage.guessed"):
        assert f"REJECTED (line {told}" in shown
    assert "Not events" not in play([activated()]).stdout


def test_cloudevents_are_played_as_the_events_in_them(folder: Path) -> None:
    events = [activated(), used(5.5, 600_000)]
    plain = play(events)
    lines = [enveloped(line) for line in Path("events.ndjson").read_text().splitlines()]
    Path("events.ndjson").write_text("\n".join(lines) + "\n")
    wrapped = CliRunner().invoke(main, ["play", "rules.yaml", "events.ndjson"])
    assert wrapped.exit_code == 0
    assert wrapped.stdout == plain.stdout
    lines[1] = lines[1].replace('"1.0"', '"0.3"')
    Path("events.ndjson").write_text("\n".join(lines) + "\n")
    partly = CliRunner().invoke(main, ["play", "rules.yaml", "events.ndjson"])
    assert partly.exit_code == 1
    assert "events.ndjson:2: CloudEvents: only specversion 1.0 is read" in partly.stderr


def test_an_unknown_plan_is_told_with_those_that_there_are(folder: Path) -> None:
    result = play([activated(plan="huge"), used(5.5, 1000)])
    assert result.exit_code == 1
    wanted = "events.ndjson:1: rejected: unknown_plan: no such plan in the rules ('huge'; there"
    assert result.stderr.startswith(f"{wanted} are: basic, endless)\n")
    # Usage that waited for the activation in vain is rejected at its own line.
    assert "events.ndjson:2: rejected: unknown_subscriber" in result.stderr


OTHER_FORMS = {
    "empty": b"\n  \n",
    "recording": b'{"key":"8613","value":"{}","timestamp_ms":1}\n',
    "objects": b'{"bytes": 5}\n',
    "array": b'[{"type":"usage.recorded"}]\n',
    "table": b"subscriber;bytes\n346;5\n",
    "binary": b"\x89PNG\r\n\x1a\n",
    "other": b"hello\n",
}


@pytest.mark.parametrize("form", OTHER_FORMS)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_of_another_form_is_one_clear_line(folder: Path, form: str, packed: bool) -> None:
    content = OTHER_FORMS[form]
    Path("x").write_bytes(zstandard.ZstdCompressor().compress(content) if packed else content)

    result = CliRunner().invoke(main, ["play", "rules.yaml", "x"])

    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: x {IN_WORDS[form]};")  # type: ignore[index]
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


EVENT_TEXT = '{"type":"usage.recorded","id":"1"}\n'


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (EVENT_TEXT.encode("utf-16"), "is UTF-16; write UTF-8"),
        (EVENT_TEXT.encode("utf-16-be"), "is UTF-16; write UTF-8"),
        (EVENT_TEXT.encode("utf-32"), "is UTF-32; write UTF-8"),
        (b"\0\0\0\0\x07" + EVENT_TEXT.encode(), "begins with the frame of a schema registry"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [["play", "rules.yaml", "x"], ["simulate", "--rules", "rules.yaml", "--from", "x"]],
    ids=lambda one: one[0],
)
def test_a_file_in_another_encoding_is_told_as_such(
    folder: Path, command: list[str], content: bytes, says: str
) -> None:
    Path("x").write_bytes(content)

    result = CliRunner().invoke(main, command)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(f"Error: x {says}")


@pytest.mark.parametrize(
    ("arguments", "code", "wanted"),
    [
        (["none.ndjson"], 1, "none.ndjson is not there"),
        (["."], 1, ". is a folder"),
        (["rules.yaml"], 2, "EVENTS are missing"),
        (["pack:us"], 2, "EVENTS are missing"),
        (["events.ndjson", "rules.yaml"], 2, "RULES come first"),
        (["a", "b", "c"], 1, "b is not there"),
        (["pack:uk", "events.ndjson"], 2, "there is no pack 'uk'"),
        (["none.yaml", "events.ndjson"], 1, "none.yaml:1: cannot be read"),
        (["rules.yaml", "events.ndjson", "--locale", "xx-YY"], 2, "there is no language 'xx'"),
        (["rules.yaml", "events.ndjson", "--subscriber", "1"], 1, "no event has the subscriber 1"),
        (["rules.yaml", "events.ndjson", "--until", "2026-01-01T00:00:00Z"], 1, "nothing was"),
        (["rules.yaml", "events.ndjson", "--until", "2026-01-01"], 2, "lacks a zone"),
    ],
)
def test_what_cannot_be_played_is_told(
    folder: Path, arguments: list[str], code: int, wanted: str
) -> None:
    write([activated()])
    result = CliRunner().invoke(main, ["play", *arguments])
    assert result.exit_code == code, result.output
    assert wanted in result.stderr


def test_it_is_played_until_an_instant(folder: Path) -> None:
    events = [activated(), used(5.5, 600_000), used(7.5, 1000)]
    result = play(events, "--until", "2026-01-06T00:00:00+01:00")
    assert "Played until Tue 6 Jan 2026 00:00 (Europe/Madrid)." in result.stdout
    assert "Left out, because they are later: 1 event." in result.stdout
    longer = play(events, "--until", "2026-03-15T00:00:00+01:00").stdout
    assert longer.count("cycle closed") == 3


def test_one_subscriber_of_several_is_chosen(folder: Path) -> None:
    events = [activated(), activated(who="34600000002"), used(6, 600_000, who="34600000002")]
    assert "34600000001" in play(events).stdout
    chosen = play(events, "--subscriber", "34600000002").stdout
    assert "34600000001" not in chosen
    assert "60% of data" in chosen


@pytest.mark.parametrize("locale", ["ar", "zh-CN"])
def test_lines_keep_within_eighty_cells_in_every_script(folder: Path, locale: str) -> None:
    shown = play([activated(locale="en"), used(5.5, 600_000)], "--locale", locale).stdout
    lines = shown.splitlines()
    assert max(map(cell_len, lines)) <= 80
    bubble = [line for line in lines if line.strip()[:1] in "+|" and line.strip()]
    assert len({cell_len(line) for line in bubble}) == 1
    assert f", {locale}, " in bubble[-1]


def test_a_phone_shows_what_comes_and_goes(folder: Path) -> None:
    events = [activated(), used(5.5, 600_000), event("sms.received", 6, text="hello there")]
    shown = play(events, "--view", "phone", "--sender", "ACME").stdout
    assert shown.startswith(f"Phone {WHO}, times in Europe/Madrid\n")
    assert "| 60% of data, 400 kB left" in shown
    assert "SMS from ACME" in shown
    assert "| hello there |" in shown
    assert "data: 1 MB" not in shown


def test_a_life_without_messages_shows_no_phone(folder: Path) -> None:
    shown = play([activated(), used(5.5, 1000)], "--view", "phone").stdout
    assert shown.startswith("No phone received or sent an SMS.\n\n2 events of 1 subscriber, 0 SMS")


def test_messages_are_from_the_brand_of_the_rules(folder: Path) -> None:
    brand = 'brand: {en: Acme, zh-CN: "爱克米"}\n'
    (folder / "rules.yaml").write_text(RULES + brand, encoding="utf-8")
    events = [activated(), used(5.5, 600_000)]
    assert "SMS from Acme --" in play(events).stdout
    assert "SMS from 爱克米 --" in play(events, "--locale", "zh-CN").stdout
    assert "SMS from Other --" in play(events, "--sender", "Other").stdout


def test_members_of_a_pool_have_phones_of_their_own(folder: Path) -> None:
    events = [
        activated(),
        event("account.member_joined", 5.1, member="34600000009", role="owner"),
        used(5.5, 600_000, member="34600000009"),
    ]
    shown = play(events).stdout
    assert "34600000009 joined the pool as owner" in shown
    assert "600 kB used by 34600000009" in shown
    assert "34600000009: 0 B -> 600 kB used (owner)" in shown
    assert "SMS from STREAMPROC to 34600000009" in shown
    assert play(events, "--view", "phone").stdout.startswith("Phone 34600000009,")


def test_json_has_every_moment_with_all_buckets(folder: Path) -> None:
    found = documents([activated(), used(5.5, 600_000), '{"x": 1}', used(5.97, 250_000)])

    assert [one["type"] for one in found] == [
        "bad_line", "event", "decision", "event", "sms", "decision", "event", "decision",
        "time_passed", "sms", "decision", "time_passed", "decision", "decision", "end",
    ]  # fmt: skip
    assert found[0] == {
        "type": "bad_line",
        "file": "events.ndjson",
        "line": 3,
        "reason": "subscriber: is missing",
    }
    usage, sms = found[3], found[4]
    assert usage["before"]["buckets"][0]["remaining_bytes"] == 1_000_000
    assert usage["after"]["buckets"][0]["remaining_bytes"] == 400_000
    assert (usage["time"], usage["line"]) == ("2026-01-05T12:00:00+01:00", 2)
    assert sms["text"] == "60% of data, 400 kB left"
    assert (sms["moment"], sms["parts"], sms["to"]) == (usage["moment"], 1, WHO)
    held = found[7]
    assert held["decision"] == "quiet_hours"
    assert held["why"].startswith("held by quiet hours (until 2026-01-06T06:00:00Z")
    assert found[-1] | {"until": ""} == {
        "type": "end", "until": "", "events": 3, "left_out": 0, "bad_lines": 1, "rejected": 0,
        "sms": 2, "sms_parts": 2,
    }  # fmt: skip


def test_standard_input_and_packed_files_are_read(folder: Path) -> None:
    write([activated(), used(5.5, 600_000)])
    content = Path("events.ndjson").read_bytes()
    wanted = CliRunner().invoke(main, ["play", "rules.yaml", "events.ndjson"]).stdout
    piped = CliRunner().invoke(main, ["play", "rules.yaml", "-"], input=content)
    assert piped.stdout == wanted
    Path("e.ndjson.zst").write_bytes(zstandard.ZstdCompressor().compress(content))
    packed = CliRunner().invoke(main, ["play", "rules.yaml", "e.ndjson.zst"])
    assert packed.stdout == wanted
    # A byte order mark, as editors on Windows write it, is no fault of the first line.
    Path("bom.ndjson").write_bytes(b"\xef\xbb\xbf" + content)
    assert CliRunner().invoke(main, ["play", "rules.yaml", "bom.ndjson"]).stdout == wanted


def test_a_file_that_is_cut_off_is_told(folder: Path) -> None:
    write([activated(), used(5.5, 600_000)])
    content = zstandard.ZstdCompressor().compress(Path("events.ndjson").read_bytes())
    Path("cut.zst").write_bytes(content[:-9])
    result = CliRunner().invoke(main, ["play", "rules.yaml", "cut.zst"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "damaged or cut off" in result.stderr


def test_it_is_played_alike_each_time(folder: Path) -> None:
    events = [activated(), used(5.5, 600_000), used(5.97, 250_000)]
    assert play(events, "--json").stdout == play(events, "--json").stdout


def test_two_buckets_of_one_event_are_two_messages() -> None:
    """Case M1: a day pack is used up, the plan's own data are not."""
    example = str(ROOT / "examples" / "day-pack" / "events.ndjson")
    result = CliRunner().invoke(main, ["play", example, "--json"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    last = next(one for one in found if one.get("line") == 4)
    sent = [one for one in found if one["type"] == "sms" and one["moment"] == last["moment"]]
    assert [(one["buckets"], one["threshold"]["value"]) for one in sent] == [
        (["day-1gb#1"], 100),
        (["data-lite"], 80),
    ]
    assert "90 MB of 500 MB left" in sent[1]["text"]
    left = {one["id"]: one["remaining_bytes"] for one in last["after"]["buckets"]}
    assert left == {"day-1gb#1": 0, "data-lite": 90_000_000}


def test_what_waits_for_the_morning_is_told_by_bucket() -> None:
    """Case M2: quiet hours hold back thresholds of two buckets."""
    example = ROOT / "examples" / "night"
    files = [str(example / "rules.yaml"), str(example / "events.ndjson")]
    result = CliRunner().invoke(main, ["play", *files, "--json"])
    found = [json.loads(line) for line in result.stdout.splitlines()]
    sent = [(one["time"], one["buckets"], one["text"]) for one in found if one["type"] == "sms"]
    assert sent == [
        ("2026-01-07T07:00:00+08:00", ["day#1"], "Your day pack is used up."),
        ("2026-01-07T07:00:00+08:00", ["data"], "52% of your data used, 480 MB of 1 GB left."),
    ]


def test_the_end_of_a_cycle_is_of_the_plan_and_not_of_a_top_up_that_ends_with_it(
    folder: Path,
) -> None:
    midnight = "2026-02-10T00:00:00+01:00"
    top_up = event("account.topped_up", 6, granted_bytes=1_000_000_000, expires_time=midnight)
    write(
        [
            activated(plan="basic-5gb", locale="en"),
            used(7, 4_000_000_000),
            top_up | {"time": "2026-01-12T00:00:00+01:00"},
            used(20, 4_800_000_000),
        ]
    )
    result = CliRunner().invoke(main, ["play", "events.ndjson", "--json"])
    said = {
        one["rule"]: one["text"]
        for one in map(json.loads, result.stdout.splitlines())
        if one["type"] == "sms" and one["time"] > "2026-02-01"
    }
    assert "The 200 MB left of your plan expires then." in said["cycle-end"]
    assert said["topup-expiry"].endswith("expires at the end of Feb 9. 1 GB left.")
