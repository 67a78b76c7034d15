"""The table of settings in docs/security-kafka.md, from ``kafka/setting_fields.py``.

``python -m tests.support.kafka_settings_table`` writes it.
"""

from __future__ import annotations

import re
from pathlib import Path

from streamproc.kafka.setting_fields import FIELDS

PAGE = Path(__file__).parents[2] / "docs" / "security-kafka.md"
_PART = re.compile(r"(?<=<!-- settings -->\n).*?(?=<!-- end of settings -->)", re.DOTALL)


def settings_table() -> str:
    """As it must stand in the page."""
    rows = ["| Option | Variable | client.properties |", "|---|---|---|"]
    rows.append(
        "| `--broker` | `STREAMPROC_BROKER` | `bootstrap.servers`, `metadata.broker.list` |"
    )
    rows.append("| `--kafka-properties` | `STREAMPROC_KAFKA_PROPERTIES` | |")
    for field in FIELDS:
        variable = f"`{field.variable}`"
        if field.kind == "secret":
            variable += ", or `..._FILE`"
        keys = ", ".join(f"`{key}`" for key in field.properties)
        rows.append(f"| `{field.option}` | {variable} | {keys} |".replace("|  |", "| |"))
    return "\n".join(rows) + "\n"


def in_page() -> str:
    """As it stands there."""
    found = _PART.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    return found[0]


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(_PART.sub(lambda _: settings_table(), text), encoding="utf-8")
