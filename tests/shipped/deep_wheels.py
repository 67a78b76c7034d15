"""The files of ``make dist`` in clean environments without Rust, on each Python that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

import pytest

from streamproc import __version__
from tests.support.packaging.wheels import DIST, ROOT

pytestmark = pytest.mark.timeout(900)

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DEMO_SECONDS = 300
SHORT = ("--events", "3000", "--seconds", "60")
"""A smaller month: a busy machine would not end the usual one in time."""
PURE = f"streamproc-{__version__}-py3-none-any.whl"

CHOICES = {
    ("manylinux_2_17_x86_64", "3.11"): "manylinux2014_x86_64",
    ("manylinux2014_x86_64", "3.14"): "manylinux2014_x86_64",
    ("manylinux2014_aarch64", "3.13"): "manylinux2014_aarch64",
    ("musllinux_1_2_x86_64", "3.12"): "musllinux_1_2_x86_64",
    ("musllinux_1_2_aarch64", "3.14"): "musllinux_1_2_aarch64",
    ("musllinux_1_1_x86_64", "3.11"): "none-any",
    ("manylinux2014_i686", "3.11"): "none-any",
    ("manylinux_2_31_riscv64", "3.13"): "none-any",
    ("linux_armv7l", "3.12"): "none-any",
}
"""By platform and Python: the wheel that pip takes, of those that Linux can build."""


@cache
def interpreter(version: str) -> str | None:
    """The path of a Python of this version, if there is one here."""
    candidates = [shutil.which(f"python{version}")]
    candidates += map(str, Path.home().glob(f".pyenv/versions/{version}*/bin/python"))
    for one in candidates:
        if one and says(one, "import sys; print('%d.%d' % sys.version_info[:2])") == version:
            return one
    return None


def says(python: str, program: str) -> str:
    """What a program prints; empty if it cannot run."""
    done = subprocess.run([python, "-c", program], capture_output=True, text=True)
    return done.stdout.strip()


def bare() -> dict[str, str]:
    """The variables of an environment that has nothing of a developer's."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    found = {**kept, "PATH": "/usr/bin:/bin"}
    assert shutil.which("cargo", path=found["PATH"]) is None
    return found


def run(*words: str, cwd: Path, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, capture_output=True, text=True, timeout=seconds, cwd=cwd, env=bare()
    )


class Room:
    """A clean environment with the product, from built files alone."""

    def __init__(self, home: Path, python: str) -> None:
        self.home = home
        self.bin = home / "bin"
        made = subprocess.run([python, "-m", "venv", str(home)], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        self.pip("--require-hashes", "-r", str(ROOT / "requirements-product.lock"))

    def pip(self, *words: str) -> None:
        done = run(
            *(str(self.bin / "pip"), "install", "--quiet", "--disable-pip-version-check"),
            *("--only-binary", ":all:", *words),
            cwd=self.home, seconds=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def streamproc(self, *words: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        return run(str(self.bin / "streamproc"), *words, cwd=self.home, seconds=seconds)


@pytest.fixture(scope="module", params=PYTHONS)
def room(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Room:
    assert any(DIST.glob("*.whl")), "run `make dist` first"
    python = interpreter(request.param)
    if python is None:
        pytest.skip(f"there is no Python {request.param} on this machine")
    return Room(tmp_path_factory.mktemp(f"python{request.param}") / "room", python)


def first_line(room: Room, *words: str) -> str:
    """The first log line of a worker, which finds no broker."""
    done = room.streamproc("worker", "--broker", "127.0.0.1:1", *words)
    line, *_ = (done.stdout + done.stderr).splitlines()
    assert "worker starts" in line
    return line


def test_pip_brings_the_compiled_part_and_the_demo_runs_on_it(room: Room) -> None:
    room.pip("--no-index", "--no-deps", "--find-links", str(DIST), f"streamproc=={__version__}")
    told = room.streamproc("--version")
    assert told.stdout.splitlines() == [
        f"streamproc, version {__version__}",
        "compiled part: in use",
    ], told.stderr
    assert "native=yes" in first_line(room)
    done = room.streamproc("demo", *SHORT, seconds=DEMO_SECONDS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_pure_wheel_runs_the_demo_too(room: Room) -> None:
    room.pip("--no-index", "--no-deps", "--force-reinstall", str(DIST / PURE))
    assert "compiled part: not installed" in room.streamproc("--version").stdout
    assert "native=no" in first_line(room)
    refused = room.streamproc("worker", "--broker", "127.0.0.1:1", "--native", "on")
    assert refused.returncode != 0
    assert "no other for this platform" in (refused.stdout + refused.stderr).replace("\n", " ")
    done = room.streamproc("demo", *SHORT, seconds=DEMO_SECONDS)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def test_the_source_archive_makes_the_pure_wheel_without_rust(tmp_path: Path) -> None:
    venv.create(tmp_path / "room", with_pip=True)
    (archive,) = DIST.glob("*.tar.gz")
    done = run(
        *(str(tmp_path / "room" / "bin" / "pip"), "wheel", "--quiet", "--no-deps"),
        *("--wheel-dir", str(tmp_path), str(archive)),
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [one.name for one in tmp_path.glob("*.whl")] == [PURE]


@pytest.mark.parametrize(("platform", "python"), CHOICES)
def test_pip_takes_the_right_wheel(platform: str, python: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-index", "--find-links", str(DIST), "--only-binary", ":all:"]
    command += ["--platform", platform]
    command += ["--python-version", python, "--implementation", "cp"]
    subprocess.run([*command, "--dest", str(tmp_path), "streamproc"], check=True)
    (taken,) = tmp_path.iterdir()
    assert CHOICES[platform, python] in taken.name
