"""Builds what ``pip install streamproc`` takes, into ``build/dist`` (``make dist``).

A source archive, a pure wheel, and one wheel with the compiled part for each platform that this
machine can build for. The release workflow runs it on the other systems.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[3]
DIST = ROOT / "build" / "dist"
NATIVE_DIST = ROOT / "build" / "native"
VARIABLE = "STREAMPROC_NATIVE_WHEEL"
"""What hatch_build.py reads."""


class Platform(NamedTuple):
    """One platform of wheels."""

    name: str
    system: str
    """Where it is built, as ``sys.platform`` calls it."""
    targets: tuple[str, ...]
    """What rustup calls it; several make one file for all of them."""
    options: tuple[str, ...] = ()
    """Of maturin."""

    @property
    def target(self) -> str:
        """What maturin calls it."""
        return self.targets[0] if len(self.targets) == 1 else "universal2-apple-darwin"


PLATFORMS = (
    *(
        Platform(
            f"{family}-{machine}",
            "linux",
            (f"{machine}-unknown-linux-{library}",),
            ("--zig", "--compatibility", compatibility),
        )
        # glibc of 2014 and musl 1.2: each system of today can load these.
        for family, library, compatibility in (
            ("manylinux", "gnu", "manylinux2014"),
            ("musllinux", "musl", "musllinux_1_2"),
        )
        for machine in ("x86_64", "aarch64")
    ),
    Platform("macos", "darwin", ("aarch64-apple-darwin", "x86_64-apple-darwin")),
    Platform("windows-x86_64", "win32", ("x86_64-pc-windows-msvc",)),
)
BY_NAME = {one.name: one for one in PLATFORMS}


class DistError(Exception):
    """Something cannot be built here; the message says what is missing."""


def main() -> int:
    """Build; returns 1 if a named platform cannot be built for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platforms", nargs="*", choices=[[], *BY_NAME], metavar="PLATFORM")
    parser.add_argument("--strict", action="store_true", help="a platform left out is an error")
    arguments = parser.parse_args()
    here = [one for one in PLATFORMS if one.system == sys.platform]
    wanted = [BY_NAME[name] for name in arguments.platforms] or here
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir(parents=True)
    hatchling("sdist")
    hatchling("wheel")
    left_out = {}
    for platform in wanted:
        try:
            hatchling("wheel", native_wheel(platform))
        except DistError as error:
            left_out[platform.name] = str(error)
    for file in sorted(DIST.iterdir()):
        print(f"{file.stat().st_size // 1000:7} kB  {file.relative_to(ROOT)}")
    for name, why in left_out.items():
        print(f"NOT BUILT HERE: {name}: {why}", file=sys.stderr)
    return 1 if left_out and (arguments.strict or arguments.platforms) else 0


def native_wheel(platform: Platform) -> Path:
    """The wheel of the compiled part alone. Raises :class:`DistError`."""
    have_targets(platform.targets)
    folder = NATIVE_DIST / platform.name
    shutil.rmtree(folder, ignore_errors=True)
    command = [tool("maturin"), "build", "--release", "--locked", "--out", str(folder)]
    command += ["--manifest-path", str(ROOT / "native" / "Cargo.toml")]
    command += ["--target", platform.target, *platform.options]
    # maturin looks for zig in the environment of the Python that the PATH names.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if subprocess.run(command, env={**os.environ, "PATH": path}).returncode != 0:
        raise DistError("maturin could not build it, as said above")
    (wheel,) = folder.glob("*.whl")
    return wheel


def have_targets(targets: Iterable[str]) -> None:
    """Have the standard library of each target. Raises :class:`DistError`."""
    if shutil.which("cargo") is None:
        raise DistError("no Rust compiler (cargo) is on the PATH")
    for target in targets:
        asked = subprocess.run(
            ["rustc", "--print", "target-libdir", "--target", target],
            capture_output=True, text=True, cwd=ROOT / "native",
        )  # fmt: skip
        if asked.returncode == 0 and Path(asked.stdout.strip()).is_dir():
            continue
        if shutil.which("rustup") is None:
            raise DistError(f"this Rust has no standard library for {target}, and no rustup")
        if subprocess.run(["rustup", "target", "add", target], cwd=ROOT / "native").returncode:
            raise DistError(f"rustup cannot bring the standard library for {target}")


def hatchling(kind: str, native: Path | None = None) -> None:
    """Build an archive of streamproc; with the compiled part if there is its wheel."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if native is not None:
        environment[VARIABLE] = str(native)
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(DIST)]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


def tool(name: str) -> str:
    """A program beside this Python. Raises :class:`DistError`."""
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        raise DistError(f"{name} is not in this environment: run `make dist`")
    return found


if __name__ == "__main__":
    sys.exit(main())
