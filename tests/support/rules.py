"""Rules files for tests: a correct one in each format, and the problems of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from streamproc.contracts.rules_file.load import RulesError, load_rulebook
from streamproc.contracts.rules_file.read import yaml_reader
from streamproc.contracts.rules_file.read.field_lines import Lines, Path, SyntaxProblem
from streamproc.core.rules.kinds import BUILT_IN

KINDS = ", ".join(one.name for one in BUILT_IN)
"""The kinds of rules as problems list them."""

YAML = """\
version: 1
currency: EUR
default_locale: en
limits: {hold_unknown_seconds: 60}
plans:
  - id: basic
    allowances:
      - {id: data, granted_bytes: 1_000_000}
packs:
  - {id: extra, granted_bytes: 500_000, validity_hours: 24}
rules:
  - id: low
    kind: usage_percent
    thresholds: [80, 100]
    category: balance
    texts: {en: "{percent}% used"}
"""

TOML = """\
version = 1
currency = "EUR"
default_locale = "en"

[limits]
hold_unknown_seconds = 60

[[plans]]
id = "basic"
allowances = [{id = "data", granted_bytes = 1_000_000}]

[[packs]]
id = "extra"
granted_bytes = 500_000
validity_hours = 24

[[rules]]
id = "low"
kind = "usage_percent"
thresholds = [80, 100]
category = "balance"
texts.en = "{percent}% used"
"""


def edited(text: str, *changes: tuple[str, str]) -> str:
    """The text with each change's first occurrence replaced; each must occur."""
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def problems(source: str | bytes, filename: str = "r.yaml") -> list[str]:
    """The lines of the error that loading raises, without the file name."""
    with pytest.raises(RulesError) as caught:
        load_rulebook(source, filename)
    found = str(caught.value).splitlines()
    assert all(line.startswith(f"{filename}:") for line in found), found
    return [line.removeprefix(f"{filename}:") for line in found]


def numbered(text: str) -> str:
    """Every ``@`` replaced by the number of its line."""
    return "\n".join(
        line.replace("@", str(number)) for number, line in enumerate(text.split("\n"), 1)
    )


def misplaced(data: Any, lines: Lines, path: Path = ()) -> list[tuple[Path, int, int]]:
    """Places where the number in the data is not the reported line."""
    if isinstance(data, dict):
        return [one for key in data for one in misplaced(data[key], lines, (*path, key))]
    if isinstance(data, list):
        return [
            one for index, item in enumerate(data) for one in misplaced(item, lines, (*path, index))
        ]
    if isinstance(data, int) and lines.of(path) != data:
        return [(path, lines.of(path), data)]
    return []


def by_both(monkeypatch: pytest.MonkeyPatch, text: str) -> list[object]:
    """Data, lines and problems, or what is wrong; with libyaml and without."""
    found: list[object] = []
    for has_libyaml in (yaml.__with_libyaml__, False):
        monkeypatch.setattr(yaml, "__with_libyaml__", has_libyaml)
        try:
            data, lines = yaml_reader.parse(text, "r.yaml")
        except SyntaxProblem as problem:
            found.append(str(problem))
        else:
            found.append((repr(data), vars(lines)))
    return found
