"""The package for Debian, installed in a fresh Debian: program, services, pages, completions."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamproc import __version__
from tests.support.npm_parts import LEFT_OUT
from tests.support.packaging.deb import COMPLETIONS
from tests.support.packaging.fresh_root import base_root, copy_of, run_in
from tests.support.packaging.wheels import DIST
from tests.support.parts_cache import PartsUnavailable

pytestmark = pytest.mark.timeout(1800)

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
UNITS = (
    "streamproc-worker@1.service",
    "streamproc-dispatcher@1.service",
    "streamproc-canary.service",
)
MOST_EXPOSED = 2.0
"""What `systemd-analyze security` may count, of 10."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fresh Debian with the package."""
    package = DIST / f"streamproc_{__version__}_amd64.deb"
    assert package.is_file(), "run `make dist deb` first"
    try:
        base = base_root()
    except PartsUnavailable as error:
        pytest.skip(f"{LEFT_OUT}: {error}")
    made = copy_of(base, tmp_path_factory.mktemp("debian") / "root")
    (made / "streamproc.deb").write_bytes(package.read_bytes())
    done = said(made, "dpkg", "--install", "/streamproc.deb")
    assert done.returncode == 0, done.stdout + done.stderr
    yield made
    subprocess.run(["rm", "-rf", str(made)], check=True)


def said(root: Path, *command: str, user: str = "0:0") -> subprocess.CompletedProcess[str]:
    return run_in(root, command, environment=ENVIRONMENT, user=user)


def test_the_program_runs_with_the_compiled_part(root: Path) -> None:
    done = said(root, "streamproc", "--version")
    assert done.stdout.splitlines() == [
        f"streamproc, version {__version__}",
        "compiled part: in use",
    ], done.stderr
    # Nobody needs more than the package: the demo starts programs of its own.
    demo = said(
        root, "streamproc", "demo", "--events", "3000", "--seconds", "60", user="65534:65534"
    )
    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-3000:]


def test_the_settings_are_right_and_closed(root: Path) -> None:
    done = said(root, "streamproc", "config", "check", "/etc/streamproc/streamproc.toml")
    assert done.returncode == 0, done.stdout
    stat = said(
        root, "stat", "--format", "%a %U %G", "/etc/streamproc", "/etc/streamproc/streamproc.toml"
    )
    assert stat.stdout.splitlines() == ["750 root streamproc", "640 root streamproc"]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_accepts_the_services(root: Path, unit: str) -> None:
    done = said(root, "systemd-analyze", "verify", "--man=no", f"/usr/lib/systemd/system/{unit}")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    judged = said(
        root,
        *("systemd-analyze", "security", "--offline=true", "--no-pager"),
        *(f"--threshold={int(MOST_EXPOSED * 10)}", f"/usr/lib/systemd/system/{unit}"),
    )
    assert judged.returncode == 0, judged.stdout


def test_it_brings_manual_pages_and_completions(root: Path) -> None:
    page = said(root, "man", "streamproc-worker")
    assert "--standbys" in page.stdout, page.stderr
    for place in COMPLETIONS.values():
        assert "streamproc" in (root / place).read_text(encoding="utf-8")


def test_it_goes_without_a_trace_but_its_settings(root: Path) -> None:
    removed = said(root, "dpkg", "--remove", "streamproc")
    assert removed.returncode == 0, removed.stderr
    assert not (root / "usr/lib/streamproc").exists()
    assert (root / "etc/streamproc/streamproc.toml").is_file()
    purged = said(root, "dpkg", "--purge", "streamproc")
    assert purged.returncode == 0, purged.stderr
    assert not (root / "etc/streamproc/streamproc.toml").exists()
