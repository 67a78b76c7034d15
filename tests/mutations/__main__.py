"""``python -m tests.mutations``: breaks each place in a copy, and shows which test notices.

mutmut and cosmic-ray change every operator of the modules that they are given, and need hours for
one; here are few places, chosen by what would be missed, and each says which tests must notice.
Exit code 1 if a break goes unnoticed, or if a place is not found once in the program.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

from tests.mutations.places import MUTATIONS, Mutation
from tests.support.hypothesis_cache import WHAT_HYPOTHESIS_KNOWS

ROOT = Path(__file__).parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "__pycache__", "target", "build", "dist", "_site", "results", "*.egg-info"
)
LIMIT = ("--timeout", "120")
"""A broken program may go round for ever; that is noticed, too."""


@cache
def _program(root: Path) -> list[tuple[Path, str]]:
    """All modules, as they are before anything is broken."""
    paths = sorted((root / "streamproc").rglob("*.py"))
    return [(path, path.read_text(encoding="utf-8")) for path in paths]


def place_of(mutation: Mutation, root: Path = ROOT) -> Path:
    """The one file that holds the old text, once; raises ValueError."""
    found = {path: count for path, text in _program(root) if (count := text.count(mutation.old))}
    if list(found.values()) != [1]:
        where = {path.relative_to(root).as_posix(): count for path, count in found.items()}
        raise ValueError(f"{mutation.what}: {mutation.old!r} must be in one place, is in {where}")
    return next(iter(found))


def files_of(mutation: Mutation, root: Path = ROOT) -> list[str]:
    """The test files; raises ValueError if a pattern has none."""
    found: list[str] = []
    for pattern in mutation.tests.split():
        files = sorted(path.relative_to(root).as_posix() for path in root.glob(pattern))
        if not files:
            raise ValueError(f"{mutation.what}: there is no {pattern}")
        found += files
    return list(dict.fromkeys(found))


def run(root: Path, files: list[str]) -> tuple[int, str]:
    """Exit code, and the first test that failed or the last lines that were said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *LIMIT, *files],
        cwd=root,
        env=os.environ
        | {"PYTHONPATH": str(root), "HYPOTHESIS_PROFILE": ""}
        | WHAT_HYPOTHESIS_KNOWS,
        capture_output=True,
        text=True,
        check=False,
    )
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.M)
    return done.returncode, failed[1] if failed else done.stdout[-1500:] + done.stderr[-1500:]


def broken(mutation: Mutation, root: Path) -> tuple[bool, str]:
    """Whether the tests notice, and what they say."""
    path = place_of(mutation, root)
    whole, stamp = path.read_text(encoding="utf-8"), path.stat().st_mtime
    try:
        path.write_text(whole.replace(mutation.old, mutation.new), encoding="utf-8")
        # Python knows compiled files by second and size: a stamp of its own for each content.
        os.utime(path, (stamp + 10, stamp + 10))
        code, said = run(root, files_of(mutation, root))
    finally:
        path.write_text(whole, encoding="utf-8")
        os.utime(path, (stamp + 20, stamp + 20))
    return code == 1, said


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=0.0, help="begin none after so many")
    parser.add_argument("--only", default="", metavar="TEXT", help="whose words hold this")
    parser.add_argument("--markdown", action="store_true", help="print a table for the docs")
    options = parser.parse_args()
    chosen = [one for one in MUTATIONS if options.only in one.what]
    begun, unnoticed = time.monotonic(), 0
    rows: list[tuple[str, str, str]] = []
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory) / "copy"
        shutil.copytree(ROOT, root, ignore=LEFT_OUT)
        every = sorted({file for one in chosen for file in files_of(one, root)})
        code, said = run(root, every)
        if code:
            print(f"the tests fail though nothing is broken: {said}")
            return 1
        for mutation in chosen:
            if options.minutes and time.monotonic() > begun + options.minutes * 60:
                print(f"no time for {len(chosen) - len(rows)} of {len(chosen)}")
                return 1
            is_noticed, said = broken(mutation, root)
            unnoticed += not is_noticed
            where = place_of(mutation, root).relative_to(root).as_posix()
            rows.append((mutation.what, where, said if is_noticed else "NOBODY"))
            if not options.markdown:
                print(f"{'noticed' if is_noticed else 'NOT NOTICED'}: {mutation.what}: {said}")
    if options.markdown:
        print("| what is broken | where | first test that notices |\n|---|---|---|")
        for what, where, who in rows:
            print(f"| {what} | `{where}` | `{who.removeprefix('tests/')}` |")
    print(f"{len(rows) - unnoticed} of {len(rows)} noticed")
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
