"""docs/notices.md and docs/two-way-sms.md say what is so: their examples load and do it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from click.testing import CliRunner

from streamproc.cli import main
from streamproc.contracts.rules_file.conversation import default_commands
from streamproc.contracts.rules_file.format import conversation
from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.core.commands.parsing import grammar_of
from streamproc.core.rules.commands import ACTIONS
from streamproc.core.rules.kinds.entry import RuleEntry
from streamproc.core.rules.notices import PLACEHOLDERS, NoticeKind
from streamproc.core.rules.rulebook import Rulebook
from streamproc.kafka.recording import RecordingReader
from tests.contract.contract import EXAMPLES
from tests.house.test_rules_docs import fields
from tests.support.line import day, rulebook
from tests.support.talking import Talking, ended, outcomes, refunds, texts

DOCS = Path(__file__).parents[2] / "docs"
NOTICES = (DOCS / "notices.md").read_text(encoding="utf-8")
SMS = (DOCS / "two-way-sms.md").read_text(encoding="utf-8")
HEAD = """\
version: 1
currency: CNY
default_locale: en
plans:
  - id: small
    price_minor: 1000
    overage_price_minor: 10
    allowances:
      - {id: data, granted_bytes: 1_000_000_000}
  - {id: large, price_minor: 5000, allowances: [{id: much, granted_bytes: 9_000_000_000}]}
rules:
  - {id: low, kind: usage_percent, thresholds: [80], category: balance, texts: {en: "80"}}
