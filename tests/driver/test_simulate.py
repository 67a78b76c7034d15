"""``streamproc simulate``: the command on a recording."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from streamproc.cli import main
from streamproc.core.instants import DAY_MS
from tests.support.commands import run
from tests.support.envelopes import enveloped

HOUR_MS = DAY_MS // 24
RULES = """\
version: 1
currency: EUR
default_locale: en
plans: [{id: basic, allowances: [{id: data, granted_bytes: 1_000_000_000}]}]
rules:
  - {id: low, kind: usage_percent, thresholds: [50, 80], category: usage,
     texts: {en: "{percent}% used"}}
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Two hand-made subscribers: one ends at 60 %, the other goes through at 100 %."""
    found = {name: tmp_path / name for name in ("present.yaml", "new.yaml", "month.ndjson")}
    found["present.yaml"].write_text(RULES)
    found["new.yaml"].write_text(RULES.replace("[50, 80]", "[70]"))
    lines = []
    for name, total in (("8613800000001", 6), ("8613800000002", 10)):
        lines.append(event(name, 0, type="account.activated", plan="basic", time_zone="UTC",
                           billing_anchor_day=1))  # fmt: skip
        lines += [
            event(name, hour, type="usage.recorded", total_bytes=100_000_000)
            for hour in range(1, total + 1)
        ]
    lines.sort(key=lambda line: json.loads(line)["timestamp_ms"])
    found["month.ndjson"].write_text("".join(lines))
    return found


def event(name: str, hour: int, **fields: object) -> str:
    at = f"2026-01-05T{hour:02}:00:00Z"
    value = {"id": f"{name}-{hour}", "source": "t", "subscriber": name, "time": at, **fields}
    stamp_ms = 1_767_571_200_000 + hour * HOUR_MS
    line = {"key": name, "value": json.dumps(value), "timestamp_ms": stamp_ms}
    return json.dumps(line) + "\n"


def test_the_command_tells_who_is_told_otherwise(files: dict[str, Path]) -> None:
    arguments = (
        "simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
        "--from", files["month.ndjson"], "--price", "0.045",
    )  # fmt: skip
    document = json.loads(run(*arguments, "--json"))
    assert document["subscribers"] == 2
    assert document["messages"] == {"present": 3, "changed": 1}
    assert document["cost_micros"] == {"present": 135_000, "changed": 45_000, "currency": "EUR"}
    assert [
        (one["effect"], one["subscriber"], one["present_threshold"], one["changed_threshold"])
        for one in document["changes"]
    ] == [
        ("dropped", "861********01", 50, None),
        ("dropped", "861********02", 50, None),
        ("earlier", "861********02", 80, 70),
    ]
    assert document["changes"][2]["shift_ms"] == -HOUR_MS
    said = run(*arguments)
    assert "861********02  low 80 -> 70: earlier (-1.0 h)" in said
    assert "2 of 2 subscribers are told otherwise" in said
    assert "8613800000002" not in said
    whole = run(*arguments, "--show-numbers")
    assert "8613800000002" in whole
    assert "written down nowhere: numbers of 2 subscribers are shown" in whole


@pytest.mark.parametrize("native", ["on", "off"])
def test_the_same_rules_make_no_difference(
    files: dict[str, Path], native: str, tmp_path: Path
) -> None:
    if native == "on":
        pytest.importorskip("streamproc_native")
    month = tmp_path / "m.ndjson"
    run("workload", "--events", 3000, "--subscribers", 50, "--out", month)  # type: ignore[arg-type]
    default = Path(sys.modules["streamproc.contracts"].__path__[0]) / "rules" / "default.yaml"
    document = json.loads(
        run("simulate", "--rules", default, "--from", month, "--json", "--native", native)
    )
    assert document["messages"]["present"] == document["messages"]["changed"] > 100
    assert document["effects"]["same"] == document["messages"]["present"]
    assert document["changes"] == []
    assert any("activation is not among them" in note for note in document["notes"])


def test_what_falls_due_after_the_last_record_is_counted_on_demand(files: dict[str, Path]) -> None:
    files["new.yaml"].write_text(
        RULES + '  - {id: end, kind: before_cycle_end, days_before: 3, at: "10:00", '
        'category: s, texts: {en: "x"}}\n'
    )
    arguments = ("simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
                 "--from", files["month.ndjson"], "--json")  # fmt: skip
    assert json.loads(run(*arguments))["effects"]["added"] == 0
    assert json.loads(run(*arguments, "--advance-clock", "30d"))["effects"]["added"] == 2


@pytest.mark.parametrize("form", ["png", "svg"])
def test_the_picture_is_drawn(files: dict[str, Path], tmp_path: Path, form: str) -> None:
    pytest.importorskip("matplotlib")
    picture = tmp_path / f"difference.{form}"
    run("simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
        "--from", files["month.ndjson"], "--picture", picture)  # fmt: skip
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG" if form == "png" else b"<?xml")
    assert len(content) > 5_000


def test_without_matplotlib_it_says_so_before_the_work(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = run("simulate", "--rules", files["new.yaml"], "--from", files["month.ndjson"],
               "--picture", tmp_path / "p.png", code=1)  # fmt: skip
    assert "pip install 'streamproc[pictures]'" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "topic:x"), "give --broker"),
        (("--from", "nothing.ndjson"), "there is no such file"),
        (("--from", "x", "--price", "0.0000001"), "is no price"),
        (("--from", "x", "--price", "free"), "is no price"),
    ],
)
def test_what_cannot_be_run_is_refused(
    files: dict[str, Path], arguments: tuple[str, ...], words: str
) -> None:
    assert words in run("simulate", "--rules", files["new.yaml"], *arguments, code=2)


def test_messages_of_two_rules_of_a_kind_are_not_taken_for_each_other(
    files: dict[str, Path],
) -> None:
    spend = """\
  - {id: one, kind: spend_amount, thresholds: [%s], category: money, texts: {en: "x"}}
  - {id: other, kind: spend_amount, thresholds: [%s], category: money, texts: {en: "x"}}
