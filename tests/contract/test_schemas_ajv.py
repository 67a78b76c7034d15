"""Ajv, the validator of most JavaScript programs, loads the schemas as schemas/README.md shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from tests.support.npm_parts import PARTS, node_modules

SCHEMAS = Path(__file__).parents[2] / "schemas"
README = (SCHEMAS / "README.md").read_text(encoding="utf-8")


def judged(code: str) -> dict[str, str | None]:
    """What Ajv says of each schema and example; None is what it is to say."""
    environment = {**os.environ, "NODE_PATH": str(node_modules())}
    command = ["node", str(PARTS / "ajv_schemas.js"), str(SCHEMAS), code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found: dict[str, str | None] = json.loads(done.stdout)
    return found


def code_of_the_page() -> str:
    found = re.search(r"```js\n(.*?)```", README, re.S)
    assert found is not None
    return found[1]


def test_every_schema_loads_and_judges_the_examples_rightly() -> None:
    found = judged(code_of_the_page())

    assert {name: said for name, said in found.items() if said is not None} == {}
    assert len([name for name in found if name.endswith(".v1.json")]) == len(
        list(SCHEMAS.glob("*.json"))
    )
    assert len(found) > 200, "the examples were not judged"


def test_without_the_name_of_the_keyword_strict_mode_refuses() -> None:
    code = code_of_the_page().replace('ajv.addVocabulary(["x-extensible-enum"]);', "")
    found = judged(code)

    assert found["reminder.requested.v1.json"] == (
        'strict mode: unknown keyword: "x-extensible-enum"'
    )
