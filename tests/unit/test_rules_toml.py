"""Rules in TOML: the same rulebook as in YAML, and exact lines, which tomllib does not keep."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.contracts.rules_file.read import toml_reader
from tests.support.rules import KINDS, TOML, YAML, edited, misplaced, numbered, problems


def test_both_formats_make_the_same_rulebook() -> None:
    toml, yaml = load_rulebook(TOML, "r.toml"), load_rulebook(YAML, "r.yaml")
    assert toml.fingerprint == yaml.fingerprint
    assert (toml.plans, toml.packs, toml.usage_rules, toml.limits, toml.currency) == (
        *(yaml.plans, yaml.packs, yaml.usage_rules, yaml.limits, yaml.currency),
    )


def test_every_number_knows_its_line() -> None:
    text = numbered('''\
# [not.a.table] = 1
a = @
b.c = @   # "dotted"
b . "d.e" . f = @
'g=h' = @
"\\u0069" = @
inline = { x = @, y.z = @, "q}" = { r = @ } }
list = [ @, @,   # ], [1]
  @,
  [ @, { in_list = @ } ],
]
text = "a # \\" = [x"
multi = """
[table]
no = 1 \\""" "" """
literal = \'\'\'
[[table]]
no = 1 \\\'\'\'
quotes = """"two" quotes at the end"""""
after = @
when = 1979-05-27 07:32:00
then = 07:32:00
float = 6.02e23

[table]
a = @
[table.sub.deeper]
a = @
[ "quoted table" . 'x.y' ]
a = @

[[array]]
a = @
  [array.of]
  a = @
  [[array.inner]]
  a = @
  [[array.inner]]
  a = @
    [array.inner.deep]
    a = @

[[array]]
[[array.inner]]
a = @
last = @''')
    data, lines = toml_reader.parse(text, "r.toml")
    assert misplaced(data, lines) == []
    assert data["quotes"] == '"two" quotes at the end""'
    assert data["array"][0]["inner"][1]["deep"]["a"] > 30, "the walk must have been over all of it"
    written = text.split("\n")
    assert written[lines.of(("array", 1)) - 1] == "[[array]]"
    assert lines.of(("array", 1)) > lines.of(("array", 0)) == lines.of(("array",))
    assert written[lines.of(("array", 1, "inner", 0)) - 1] == "[[array.inner]]"
    assert written[lines.of(("table", "sub", "deeper")) - 1] == "[table.sub.deeper]"
    assert written[lines.of(("multi",)) - 1] == 'multi = """'
    assert lines.of(("array", 1, "inner", 0, "nowhere", 3)) == lines.of(("array", 1, "inner", 0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1: the file is empty"]),
        ("# only a comment\n", ["1: the file is empty"]),
        ("a = 1\nb 2\n", ["2: not TOML: Expected '=' after a key in a key/value pair"]),
        ("a = 1\n\na = 2\n", ["3: not TOML: Cannot overwrite a value"]),
        ("[a]\n[b]\n[a]\n", ["3: not TOML: Cannot declare ('a',) twice"]),
        ("a = 1\nb = [1,\n2\n\n", ["3: not TOML: Unclosed array"]),
        ('a = 1\nb = "x\n', ["2: not TOML: Illegal character '\\n'"]),
        ("a = 1\nb = 010\n", ["2: not TOML: Expected newline or end of document after a stat"]),
        ("a = 1\nb = yes\n", ["2: not TOML: Invalid value"]),
        ("a = 1\nb = \x00\n", ["2: not TOML: Invalid value"]),
        (f"a = {'1' * 5000}\n", ["1: not TOML: Exceeds the limit"]),
        ("a = " + "[" * 5000 + "]" * 5000, ["1: nested too deeply"]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_toml_at_all(text: str, expected: list[str]) -> None:
    found = problems(text, "r.toml")
    assert [line[: len(start)] for line, start in zip(found, expected, strict=True)] == expected


def test_bytes_that_are_not_utf_8_are_refused_where_they_stand() -> None:
    latin = edited(TOML, ("{percent}% used", "müde")).encode("latin-1")
    assert problems(latin, "r.toml") == ["22: not UTF-8: byte 0xfc; save the file as UTF-8"]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    windows = TOML.replace("\n", "\r\n").encode("utf-8-sig")
    assert load_rulebook(windows, "r.toml").fingerprint == load_rulebook(TOML, "x.toml").fingerprint
    wrong = edited(TOML, ("[80, 100]", "[80, 101]")).replace("\n", "\r\n")
    assert problems(wrong, "r.toml") == ["20: rules[0].thresholds[1]: must be at most 100, not 101"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            [("granted_bytes = 1_000_000", "granted_bytes = 1e9")],
            [
                "10: plans[0].allowances[0].granted_bytes: must be a whole number, not "
                "1000000000.0; whole numbers are written like 1_000_000"
            ],
        ),
        (
            [
                ('id = "basic"\nallowances = [{id = "data", granted_bytes = 1_000_000}]', ""),
                ("[[packs]]", '[[plans.allowances]]\nid = "x"\n\n[[packs]]'),
            ],
            [
                "8: plans[0].id: is missing",
                "11: plans[0].allowances[0].granted_bytes: is missing",
            ],
        ),
        (
            [("texts.en", 'texts.no = ""\ntexts.en')],
            ["22: rules[0].texts.no: must not be empty"],
        ),
        (
            [
                ("[[rules]]", "[[rules]]\nat = 09:00:00"),
                ('kind = "usage_percent"\nthresholds = [80, 100]', 'kind = "usage_summary"'),
            ],
            ['18: rules[0].at: must be a time of day such as "09:00", not 09:00:00'],
        ),
        (
            [("[[rules]]", '[[rules]]\nid = "low"\n[[rules]]')],
            [
                f"17: rules[0].kind: is missing; one of {KINDS}",
                "20: rules[1].id: 'low' is used twice, first in line 18",
            ],
        ),
        (
            [("[[packs]]", "[packs]")],
            ["12: packs: must be a list, not a mapping of fields"],
        ),
        (
            [("hold_unknown_seconds", "hold.unknown_seconds")],
            [
                "6: limits.hold: unknown field; known: max_event_bytes, max_ahead_seconds, "
                "max_age_days, sources, dedupe_horizon_days, dedupe_max_ids, "
                "hold_unknown_seconds, hold_max_events, history_cycles, subscribers"
            ],
        ),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_problem_stands_on_its_line(changes: list[tuple[str, str]], expected: list[str]) -> None:
    assert problems(edited(TOML, *changes), "r.toml") == expected
