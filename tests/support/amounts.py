"""Amounts that an account notes: none is ever negative, and each is noted in one place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from streamproc.core.state.account import Account

_OF_BYTES = ("beside", "unrolled", "used")
"""Fields that have bytes by name."""
_ENDINGS = ("_bytes", "_minor")


def wrong_amounts(account: Account) -> list[str]:
    """Amounts that cannot be."""
    found = list(_negative(account, "account"))
    for number, cycle in enumerate(account.history):
        own = {bucket.id for bucket in cycle.buckets}
        found += [
            f"history[{number}] notes {name} beside it, and has it"
            for name in own & cycle.beside.keys()
        ]
    return found


def _negative(one: Any, place: str) -> Iterator[str]:
    if isinstance(one, Struct):
        for name in one.__struct_fields__:
            value = getattr(one, name)
            if isinstance(value, int):
                if value < 0 and name.endswith(_ENDINGS):
                    yield f"{place}.{name} is {value}"
            elif name in _OF_BYTES and isinstance(value, dict):
                yield from (
                    f"{place}.{name}[{key}] is {took}" for key, took in value.items() if took <= 0
                )
            elif isinstance(value, Struct | list | dict):
                yield from _negative(value, f"{place}.{name}")
    elif isinstance(one, list):
        for number, value in enumerate(one):
            if isinstance(value, Struct):
                yield from _negative(value, f"{place}[{number}]")
    elif isinstance(one, dict):
        for key, value in one.items():
            if isinstance(value, Struct):
                yield from _negative(value, f"{place}[{key}]")