"""


def block(text: str, language: str) -> str:
    return text.split(f"```{language}\n", 1)[1].split("```", 1)[0]


def documented(commands: str = "commands: {}\n") -> Rulebook:
    return load_rulebook(HEAD + block(NOTICES, "yaml") + commands, "r.yaml")


def rows(text: str, start: str) -> list[list[str]]:
    """The cells of the first table after a text."""
    table = text.split(start, 1)[1].split("|---|", 1)[1].split("\n\n", 1)[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[1:]]


IN_WORDS: dict[str, Any] = {
    "its id": {},
    "their first keyword, else their id": {},
    "packaged": {},
    "none": {},
    "true": True,
}


def defaults(text: str, start: str) -> dict[str, Any]:
    def value(cell: str) -> Any:
        if cell in IN_WORDS:
            return IN_WORDS[cell]
        return int(cell) if cell.replace("_", "").isdigit() else cell

    return {row[0].strip("`"): value(row[1]) for row in rows(text, start)}


def declared(kind: Any) -> dict[str, Any]:
    import msgspec

    return {
        field.encode_name: "required"
        if field.required
        else {}
        if field.default is msgspec.NODEFAULT
        else field.default
        for field in msgspec.structs.fields(kind)
    }


def test_the_example_has_every_kind_of_notice() -> None:
    rules = documented()
    assert set(rules.notices) | {"command_reply"} == set(get_args(NoticeKind))
    assert rules.services["video-vip"].wrong_charge_refund_percent == 200


def test_the_example_does_what_the_page_says() -> None:
    line = Talking(documented())
    assert texts(line.begin(services=["video-vip"])) == [
        "Welcome! Your plan small includes 1 GB of data. Services: Video VIP."
    ]
    line.subscribe("video-vip", 0.5, next_charge_time=day(6))
    request = line.request_charge("video-vip", 1500, 1)
    assert outcomes(line.text("Y", 1.1)) == [("charge", "video-vip", "confirmed")]
    assert refunds(line.charge("video-vip", 1500, 1.2, request_id=request)) == []
    assert refunds(line.charge("video-vip", 1500, 1.3)) == [("video-vip", 3000)]
    assert texts(line.reach(day(4))) == [
        "¥15.00 for Video VIP is due on Jan 7. If you no longer want it, end it before then."
    ]
    (arrived,) = texts(line.locate("eu", 4.5))
    assert arrived.startswith(
        "Welcome to Europe. Without a roaming pack or extra data, data costs ¥3.00 per "
    )
    line.use(2_000_000_000, 5)
    line.use(2_000_000_000, 35)
    assert any("With large you would have saved" in text for text in texts(line.reach(day(70))))


def test_every_kind_and_its_placeholders_are_told() -> None:
    told = {
        row[0].strip("`"): set(re.findall(r"\{(\w+)\}", row[1]))
        | {"plan", "as_of", "brand", "care"}
        for row in rows(NOTICES, "| Kind | Placeholders")[0:]
    }
    assert told == {kind: set(known) for kind, known in PLACEHOLDERS.items()}


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("### Services", conversation.ServiceEntry),
        ("### Roaming zones", conversation.ZoneEntry),
    ],
)
def test_a_table_is_its_type(heading: str, kind: Any) -> None:
    assert defaults(NOTICES, heading) == declared(kind)


def test_the_table_of_timed_notices_is_their_types() -> None:
    common = declared(conversation.NoticeEntry)
    timed = declared(conversation.BeforeChargeEntry) | declared(conversation.PlanAdviceEntry)
    assert common | defaults(NOTICES, "have a time of day") == timed
    # What rules have of a message; the rest of theirs is about when a threshold's goes out.
    notice, rule = fields(conversation.NoticeEntry), fields(RuleEntry)
    of_message = ("id", "texts", "category", "mandatory", "priority", "ttl_seconds")
    assert {name: notice[name] for name in of_message} == {name: rule[name] for name in of_message}


def test_the_table_of_commands_is_its_type() -> None:
    assert defaults(SMS, "| Field | Default") == declared(conversation.CommandsEntry)


def test_every_action_is_told_with_its_keywords_and_an_example_that_means_it() -> None:
    rules = documented()
    assert rules.commands is not None
    parse = grammar_of(rules, rules.commands).parse
    found = rows(SMS, "| Action | Keywords")
    assert [row[0].strip("`") for row in found] == list(ACTIONS)
    for name, keywords, _, example in found:
        action = name.strip("`")
        spaced = " ".join(default_commands().keywords[action])
        assert keywords == spaced
        command = parse(example.strip("`").replace("STOP summary", "STOP balance"))
        assert command is not None
        assert command.action == action


def test_the_json_example_is_one_of_the_contract() -> None:
    shown = json.loads(block(SMS, "json"))
    files = (EXAMPLES / "sms.received.v1" / "valid").glob("*.json")
    assert shown | {"text": "退订 1、2"} in [json.loads(path.read_bytes()) for path in files]


def test_the_yaml_example_of_commands_does_what_it_says() -> None:
    line = Talking(documented(block(SMS, "yaml")))
    line.begin(services=["video-vip"])
    assert texts(line.text("shengyu", 1)) == ["1 GB left (2026-01-02 00:00)."]
    assert texts(line.text("DATA", 1)) != texts(line.text("流量", 1))
    line.text("stop 用量", 1)
    assert line.account.opted_out == ["balance"]
    assert len(texts(line.text("0000", 1))) == 1
    effects = line.text("TD 1", 1)
    assert ended(effects) == ["video-vip"]
    assert texts(effects) == []  # the sixth text of the hour


def test_commands_are_off_by_default() -> None:
    assert rulebook().commands is None
    assert "`commands_off`" in SMS


def test_the_workload_command_makes_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = HEAD + block(NOTICES, "yaml") + "commands: {}\n"
    Path("rules.yaml").write_text(text, encoding="utf-8")
    (command,) = re.findall(r"^    streamproc (workload .*)$", SMS, re.MULTILINE)
    result = CliRunner().invoke(main, command.split())
    assert result.exit_code == 0, result.output
    values = [one.value for one in RecordingReader(tmp_path / "talk.ndjson").records()]
    assert sum(b'"sms.received"' in (value or b"") for value in values) > 100


def test_stories_need_something_to_talk_of(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(HEAD, encoding="utf-8")
    options = ["--rules", str(rules), "--stories", "5", "--out", str(tmp_path / "x.ndjson")]
    result = CliRunner().invoke(main, ["workload", "--events", "10", *options])
    assert result.exit_code == 1
    assert "--stories needs commands, services or zones" in result.output
