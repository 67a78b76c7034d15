"""The packaged rules: read alike by both parsers of YAML, without warnings or gaps, compiled."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import streamproc.contracts
from streamproc.contracts.rules_file.load import default_rulebook, packaged_rulebook
from streamproc.contracts.rules_file.packs import pack_names, pack_path
from streamproc.contracts.rules_file.texts import packaged_content, read
from streamproc.contracts.rules_file.warnings import warnings_of
from streamproc.core.texts.missing_texts import missing_texts, times_without_dates
from streamproc.worker.native_bridge.unsupported import unsupported
from tests.support.rules import by_both

CONTRACTS = Path(streamproc.contracts.__file__).parent


@pytest.mark.parametrize("path", sorted(CONTRACTS.rglob("*.yaml")), ids=lambda one: str(one.name))
def test_libyaml_makes_no_difference_to_a_packaged_file(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    """Whole, and cut off in the midst."""
    text = path.read_text(encoding="utf-8")
    for part in (text, text[: len(text) // 3]):
        fast, slow = by_both(monkeypatch, part)
        assert fast == slow


@pytest.mark.parametrize("name", ["default", "quota", "showcase", *pack_names()])
def test_packaged_rules_give_no_warning(name: str) -> None:
    is_pack = name in pack_names()
    content = read(pack_path(name)) if is_pack else packaged_content(f"{name}.yaml")
    assert warnings_of(content.rules, name, content.texts, date(2026, 1, 15)) == []


@pytest.mark.parametrize("pack", [None, *pack_names()])
def test_the_packaged_files_lack_nothing(pack: str | None) -> None:
    rules = packaged_rulebook(f"packs/{pack}.yaml") if pack else default_rulebook()
    assert missing_texts(rules) == []
    assert times_without_dates(rules) == []


@pytest.mark.parametrize("name", ["default.yaml", "quota.yaml", "showcase.yaml"])
def test_of_the_packaged_rules_everything_is_known(name: str) -> None:
    assert unsupported(packaged_rulebook(name)) == []
