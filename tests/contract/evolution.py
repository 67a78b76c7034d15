"""What may change within version 1 of a record, by the side that would notice.

The baseline in ``data/baseline.v1.json`` is the contract as it was promised. ``python -m
tests.contract.evolution`` takes new promises over; it refuses to take one back.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from tests.contract.contract import DATA, INPUTS, TYPES
from tests.contract.normal import Schema, of_file

BASELINE = DATA / "baseline.v1.json"


def promised() -> dict[str, Schema]:
    loaded: dict[str, Schema] = json.loads(BASELINE.read_text(encoding="utf-8"))
    return loaded


def present() -> dict[str, Schema]:
    return {name: json.loads(json.dumps(of_file(name))) for name in TYPES}


def breaches(old: dict[str, Schema], new: dict[str, Schema]) -> list[str]:
    """Every promise that is broken, by record and field."""
    found = [f"{name}: record removed" for name in old if name not in new]
    for name in old.keys() & new.keys():
        sides = _input_breaches if name in INPUTS else _output_breaches
        found += [f"{name} {place}: {what}" for place, what in _walk(old[name], new[name], sides)]
    return sorted(found)


def _walk(old: Schema, new: Schema, side: Any, place: str = "$") -> Iterator[tuple[str, str]]:
    if old.get("type") != new.get("type") or ("enum" in old) != ("enum" in new):
        yield place, "retyped"
        return
    for key in ("pattern", "format", "conditions", "default", "names"):
        if old.get(key) != new.get(key):
            yield place, f"{key} changed"
    for what in side(old, new):
        yield place, what
    for field, inner in old.get("fields", {}).items():
        if field not in new["fields"]:
            yield f"{place}.{field}", "removed"
        else:
            yield from _walk(inner, new["fields"][field], side, f"{place}.{field}")
    for part in ("items", "unknown_fields"):
        if isinstance(old.get(part), dict):
            yield from _walk(old[part], new[part], side, f"{place}[]")


def _input_breaches(old: Schema, new: Schema) -> Iterator[str]:
    """A producer's record that was taken must be taken."""
    newly = set(new.get("required", ())) - set(old.get("required", ()))
    yield from (f"{field} newly required" for field in sorted(newly))
    if not set(old.get("enum", ())) <= set(new.get("enum", ())):
        yield "enum lost values"
    if old.get("nullable") and not new.get("nullable"):
        yield "null no longer taken"
    if old.get("unknown_fields") is True and new.get("unknown_fields") is not True:
        yield "unknown fields no longer taken"
    yield from (f"{key} narrowed" for key in _narrowed(old, new))


def _output_breaches(old: Schema, new: Schema) -> Iterator[str]:
    """A consumer that read our records must be able to read them."""
    lost = set(old.get("required", ())) - set(new.get("required", ()))
    yield from (f"{field} no longer always there" for field in sorted(lost))
    if not set(new.get("enum", ())) <= set(old.get("enum", ())):
        yield "enum gained values"
    if new.get("nullable") and not old.get("nullable"):
        yield "may be null now"
    if new.get("unknown_fields") is False:
        yield "readers must allow for unknown fields"
    yield from (f"{key} widened" for key in _narrowed(new, old))


def _narrowed(wide: Schema, narrow: Schema) -> Iterator[str]:
    for key, sign in (("minimum", 1), ("minLength", 1), ("maximum", -1), ("maxLength", -1)):
        if key in narrow and (key not in wide or sign * narrow[key] > sign * wide[key]):
            yield key


def main() -> int:
    if BASELINE.exists():
        found = breaches(promised(), present())
        if found:
            print("promises that may not be broken within version 1:", *found, sep="\n  ")
            return 1
    text = json.dumps(present(), indent=1, sort_keys=True, ensure_ascii=False)
    BASELINE.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
