"""Rules in YAML: what is read how, and on which line a problem stands."""

from __future__ import annotations

import pytest

from streamproc.contracts.rules_file.load import load_rulebook
from streamproc.contracts.rules_file.read import yaml_reader
from tests.support.rules import YAML, by_both, edited, misplaced, numbered, problems


def read(text: str) -> object:
    data, lines = yaml_reader.parse(text, "r.yaml")
    assert lines.problems == []
    return data


@pytest.mark.parametrize(
    "text",
    [
        *("", "#", "---\n", "---\n# a", "--- a\n--- b\n", "a: b: c", "a:\n\t- b", "{a:b}", "{a: b"),
        *("[a, b", "'a", "!", "é\t~ <", "|#\n  ", "- >-#a", "{-é?}", "[a?.b]", "a\x85- \n"),
        *("a: *b", "a: &b 1\nc: *b", "a: &a [*a]", "<<: &m {x: 1}\ny: 2", "? a\n: b", "? [a]\n: b"),
        *("\ufeffa: 1", "a: !!int x", "a: !own x", "%YAML 1.1\n---\na: 1", "a: |\n  b\n c", "@a"),
        *(
            "a: >-\n  b\n\n  c\n",
            'a: "\\x41\\u00e9"',
            "ключ: знач\n键: [値, é]",
            "a: 1 # b\nc: '#'",
        ),
        *('a: "\\q"', "a\u2028b: 1", "a: b\r\nc: d\r", "- - a\n - b", "a: [1, 2,]\nb: {c,}", "&a"),
    ],
)
def test_libyaml_makes_no_difference_to_a_corner_of_yaml(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    fast, slow = by_both(monkeypatch, text)
    assert fast == slow


def test_a_right_file_is_a_rulebook() -> None:
    rules = load_rulebook(YAML, "r.yaml")
    assert list(rules.plans) == ["basic"]
    assert rules.plans["basic"].allowances[0].granted_bytes == 1_000_000
    assert rules.packs["extra"].validity_ms == 86_400_000
    assert rules.usage_rules[0].thresholds == (80, 100)
    assert rules.limits.hold_unknown_ms == 60_000


def test_every_number_knows_its_line() -> None:
    text = numbered("""\
# a comment
a: @
b:
  - @
  - {c: @, d: [@,
     @]}

  - e:
      f: @   # and another
    g: |
      text of
      two lines
    h: @
? i
: @
"quoted key": @
anchored: &anchor
  j: @
""")
    data, lines = yaml_reader.parse(text, "r.yaml")
    # Where key and value stand on two lines, the key's line is told.
    assert misplaced(data, lines) == [(("i",), 14, 15)]


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("09:00", "09:00"),
        ("10:00", "10:00"),
        ("1:30:00", "1:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("1_000_000", 1_000_000),
        ("-5", -5),
        ("0", 0),
        ("1e9", 1e9),
        ("1.5", 1.5),
        ("0x10", "0x10"),
        ("0o17", "0o17"),
        ("~", None),
        ("", None),
        ("'5'", "5"),
        ('"true"', "true"),
        ("!!str 5", "5"),
    ],
)
def test_a_value_is_read_as_it_looks(written: str, read_as: object) -> None:
    found = read(f"a: {written}\n")
    assert found == {"a": read_as}
    assert type(found["a"]) is type(read_as)


@pytest.mark.parametrize("name", ["on", "off", "yes", "no", "true", "null", "1", "1.5", "10:00"])
def test_a_field_name_is_its_text(name: str) -> None:
    assert read(f"{name}: x\n") == {name: "x"}


def test_norwegian_texts_need_no_quotes() -> None:
    rules = load_rulebook(edited(YAML, ('{en: "{percent}% used"}', "{no: brukt}")), "r.yaml")
    assert rules.usage_rules[0].texts == {"no": "brukt"}


def test_a_time_of_day_needs_no_quotes() -> None:
    text = YAML + (
        "  - {id: weekly, kind: usage_summary, at: 10:30, category: s, texts: {en: '{used}'}}\n"
    )
    at = load_rulebook(text, "r.yaml").timed_rules[0].at
    assert (at.hour, at.minute) == (10, 30)


def test_anchors_aliases_and_merges_are_followed() -> None:
    text = edited(
        YAML,
        ("    texts: {en:", "    texts: &texts {en:"),
        (
            "rules:\n",
            "rules:\n"
            "  - &base\n    id: last\n    kind: remaining_bytes\n    thresholds: [5]\n"
            "    category: b\n    texts: {en: '{remaining}'}\n"
            "  - {<<: *base, id: very-last, thresholds: [1]}\n",
        ),
    )
    rules = load_rulebook(text, "r.yaml").usage_rules
    assert [(rule.id, rule.thresholds) for rule in rules] == [
        ("last", (5,)),
        ("very-last", (1,)),
        ("low", (80, 100)),
    ]


def test_a_problem_behind_an_alias_stands_where_it_is_to_be_mended() -> None:
    text = edited(
        YAML,
        ("limits: {hold_unknown_seconds: 60}\n", "limits: {}\n"),
        ("  - id: basic\n", "  - &plan\n    id: basic\n"),
        ("packs:\n", "  - *plan\nplanz: 3\npacks:\n"),
        ("granted_bytes: 1_000_000", "granted_bytes: -1"),
    )
    assert problems(text) == [
        "9: plans[0].allowances[0].granted_bytes: must be at least 1, not -1",
        "9: plans[1].allowances[0].granted_bytes: must be at least 1, not -1",
        "10: plans[1].id: 'basic' is used twice, first in line 7",
        "11: planz: unknown field; did you mean plans?",
    ]


