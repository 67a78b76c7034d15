"""The number of the release, which stands in several files.

``check TAG`` says why a tag is not that of these files, ``notes TAG`` prints the section of the
changelog, and ``raise NUMBER`` puts the number of the next release into all files.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import yaml

from streamproc import __version__

ROOT = Path(__file__).parents[3]


QUOTED = r'(?m)^((?:__)?version(?:__)? = ")[^"]+(")'
WRITTEN = {
    "streamproc/__init__.py": [QUOTED],
    "pyproject.toml": [QUOTED],
    "native/pyproject.toml": [QUOTED],
    "native/Cargo.toml": [QUOTED],
    "native/Cargo.lock": [r'(name = "streamproc-native"\nversion = ")[^"]+(")'],
    "ops/helm/streamproc/Chart.yaml": [r"(?m)^(version: )\S+()$", r'(?m)^(appVersion: ")[^"]+(")'],
    "Dockerfile": [r"(?m)^(ARG VERSION=)\S+()$"],
    "docs/packages.md": [r"(streamproc_)[0-9.]+(_amd64\.deb\n)"],
}
"""By file: where the number stands in it."""


def places() -> dict[str, str]:
    """The number by the file that has it."""
    product = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    native = tomllib.loads((ROOT / "native" / "pyproject.toml").read_text(encoding="utf-8"))
    crate = tomllib.loads((ROOT / "native" / "Cargo.toml").read_text(encoding="utf-8"))
    chart_file = ROOT / "ops" / "helm" / "streamproc" / "Chart.yaml"
    chart = yaml.safe_load(chart_file.read_text(encoding="utf-8"))
    return {
        "streamproc/__init__.py": __version__,
        "pyproject.toml": product["project"]["version"],
        "native/pyproject.toml": native["project"]["version"],
        "native/Cargo.toml": crate["package"]["version"],
        "ops/helm/streamproc/Chart.yaml (version)": chart["version"],
        "ops/helm/streamproc/Chart.yaml (appVersion)": chart["appVersion"],
    }


def problems(tag: str) -> list[str]:
    """Why a tag is not that of a release of these files."""
    found = [
        f"{place} has {number}, the tag is {tag}"
        for place, number in places().items()
        if f"v{number}" != tag
    ]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    if not re.search(
        rf"(?m)^## \[{re.escape(tag.removeprefix('v'))}\] - \d{{4}}-\d\d-\d\d$", changes
    ):
        found.append(f"CHANGELOG.md has no section for {tag.removeprefix('v')} with its date")
    return found


def notes(tag: str) -> str:
    """The section of a release in the changelog."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    _, _, rest = changes.partition(f"\n## [{tag.removeprefix('v')}]")
    return rest.partition("\n")[2].partition("\n## [")[0].strip()


def put(number: str) -> None:
    """Write a number into all files. ``ValueError`` if one has no place for it."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", number):
        raise ValueError(f"{number} is not a number of a release")
    for name, patterns in WRITTEN.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        for pattern in patterns:
            text, count = re.subn(pattern, rf"\g<1>{number}\g<2>", text, count=1)
            if not count:
                raise ValueError(f"{name} has no place for the number")
        (ROOT / name).write_text(text, encoding="utf-8")


def main() -> int:
    """``check TAG``, ``notes TAG`` or ``raise NUMBER``."""
    action, tag = sys.argv[1:]
    if action == "raise":
        put(tag)
        return 0
    if action == "notes":
        print(notes(tag))
        return 0
    for problem in (found := problems(tag)):
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