"""
    priced = RULES.replace("allowances:", "overage_price_minor: 1, allowances:")
    priced = priced.replace("1_000_000_000", "500_000_000")
    files["present.yaml"].write_text(priced + spend % (300, 90_000))
    files["new.yaml"].write_text(priced + spend % (90_000, 300))
    document = json.loads(
        run("simulate", "--rules", files["new.yaml"], "--present", files["present.yaml"],
            "--from", files["month.ndjson"], "--json")
    )  # fmt: skip
    assert sorted((one["effect"], one["rule"]) for one in document["changes"]) == [
        ("added", "other"),
        ("dropped", "one"),
    ]


def test_a_compiled_part_of_another_release_is_an_error(
    files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "streamproc.worker.native_bridge.loading.streamproc_native", SimpleNamespace()
    )
    arguments = ("simulate", "--rules", files["new.yaml"], "--from", files["month.ndjson"])
    assert "of another release" in run(*arguments, code=1)
    assert "of another release" in run("verify", "--broker", "127.0.0.1:1", code=3)


def plain_events(files: dict[str, Path], name: str = "events.ndjson") -> Path:
    """The same lives as a file of events."""
    values = [json.loads(line)["value"] for line in files["month.ndjson"].read_text().splitlines()]
    path = files["month.ndjson"].with_name(name)
    path.write_text("\n".join(values) + "\n")
    return path


def simulated(files: dict[str, Path], source: Path, *more: str) -> Result:
    arguments = ["--rules", files["new.yaml"], "--present", files["present.yaml"], "--from", source]
    return CliRunner().invoke(main, ["simulate", *map(str, arguments), *more])


def test_a_file_of_events_is_compared_as_its_recording_is(files: dict[str, Path]) -> None:
    recorded = json.loads(simulated(files, files["month.ndjson"], "--json").stdout)
    played = simulated(files, plain_events(files), "--json")
    assert played.exit_code == 0
    compared = json.loads(played.stdout)
    assert compared.pop("notes")
    assert recorded.pop("notes")
    assert compared == recorded


def test_a_recording_in_frames_is_compared_and_one_that_is_cut_off_in_its_first_told(
    files: dict[str, Path], tmp_path: Path
) -> None:
    packed = tmp_path / "m.ndjson.zst"
    run("workload", "--events", 500, "--subscribers", 10, "--out", packed)  # type: ignore[arg-type]
    default = str(Path(sys.modules["streamproc.contracts"].__path__[0]) / "rules" / "default.yaml")
    assert "subscribers are told otherwise" in run("simulate", "--rules", default, "--from", packed)
    packed.write_bytes(packed.read_bytes()[:40])
    said = run("simulate", "--rules", default, "--from", packed, code=1)
    assert "cut off within a frame" in said


def test_bad_lines_and_rejects_of_a_file_of_events_are_named(files: dict[str, Path]) -> None:
    path = plain_events(files)
    unknown = json.loads(path.read_text().splitlines()[-1])
    unknown |= {"id": "x", "type": "account.topped_up", "pack": "none"}
    del unknown["total_bytes"]
    more = [json.dumps(unknown), '{"type": "usage.recorded"}']
    path.write_text("\n".join([*path.read_text().splitlines(), *more]) + "\n")

    result = simulated(files, path)

    assert result.exit_code == 1
    assert result.stderr == f"{path}:20: subscriber: is missing\n"
    assert "1 record rejected by both rules: unknown_pack (first: line 19)" in result.stdout
    assert "2 of 2 subscribers are told otherwise" in result.stdout


@pytest.mark.parametrize("form", ["recording", "events"])
def test_where_nothing_can_be_compared_it_says_why_and_fails(
    files: dict[str, Path], form: str
) -> None:
    source = files["month.ndjson"] if form == "recording" else plain_events(files)
    files["new.yaml"].write_text(RULES.replace("id: basic", "id: other"))
    result = simulated(files, source)
    assert result.exit_code == 1
    assert "nothing could be compared: 2 records rejected by the changed rules: unknown_plan" in (
        result.stderr
    )
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("", "is empty: there is no event in it"),
        ("subscriber,bytes\n1,2\n", "looks like CSV"),
        ('[{"type": "usage.recorded"}]', "is a JSON array"),
        ('{"bytes": 1}\n', "holds JSON objects without a type"),
        ('{"type": "usage.recorded"}\n', "nothing could be compared: no event is in it"),
        ('{"key": "8613", "value": "x"}\n', "1 record rejected by both rules: malformed_json"),
    ],
)
def test_a_file_of_an_unknown_form_is_told(
    files: dict[str, Path], content: str, wanted: str
) -> None:
    path = files["month.ndjson"].with_name("x")
    path.write_text(content)
    result = simulated(files, path)
    assert result.exit_code == 1
    assert wanted in result.stderr
    assert "Traceback" not in result.output


QUIET = "alerts: {quiet_hours: {start: '04:00', end: '20:00'}}\nplans:"


def test_what_is_held_back_at_the_end_is_told_with_what_counts_it(files: dict[str, Path]) -> None:
    for name in ("present.yaml", "new.yaml"):
        files[name].write_text(files[name].read_text().replace("plans:", QUIET, 1))
    for source in (plain_events(files), files["month.ndjson"]):
        cut_off = json.loads(simulated(files, source, "--json").stdout)
        assert cut_off["messages"] == {"present": 0, "changed": 0}
        assert cut_off["notes"][-1] == (
            "2 (present rules) and 1 (changed rules) messages are still held when the records "
            "end, and not counted; --advance-clock 10h counts the ones sent by then"
        )
        whole = json.loads(simulated(files, source, "--advance-clock", "10h", "--json").stdout)
        assert whole["messages"] == {"present": 2, "changed": 1}
        assert not any("still held" in note for note in whole["notes"])


def test_cloudevents_are_compared_as_the_events_in_them_are(files: dict[str, Path]) -> None:
    plain = plain_events(files)
    wrapped = plain.with_name("envelopes.ndjson")
    wrapped.write_text("\n".join(map(enveloped, plain.read_text().splitlines())) + "\n")
    expected, found = (
        json.loads(simulated(files, source, "--json").stdout) for source in (plain, wrapped)
    )
    assert expected.pop("notes")
    assert found.pop("notes")
    assert found == expected
