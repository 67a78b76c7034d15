"""Writes what pages and schemas say about all kinds of rules, from the kinds themselves.

``make tables`` runs it. ``tests/house/test_kind_tables.py`` says when a page is stale.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
from msgspec import NODEFAULT

from streamproc.core.rules.kinds import BUILT_IN, RuleKind
from streamproc.core.rules.kinds.entry import BucketEntry, ReachingEntry, RuleEntry, TimedEntry
from streamproc.core.rules.notices import URGENT, NoticeKind

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "rules.md"
DISPATCHER = ROOT / "docs" / "dispatcher.md"
README = ROOT / "schemas" / "README.md"
SCHEMA = ROOT / "schemas" / "reminder.requested.v1.json"

SHARED: Final = {"at": "`HH:MM`"}
"""Meaning of fields that is the same for every kind."""
_OF_FAMILIES: Final = frozenset(
    field.encode_name
    for entry in (RuleEntry, ReachingEntry, BucketEntry, TimedEntry)
    for field in msgspec.structs.fields(entry)
    # Rules about ends have these two as well, but with another meaning.
    if field.encode_name not in ("buckets", "bucket_kinds")
) | {"thresholds"}
"""Fields that the page describes by hand, for all kinds of a family."""
_NOTHING: Final = {"buckets": "all", "bucket_kinds": "all"}


def kinds_table() -> str:
    """All kinds, with the time of their reminders and their thresholds."""
    rows = ["| Kind | Sent when | Thresholds |", "|---|---|---|"]
    rows += [f"| `{kind.name}` | {kind.says} | {kind.thresholds_are or '-'} |" for kind in BUILT_IN]
    return "\n".join(rows)


def fields_table() -> str:
    """Fields that few kinds have, with their meaning for each kind."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for kind in BUILT_IN:
        for name, default, meaning in _fields_of(kind):
            found.setdefault((name, default), {}).setdefault(meaning, []).append(f"`{kind.name}`")
    rows = ["| Field | Default | Meaning |", "|---|---|---|"]
    for (name, default), meanings in found.items():
        words = "; ".join(f"{', '.join(kinds)}: {text}" for text, kinds in meanings.items())
        rows.append(f"| `{name}` | {default} | {words} |")
    return "\n".join(rows)


def _fields_of(kind: RuleKind) -> Iterator[tuple[str, str, str]]:
    is_about_buckets = issubclass(kind.entry, BucketEntry)
    for field in msgspec.structs.fields(kind.entry):
        name = field.encode_name
        if name in _OF_FAMILIES or (is_about_buckets and name in _NOTHING):
            continue
        yield name, _default(name, field.default), {**SHARED, **kind.field_docs}[name]


def _default(name: str, default: Any) -> str:
    if default is NODEFAULT:
        return "required"
    if default is None:
        return _NOTHING.get(name, "not set")
    return str(default).lower() if isinstance(default, bool) else str(default)


def placeholders_list() -> str:
    """Placeholders of some kinds."""
    some: dict[str, list[str]] = {}
    for kind in BUILT_IN:
        for name in kind.placeholders:
            some.setdefault(name, []).append(f"`{kind.name}`")
    rows = ["| Placeholder | Kinds that have it |", "|---|---|"]
    rows += [f"| `{{{name}}}` | {', '.join(kinds)} |" for name, kinds in sorted(some.items())]
    return "\n".join(rows)


def reminders_table() -> str:
    """The kinds of reminders of rules; the page lists those of notices below."""
    rows = ["| Kind of rule | Sent when |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{kind.name}` | {kind.says} |" for kind in BUILT_IN)])


def lanes_table() -> str:
    """The lane of each kind, where a gateways file has no lanes."""
    lanes: dict[bool, list[str]] = {True: [], False: []}
    for kind in BUILT_IN:
        lanes[kind.is_urgent].append(f"`{kind.name}`")
    for notice in get_args(NoticeKind):
        lanes[notice in URGENT].append(f"`{notice}`")
    rows = ["| Lane | Kinds |", "|---|---|"]
    rows += [f"| `{name}` | {', '.join(lanes[name == 'urgent'])} |" for name in ("urgent", "bulk")]
    return "\n".join(rows)


def with_part(page: str, name: str, part: str) -> str:
    """A page with what stands between two marks in it replaced."""
    begin, end = f"<!-- {name}: written by `make tables` -->\n", f"\n<!-- end of {name} -->"
    before, rest = page.split(begin, 1)
    _, after = rest.split(end, 1)
    return f"{before}{begin}{part}{end}{after}"


def with_terms(schema: str, field: str, terms: list[str]) -> str:
    """A schema with the known terms of a field replaced."""
    lines, line = [], ""
    for term in terms:
        more = f'"{term}"' if not line else f'{line}, "{term}"'
        if len(more) > 86:
            lines.append(f"{line},")
            more = f'"{term}"'
        line = more
    indent = re.search(rf'^( *)"{field}": \{{', schema, re.M)
    assert indent is not None, field
    inner = f"{indent[1]}    "
    body = "\n".join(f"{inner}{one}" for one in (*lines, line))
    pattern = rf'(^{indent[1]}"{field}": \{{.*?"x-extensible-enum": \[\n).*?(\n *\])'
    return re.sub(pattern, lambda one: one[1] + body + one[2], schema, count=1, flags=re.M | re.S)


def pages() -> dict[Path, str]:
    """Every file that says something about all kinds, with its up-to-date content."""
    rules = RULES.read_text(encoding="utf-8")
    parts = {
        "kinds": kinds_table(),
        "fields of kinds": fields_table(),
        "placeholders of kinds": placeholders_list(),
    }
    for name, part in parts.items():
        rules = with_part(rules, name, f"\n{part}\n")
    readme = README.read_text(encoding="utf-8")
    units = dict.fromkeys(kind.unit for kind in BUILT_IN if kind.unit)
    kinds = [*(kind.name for kind in BUILT_IN), *get_args(NoticeKind)]
    schema = with_terms(SCHEMA.read_text(encoding="utf-8"), "kind", kinds)
    dispatcher = DISPATCHER.read_text(encoding="utf-8")
    return {
        RULES: rules,
        DISPATCHER: with_part(dispatcher, "lanes of kinds", f"\n{lanes_table()}\n"),
        README: with_part(readme, "reminder kinds", f"\n{reminders_table()}\n"),
        SCHEMA: with_terms(schema, "unit", list(units)),
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
