"""Rule packs: rules files that come with streamproc, for countries or regions (docs/rule-packs.md).

``pack:NAME`` can be used wherever a rules file can be named. It stands for the file ``NAME.yaml``
in ``rules/packs``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from streamproc.errors import StreamprocError

PREFIX: Final = "pack:"
_DIRECTORY: Final = Path(__file__).parents[1] / "rules" / "packs"


class NoSuchPackError(StreamprocError, ValueError):
    """No such pack; the message lists the packs."""


def pack_names() -> list[str]:
    """All packs, by name."""
    return sorted(one.stem for one in _DIRECTORY.glob("*.yaml"))


def pack_path(name: str) -> Path:
    """The file of a pack; raises :class:`NoSuchPackError`."""
    if name not in pack_names():
        raise NoSuchPackError(f"there is no pack {name!r}; there are {', '.join(pack_names())}")
    return _DIRECTORY / f"{name}.yaml"


def pack_summary(name: str) -> str:
    """The purpose of a pack: the first line of its file."""
    first, _, _ = pack_path(name).read_text(encoding="utf-8").partition("\n")
    return first.removeprefix("# ")


def shown(path: Path) -> str:
    """The name of a rules file for people; for a pack the name of the pack."""
    return f"{PREFIX}{path.stem}" if path.parent == _DIRECTORY else str(path)
