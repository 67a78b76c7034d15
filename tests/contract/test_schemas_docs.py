"""The page for billing and messaging engineers shows nothing that is not so."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.contract.contract import EXAMPLES, ROOT, TYPES, types_accept, validator

PAGE = (ROOT / "docs" / "contracts.md").read_text(encoding="utf-8")
README = (ROOT / "schemas" / "README.md").read_text(encoding="utf-8")
BLOCKS: list[dict[str, Any]] = [
    json.loads(block)
    for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
]


def test_the_page_shows_input_and_output() -> None:
    shown = {block["type"] for block in BLOCKS}

    assert shown >= {"usage.recorded", "account.activated", "account.topped_up"}
    assert shown >= {"reminder.requested", "audit.recorded", "input.rejected"}


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block["type"])
def test_each_block_is_a_valid_example(block: dict[str, Any]) -> None:
    name = f"{block['type']}.v1"

    validator(name).validate(block)
    assert types_accept(name, json.dumps(block).encode())
    files = (EXAMPLES / name / "valid").glob("*.json")
    assert block in [json.loads(path.read_bytes()) for path in files]


@pytest.mark.parametrize("text", [PAGE, README], ids=["docs/contracts.md", "schemas/README.md"])
def test_every_record_is_named_and_every_link_leads_somewhere(text: str) -> None:
    named = text.replace("`account.*`", " ".join(f"`{one[:-3]}`" for one in TYPES))
    directory = ROOT / ("docs" if text is PAGE else "schemas")

    assert [one for one in TYPES if one != "clock.advanced.v1" and one[:-3] not in named] == []
    for link in re.findall(r"\]\(([^)#]+)", text):
        assert link.startswith("https://") or (directory / link).exists(), link
