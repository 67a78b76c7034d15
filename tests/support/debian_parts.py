"""Programs of Debian for tests of ops/: Prometheus and Alertmanager, pinned, in the user's cache.

They are unpacked there and not installed, so that no rights are needed.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.npm_parts import LEFT_OUT, is_duty
from tests.support.parts_cache import PartsUnavailable, appearing, cached, run


class Package(NamedTuple):
    """A package of Debian 12 for amd64, with the hash of its file."""

    name: str
    version: str
    sha256: str


PACKAGES = (
    Package(
        "prometheus",
        "2.42.0+ds-5+deb12u1",
        "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55",
    ),
    Package(
        "prometheus-alertmanager",
        "0.25.0-1+b4",
        "4fb9aed15cfe8e0c32408e643ab32a1e41ee87d2cc26f18aeba928b1b0b98ae7",
    ),
)
LIMIT_S = 120.0


def debian_program(name: str) -> Path:
    """``prometheus``, ``promtool``, ``prometheus-alertmanager`` or ``amtool``.

    Where there is no apt, or no mirror, the test is skipped, and the end of the run says so. With
    CI set and apt there, what is missing is an error.
    """
    try:
        return _unpacked() / "usr" / "bin" / name
    except PartsUnavailable as error:
        if is_duty(os.environ, shutil.which("apt-get")):
            raise
        pytest.skip(f"{LEFT_OUT}: {error}")


@functools.cache
def _unpacked() -> Path:
    name = hashlib.sha256(repr(PACKAGES).encode()).hexdigest()[:16]
    home = cached(f"debian-{name}")
    if home.is_dir():
        return home
    if platform.machine() != "x86_64":
        raise PartsUnavailable("the pinned packages are for amd64")
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg-deb")
    if apt is None or dpkg is None:
        raise PartsUnavailable("no 'apt-get' and 'dpkg-deb' on the PATH")
    with appearing(home, "root") as scratch:
        for package in PACKAGES:
            _fetch(apt, package, scratch)
            (file,) = scratch.glob(f"{package.name}_*.deb")
            found = hashlib.sha256(file.read_bytes()).hexdigest()
            if found != package.sha256:
                raise PartsUnavailable(f"{file.name} has another hash than the pinned one: {found}")
            run("dpkg-deb", [dpkg, "-x", str(file), str(scratch / "root")], scratch, LIMIT_S)
    return home


def _fetch(apt: str, package: Package, directory: Path) -> None:
    command = [apt, "download", "-q", f"{package.name}={package.version}"]
    try:
        run("apt-get", command, directory, LIMIT_S)
    except PartsUnavailable:
        if os.geteuid() != 0:
            raise
        # The lists of packages may be missing, as in a fresh container.
        run("apt-get", [apt, "update", "-q"], directory, LIMIT_S)
        run("apt-get", command, directory, LIMIT_S)
