"""JSON Schemas in a normal form, so that files, types and earlier releases can be compared.

Kept: types, required fields, bounds, patterns, enums, defaults, whether unknown fields are allowed,
and conditions between fields. References are resolved; titles, descriptions and examples dropped.
"""

from __future__ import annotations

from typing import Any

import msgspec

from tests.contract.contract import schema

Schema = dict[str, Any]

_KEPT = ("minimum", "maximum", "minLength", "maxLength", "default", "format", "maxItems")
_CONDITIONS = ("oneOf", "anyOf", "not")


def of_file(name: str) -> Schema:
    """The normal form of a schema file."""
    return _Normal(f"{name}.json").of(schema(name))


def of_type(kind: type[msgspec.Struct]) -> Schema:
    """The normal form of what a type's decoder checks, as far as msgspec can express it."""
    _, components = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    root = {"$defs": components}
    return _Normal("", root).of(components[kind.__name__])


def without_conditions(normal: Schema) -> Schema:
    """Less what msgspec cannot express: conditions between fields live in ``__post_init__``."""
    return {
        key: (
            {field: without_conditions(inner) for field, inner in value.items()}
            if key == "fields"
            else without_conditions(value)
            if isinstance(value, dict)
            else value
        )
        for key, value in normal.items()
        if key != "conditions"
    }


class _Normal:
    def __init__(self, file: str, root: Schema | None = None) -> None:
        self._file = file
        self._root = root

    def of(self, raw: Schema) -> Schema:
        if "$ref" in raw:
            raw, home = self._resolved(raw)
            return home.of(raw)
        nullable, raw = _without_null(raw)
        if nullable:
            return {"nullable": True, **self.of(raw)}
        normal: Schema = {key: raw[key] for key in _KEPT if key in raw}
        if "pattern" in raw and raw.get("format") != "date-time":
            # Python's \Z is ECMA's $. An instant's pattern is what msgspec's parser does anyway.
            normal["pattern"] = raw["pattern"].replace("\\Z", "$")
        if "const" in raw or "enum" in raw:
            normal["enum"] = sorted(raw.get("enum", [raw.get("const")]))
            return normal
        normal["type"] = raw["type"]
        if raw["type"] == "array":
            normal["items"] = self.of(raw["items"])
        if raw["type"] == "object":
            normal |= self._object(raw)
        return normal

    def _object(self, raw: Schema) -> Schema:
        more = raw.get("additionalProperties", True)
        normal: Schema = {
            "fields": {field: self.of(one) for field, one in raw.get("properties", {}).items()},
            "required": sorted(raw.get("required", [])),
            "unknown_fields": self.of(more) if isinstance(more, dict) else more,
        }
        if "propertyNames" in raw:
            normal["names"] = self.of({"type": "string", **raw["propertyNames"]})
        conditions = {key: raw[key] for key in _CONDITIONS if key in raw}
        if conditions:
            normal["conditions"] = conditions
        return normal

    def _resolved(self, raw: Schema) -> tuple[Schema, _Normal]:
        """A schema without its reference, and where references inside it start from."""
        file, _, pointer = raw["$ref"].partition("#/$defs/")
        home = _Normal(file) if file and file != self._file else self
        found = home._definitions()[pointer]
        beside = {key: value for key, value in raw.items() if key != "$ref"}
        return {**found, **beside}, home

    def _definitions(self) -> Schema:
        root = self._root if self._root is not None else schema(self._file.removesuffix(".json"))
        definitions: Schema = root["$defs"]
        return definitions


def _without_null(raw: Schema) -> tuple[bool, Schema]:
    choices = raw.get("anyOf")
    if choices is None or "type" in raw or {"type": "null"} not in choices:
        return False, raw
    (other,) = (choice for choice in choices if choice != {"type": "null"})
    return True, other
