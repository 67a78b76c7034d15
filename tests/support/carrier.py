"""The example package of a carrier, installed without pip, as pip would install it."""

from __future__ import annotations

import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from streamproc.cli import extensions
from streamproc.core.rules.kinds import registry as kinds
from streamproc.dispatch.gateways import registry as gateways
from streamproc.producing.readers import formats

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "examples" / "carrier-package"
GROUPS = (extensions.RULE_KINDS, extensions.GATEWAYS, extensions.READERS)


def install_into(folder: Path) -> None:
    """The content of a wheel of the package: its modules, and next to them its name and entry
    points."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (module,) = (path.parent for path in PACKAGE.glob("*/__init__.py"))
    shutil.copytree(module, folder / module.name, ignore=shutil.ignore_patterns("__pycache__"))
    describe(folder, project["name"], project["version"], project["entry-points"])


def describe(folder: Path, name: str, version: str, points: dict[str, dict[str, str]]) -> None:
    """The metadata of an installed package."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    lines = [
        line
        for group, names in points.items()
        for line in (f"[{group}]", *(f"{one} = {place}" for one, place in names.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")


@contextmanager
def used(folder: Path) -> Iterator[None]:
    """Let this process use the extensions of packages in a folder, and forget them afterwards."""
    before = list(kinds.KINDS), list(gateways.GATEWAYS), list(formats.FORMS), set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        extensions.forget()
        yield
    finally:
        sys.path.remove(str(folder))
        extensions.forget()
        for name in kinds.KINDS.keys() - before[0]:
            kinds.remove(name)
        for name in gateways.GATEWAYS.keys() - before[1]:
            del gateways.GATEWAYS[name]
        for name in formats.FORMS.keys() - before[2]:
            del formats.FORMS[name]
        for name in [
            one for one in sys.modules if one.startswith("acme_") and one not in before[3]
        ]:
            del sys.modules[name]
