"""Other releases, as programs that tests can run: the one before this one, and one to come.

``docs/releases.json`` names the commit of each release, because a clone need not have its tag. A
commit that is not in the clone (a shallow one) is fetched. If that is not possible, the tests fail
and say what to do: an upgrade that was not tried must not pass.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from streamproc.engine.changelog import PROGRESS_VERSION

ROOT = Path(__file__).parents[2]
RELEASES: Path = ROOT / "docs" / "releases.json"
PARTS = ("streamproc", "native", "pyproject.toml", "README.md", "LICENSE", "hatch_build.py")
"""What a release is built from."""
LOCK = "requirements-product.lock"
COMING = "99.0.0"
"""A release to come, in tests: it reads and writes a form of the state that is newer than ours."""
BUILD_SECONDS = 1_200


class HistoryError(AssertionError):
    """The commit of a release is not here, so its upgrade cannot be tried."""


@dataclass(frozen=True)
class Release:
    """A release of docs/releases.json."""

    version: str
    commit: str
    reads_form: int
    writes_form: int


def releases() -> list[Release]:
    """All of them, the oldest first."""
    return [Release(**one) for one in json.loads(RELEASES.read_text(encoding="utf-8"))]


def extracted(release: Release, folder: Path) -> Path:
    """The files of a release in a folder, with its lock; returns the folder."""
    tree = folder / release.version
    if not (tree / LOCK).exists():
        archive = _git("archive", _commit_of(release), *PARTS, LOCK)
        tree.mkdir(parents=True, exist_ok=True)
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(tree, filter="data")
    return tree


def pure(tree: Path) -> Path:
    """The tree, which does not find the compiled part of this release: it would refuse it."""
    (tree / "streamproc_native.py").write_text('raise ImportError("of another release")\n')
    return tree


def coming(folder: Path) -> Path:
    """A copy of this tree whose state has a newer form."""
    tree = folder / COMING
    if not tree.exists():
        shutil.copytree(
            ROOT / "streamproc", tree / "streamproc", ignore=shutil.ignore_patterns("__pycache__")
        )
        form = PROGRESS_VERSION + 1
        _change(
            tree / "streamproc/__init__.py", r'^__version__ = ".*"', f'__version__ = "{COMING}"'
        )
        changelog, forms = (
            tree / "streamproc/engine" / one for one in ("changelog.py", "forms.py")
        )
        _change(changelog, r"^PROGRESS_VERSION = \d+", f"PROGRESS_VERSION = {form}")
        _change(forms, r"^WRITES_FORM: Final = \d+", f"WRITES_FORM: Final = {form}")
    return tree


def environment(tree: Path) -> dict[str, str]:
    """Variables with which this Python runs a tree in place of this one.

    ``-m`` would look into the working directory first, hence the second variable.
    """
    return {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}


def built(release: Release, folder: Path) -> Path:
    """The Python of an environment with a release from its lock, and with its compiled part if
    there is a Rust compiler. Takes minutes; it is kept."""
    tree = extracted(release, folder)
    place = folder / f"{release.version}-venv"
    python = place / "bin" / "python"
    ready = place / ".ready"
    if ready.exists():
        return python
    _run(sys.executable, "-m", "venv", str(place))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "--require-hashes", "-r", str(tree / LOCK))
    _run(*pip, "--no-deps", str(tree))
    if shutil.which("cargo"):
        _run(*pip, "--no-deps", str(tree / "native"))
    ready.touch()
    return python


def _commit_of(release: Release) -> str:
    tag = f"refs/tags/v{release.version}^{{commit}}"
    for name in (tag, release.commit):
        if _is_here(name):
            return name
    with tempfile.TemporaryFile() as said:
        subprocess.run(
            ["git", "fetch", "--quiet", "--depth", "1", "origin", release.commit],
            cwd=ROOT, stdout=said, stderr=said, check=False, timeout=300,
            env=os.environ | {"GIT_TERMINAL_PROMPT": "0"},
        )  # fmt: skip
    if not _is_here(release.commit):
        raise HistoryError(
            f"commit {release.commit} of release {release.version} is not in this clone, and "
            f"cannot be fetched: git fetch --unshallow"
        )
    return release.commit


def _is_here(name: str) -> bool:
    done = subprocess.run(
        ["git", "cat-file", "-e", name], cwd=ROOT, capture_output=True, check=False
    )
    return done.returncode == 0


def _git(*words: str) -> bytes:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=BUILD_SECONDS)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def _change(path: Path, pattern: str, text: str) -> None:
    changed, count = re.subn(pattern, text, path.read_text(encoding="utf-8"), flags=re.M)
    assert count == 1, (path, pattern)
    path.write_text(changed, encoding="utf-8")
