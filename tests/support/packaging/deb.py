"""Makes the package for Debian 12 in ``build/dist``, from the wheel of ``make dist``.

``build/deb/root`` gets an environment of Python at its final place, manual pages and completions.
``ops/deb/nfpm.yaml`` has the rest. Debian 12 has Python 3.11, so this runs with that version.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from streamproc import __version__
from streamproc.cli import main as streamproc
from tests.support import man_pages
from tests.support.packaging.wheels import DIST, ROOT

PYTHON = "3.11"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""What Debian and wheels call a processor."""
GLIBC = 36
"""The minor version of Debian 12."""
TREE = ROOT / "build" / "deb" / "root"
HOME = TREE / "usr" / "lib" / "streamproc"
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/streamproc",
    "zsh": "usr/share/zsh/vendor-completions/_streamproc",
    "fish": "usr/share/fish/vendor_completions.d/streamproc.fish",
}
ENVIRONMENT = f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {PYTHON}\n"


def main() -> None:
    """Make a package for each processor that is named; for all without a name."""
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" == PYTHON, f"run it with Python {PYTHON}"
    for name in sys.argv[1:] or MACHINES:
        fill(MACHINES[name])
        pack(name)


def fill(machine: str) -> None:
    """Make ``build/deb/root`` for a processor."""
    shutil.rmtree(TREE, ignore_errors=True)
    packages = HOME / "lib" / f"python{PYTHON}" / "site-packages"
    packages.mkdir(parents=True)
    (HOME / "pyvenv.cfg").write_text(ENVIRONMENT)
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 16, -1)]
    platforms += [f"manylinux2014_{machine}", f"manylinux2010_{machine}", f"manylinux1_{machine}"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--target", str(packages), "--no-deps", "--no-compile", "--only-binary", ":all:"]
    command += ["--implementation", "cp", "--python-version", PYTHON]
    command += [word for one in platforms for word in ("--platform", one)]
    lock = ROOT / "requirements-product.lock"
    subprocess.run([*command, "--require-hashes", "-r", str(lock)], check=True)
    own = ["--no-index", "--find-links", str(DIST), f"streamproc=={__version__}"]
    subprocess.run([*command, *own], check=True)
    if not list(packages.glob("streamproc_native/*.so")):
        raise SystemExit(f"build/dist has no wheel with the compiled part for {machine}: make dist")
    shutil.rmtree(packages / "bin", ignore_errors=True)
    pages()
    completions()


def pages() -> None:
    """The manual pages, packed as Debian has them, and the changelog."""
    folder = TREE / "usr" / "share" / "man" / "man1"
    scratch = ROOT / "build" / "deb" / "man"
    shutil.rmtree(scratch, ignore_errors=True)
    for page in man_pages.write(scratch):
        packed(page, folder / f"{page.name}.gz")
    packed(ROOT / "CHANGELOG.md", TREE / "usr/share/doc/streamproc/changelog.gz")


def packed(source: Path, target: Path) -> None:
    """Pack a file without a time in it, so that the same files make the same package."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(source.read_bytes(), 9, mtime=0))


def completions() -> None:
    """The completion of each shell, where the shell looks for it."""
    for shell, place in COMPLETIONS.items():
        script = CliRunner().invoke(streamproc, ["completion", shell]).stdout
        (TREE / place).parent.mkdir(parents=True, exist_ok=True)
        (TREE / place).write_text(script, encoding="utf-8")


def pack(name: str) -> None:
    """Let nfpm write the package."""
    nfpm = ROOT / "build" / "packaging" / "bin" / "nfpm"
    subprocess.run(
        [str(nfpm), "package", "-f", "ops/deb/nfpm.yaml", "-p", "deb", "-t", str(DIST)],
        cwd=ROOT, check=True, env={**os.environ, "ARCH": name, "VERSION": __version__},
    )  # fmt: skip


if __name__ == "__main__":
    main()
