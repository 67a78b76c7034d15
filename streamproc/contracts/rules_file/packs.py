"""Rule packs: rules files that come with streamproc, for jurisdictions (docs/rule-packs.md).

A pack is named ``pack:NAME`` wherever a rules file can be named; it is nothing but ``NAME.yaml`` in
``rules/packs``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from streamproc.errors import StreamprocError

PREFIX: Final = "pack:"
_DIRECTORY: Final = Path(__file__).parents[1] / "rules" / "packs"


class NoSuchPackError(StreamprocError, ValueError):
    """The message says which packs there are."""


def pack_names() -> list[str]:
    """All packs, by name."""
    return sorted(one.stem for one in _DIRECTORY.glob("*.yaml"))


def pack_path(name: str) -> Path:
    """The file of a pack; raises :class:`NoSuchPackError`."""
    if name not in pack_names():
        raise NoSuchPackError(f"there is no pack {name!r}; there are {', '.join(pack_names())}")
    return _DIRECTORY / f"{name}.yaml"


def pack_summary(name: str) -> str:
    """What a pack is for: the first line of its file."""
    first, _, _ = pack_path(name).read_text(encoding="utf-8").partition("\n")
    return first.removeprefix("# ")


def shown(path: Path) -> str:
    """How people name a rules file: a pack by its name."""
    return f"{PREFIX}{path.stem}" if path.parent == _DIRECTORY else str(path)
