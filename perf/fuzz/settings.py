"""streamproc.toml: read, and checked for all commands."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from perf.fuzz.places import ROOT, new_folder
from perf.fuzz.target import Target
from streamproc.cli import main
from streamproc.cli.configuration.defaults import ConfigFile
from streamproc.cli.configuration.settings import registry_of
from streamproc.cli.configuration.whole import problems
from streamproc.printable import printable

WORDS = (b'"""', b"'''", b"\n[worker]\n", b"[[", b"]]", b"\\u", b"= {", b"= [", b"pack:", b"_file")


@cache
def _file() -> Path:
    return new_folder() / "streamproc.toml"


def _samples() -> list[bytes]:
    example = (ROOT / "examples" / "streamproc.toml").read_bytes()
    keys = (f"{'.'.join(place)} = 1\n" for place in registry_of(main).places)
    # The second takes five times as long.
    return [example, example, example, "".join(keys).encode()]


def _feed(content: bytes) -> None:
    _file().write_bytes(content)
    file = ConfigFile(_file(), main)
    for line in problems(file):
        named = line.partition(":")[0]  # another file may be named in this one
        assert Path(named).exists() or line.startswith("$"), f"the line names no place: {line!r}"
        assert "kafka:" in line or line == printable(line), f"it steers: {line!r}"


SETTINGS = Target("settings", "a settings file", _samples, _feed, words=WORDS)
