"""A fresh root of Debian 12 by debootstrap, kept in the user's cache; runs programs in copies.

Mounts are made in a namespace of the program alone, and end with it. It needs root's rights.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.parts_cache import PartsUnavailable, appearing, cached, run

SUITE = "bookworm"
PACKAGES = ("ca-certificates", "gcc", "libc6-dev", "man-db", "python3", "python3-venv", "systemd")
LIMIT_S = 900.0
OF_THE_NETWORK = ("/etc/resolv.conf", "/etc/ssl/certs", "/etc/pip.conf")
"""How this machine reaches its registries; a root of another place would not."""
VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_DIR", "CARGO_HTTP_CAINFO")


def base_root() -> Path:
    """The root that others are copied from. Raises :class:`PartsUnavailable`."""
    if os.geteuid() != 0:
        raise PartsUnavailable("only root can make a root")
    name = hashlib.sha256(repr((SUITE, PACKAGES)).encode()).hexdigest()[:12]
    home = cached(f"root-{SUITE}-{name}")
    if home.is_dir():
        return home
    debootstrap = shutil.which("debootstrap")
    if debootstrap is None:
        raise PartsUnavailable("no 'debootstrap' on the PATH: apt-get install debootstrap")
    with appearing(home, "root") as scratch:
        words = [debootstrap, "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE]
        run("debootstrap", [*words, str(scratch / "root")], scratch, LIMIT_S)
    return home


def copy_of(source: Path, target: Path) -> Path:
    """A copy that may be changed."""
    command = ["cp", "--archive", "--reflink=auto", str(source), str(target)]
    subprocess.run(command, check=True)
    return target


def run_in(
    root: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: str = "/",
    user: str = "0:0",
    is_read_only: bool = False,
    mounts: Mapping[Path, str] | None = None,
    seconds: float = 600,
) -> subprocess.CompletedProcess[str]:
    """Run a program in a root. ``mounts`` are folders of this machine, by their place in it."""
    place = shlex.quote(str(root))
    lines = [f"mount --bind {place} {place}"]
    shared = {Path(one): one for one in OF_THE_NETWORK if Path(one).exists()}
    for outside, inside in (shared | dict(mounts or {})).items():
        target = root / inside.lstrip("/")
        # A link would lead out of the root.
        if outside.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif not target.exists():
            target.unlink(missing_ok=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        lines.append(
            f"mount --bind {shlex.quote(str(outside.resolve()))} {shlex.quote(str(target))}"
        )
    lines += [f"mount --rbind /dev {place}/dev", f"mount -t proc proc {place}/proc"]
    if is_read_only:
        lines.append(f"mount -o remount,bind,ro {place}")
        lines.append(f"mount -t tmpfs tmpfs {place}/tmp")
    inner = f"cd {shlex.quote(folder)} && exec {shlex.join(command)}"
    lines.append(f"exec chroot --userspec={user} {place} /bin/sh -c {shlex.quote(inner)}")
    given = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
    return subprocess.run(
        [*words, "/bin/sh", "-ec", "\n".join(lines)],
        capture_output=True, text=True, timeout=seconds, env={**given, **environment},
    )  # fmt: skip
