"""Events of a file in CloudEvents envelopes."""

from __future__ import annotations

import json


def enveloped(event: str) -> str:
    """The structured form of an event in JSON."""
    data = json.loads(event)
    names = {"id": "id", "source": "source", "subject": "subscriber", "time": "time"}
    attributes = {one: data.pop(field) for one, field in names.items()}
    kind = f"streamproc.{data.pop('type')}.v1"
    return json.dumps({"specversion": "1.0", "type": kind, **attributes, "data": data})
