"""Puts a compiled part that is built already into this environment (``make setup``).

Exit code 1 if there is none for this platform and these sources: then ``make setup`` builds it.
Looked for in ``build/dist`` and in ``WHEELS``, a folder or an index of the carrier. Never in the
usual index: a checkout is newer than any release, and it must not load code under a bare name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from zipfile import ZipFile

from streamproc import __version__
from tests.support.packaging.wheels import DIST

PACKAGE = "streamproc_native"
CHECK = "from streamproc.worker.native_bridge.loading import installed; print(installed())"


def main() -> int:
    """Look in each place; 0 if the compiled part runs now."""
    for place in (str(DIST), os.environ.get("WHEELS", "")):
        if place and take(place):
            print(f"the compiled part is the prebuilt one of {place}")
            return 0
    return 1


def take(place: str) -> bool:
    """Install the compiled part of the wheel that pip finds in a place. Nothing stays of a wrong
    one."""
    with tempfile.TemporaryDirectory() as scratch:
        if not download(place, Path(scratch)):
            return False
        home = Path(sysconfig.get_path("platlib")) / PACKAGE
        return install(next(Path(scratch).glob("*.whl")), home)


def download(place: str, folder: Path) -> bool:
    """Let pip choose the wheel of streamproc for this platform."""
    is_index = place.startswith(("https://", "http://"))
    if not is_index and not Path(place).is_dir():
        return False
    source = ["--index-url", place] if is_index else ["--no-index", "--find-links", place]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", *source]
    command += ["--dest", str(folder), f"streamproc=={__version__}"]
    return subprocess.run(command, capture_output=True).returncode == 0


def install(wheel: Path, home: Path) -> bool:
    """Unpack the compiled part of a wheel, if it has one that belongs to these sources."""
    with ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.startswith(f"{PACKAGE}/")]
        if not members:
            return False
        shutil.rmtree(home, ignore_errors=True)
        archive.extractall(home.parent, members)
    asked = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True)
    if asked.stdout.strip() == "in use":
        return True
    shutil.rmtree(home)
    return False


if __name__ == "__main__":
    sys.exit(main())