def test_an_alias_tells_its_own_line() -> None:
    data, lines = yaml_reader.parse("a: &x\n  b: 2\nlist:\n  - 1\n  - *x\n", "r.yaml")
    assert lines.of(("list", 1)) == 5
    assert lines.of(("list", 1, "b")) == 2
    assert data == {"a": {"b": 2}, "list": [1, {"b": 2}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1: the file is empty"]),
        ("# only a comment\n\n", ["1: the file is empty"]),
        ("---\n...\n", ["1: the file is empty"]),
        ("- a\n- b\n", ["1: must be a mapping with the fields version, plans, ..."]),
        ("plans\n", ["1: must be a mapping with the fields version, plans, ..."]),
        (
            "a: 1\n\tb: 2\n",
            ["2: not YAML: found character '\\t' that cannot start any token"],
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            ["3: not YAML: expected <block end>, but found '<block mapping start>'"],
        ),
        ("a: 1\n---\na: 2\n", ["2: not YAML: but found another document"]),
        ("a: 'open\n\nb: 2\n", ["4: not YAML: found unexpected end of stream"]),
        ("a: *nowhere\n", ["1: not YAML: found undefined alias 'nowhere'"]),
        ("a: 1\nb: \x00\n", ["2: not YAML: the character U+0000 is not allowed"]),
        ("a: &a\n  b:\n    - *a\n", ["3: an alias within its own anchor"]),
        ("a: %x\n", ["1: not YAML: found character '%' that cannot start any token"]),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_rules_yaml_at_all(text: str, expected: list[str]) -> None:
    assert problems(text) == expected


def test_two_documents_in_one_file_are_refused_at_the_second() -> None:
    assert problems(YAML + "---\n" + YAML) == ["17: not YAML: but found another document"]


def test_bytes_that_are_not_utf_8_are_refused_where_they_stand() -> None:
    latin = edited(YAML, ("{percent}% used", "müde")).encode("latin-1")
    assert problems(latin) == ["16: not UTF-8: byte 0xfc; save the file as UTF-8"]
    assert problems(YAML.encode("utf-16")) == ["1: not UTF-8: byte 0xff; save the file as UTF-8"]


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    plain = load_rulebook(YAML, "r.yaml")
    windows = YAML.replace("\n", "\r\n").encode("utf-8-sig")
    assert load_rulebook(windows, "r.yaml").fingerprint == plain.fingerprint
    wrong = edited(YAML, ("[80, 100]", "[80, 101]")).replace("\n", "\r\n")
    assert problems(wrong) == ["14: rules[0].thresholds[1]: must be at most 100, not 101"]


def test_aliases_of_aliases_cannot_fill_the_memory() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (problem,) = problems("\n".join(levels))
    assert problem.endswith(": more than 100000 fields")


def test_depth_has_an_end() -> None:
    assert problems("a: " + "[" * 600 + "]" * 600) == ["1: nested too deeply"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            [("currency: EUR", "currency: EUR\ncurrency: USD")],
            ["3: currency: given twice"],
        ),
        (
            [("    kind: usage_percent\n", "    kind: usage_percent\n    id: low\n")],
            ["14: rules[0].id: given twice"],
        ),
        (
            [("granted_bytes: 1_000_000", "granted_bytes: 0100")],
            [
                "8: plans[0].allowances[0].granted_bytes: 0100 means different numbers to "
                "different readers; no leading zeros"
            ],
        ),
        (
            [("granted_bytes: 1_000_000", "granted_bytes: 1e9")],
            [
                "8: plans[0].allowances[0].granted_bytes: must be a whole number, not "
                "1000000000.0; whole numbers are written like 1_000_000"
            ],
        ),
        (
            [("granted_bytes: 1_000_000", "granted_bytes: 1__0")],
            ["8: plans[0].allowances[0].granted_bytes: not a number"],
        ),
        (
            [("granted_bytes: 1_000_000", f"granted_bytes: {'1' * 5000}")],
            ["8: plans[0].allowances[0].granted_bytes: not a number"],
        ),
        (
            [("id: basic", "id: 500")],
            [
                "6: plans[0].id: must be an id of 1 to 64 characters without spaces or #, not 500; "
                "put it in quotes"
            ],
        ),
        (
            [("category: balance", "category: balance\n    mandatory: yes")],
            ["16: rules[0].mandatory: must be true or false, not 'yes'"],
        ),
        (
            [("id: basic", "id: !!python/object:os.system basic")],
            [
                "6: plans[0].id: the tag tag:yaml.org,2002:python/object:os.system is not allowed",
            ],
        ),
        (
            [("limits: {", "? [a, b]\n: 3\nlimits: {")],
            ["4: a field name must be a single word"],
        ),
        (
            [("limits: {", "<<: 3\nlimits: {")],
            ["4: <<: merges mappings only"],
        ),
        ([("limits: {hold_unknown_seconds: 60}", "limits:")], []),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_pitfalls_are_named_with_their_line(
    changes: list[tuple[str, str]], expected: list[str]
) -> None:
    assert problems(edited(YAML, *changes)) == (
        expected or ["4: limits: must be a mapping of fields, not empty"]
    )
