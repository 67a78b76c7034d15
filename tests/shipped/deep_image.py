"""The steps of the Dockerfile in fresh roots of Debian: what the image has, and how it runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from streamproc import __version__
from tests.support.npm_parts import LEFT_OUT
from tests.support.packaging.fresh_root import base_root
from tests.support.packaging.image_steps import Builder, Stage, health_command
from tests.support.packaging.wheels import ROOT
from tests.support.parts_cache import PartsUnavailable
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    """The image, built from this checkout."""
    rustup = Path(os.environ.get("RUSTUP_HOME", Path.home() / ".rustup"))
    cargo = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    if shutil.which("cargo") is None or not rustup.is_dir():
        pytest.skip(f"{LEFT_OUT}: no Rust by rustup stands in for its image")
    try:
        base = base_root()
    except PartsUnavailable as error:
        pytest.skip(f"{LEFT_OUT}: {error}")
    scratch = tmp_path_factory.mktemp("image")
    # The image of Rust has both at these places.
    mounts = {rustup: "/root/.rustup", cargo: "/usr/local/cargo"}
    made = Builder(ROOT, base, scratch, mounts)
    made.build()
    made.mounts = {}
    yield made
    subprocess.run(["rm", "-rf", str(scratch)], check=True)


def last(builder: Builder) -> Stage:
    assert builder.stage is not None
    return builder.stage


def test_the_compiled_part_runs_as_nobody_in_a_closed_root(builder: Builder) -> None:
    done = builder.carried_out(["streamproc", "--version"], is_read_only=True)
    assert done.stdout.splitlines() == [
        f"streamproc, version {__version__}",
        "compiled part: in use",
    ], done.stderr
    who = builder.carried_out(["id", "-u"])
    assert who.stdout.strip() == "10001"
    demo = builder.carried_out(
        ["streamproc", "demo", "--events", "3000", "--seconds", "60"], is_read_only=True
    )
    assert demo.returncode == 0, demo.stdout[-3000:] + demo.stderr[-3000:]


def test_no_tool_of_developers_is_in_what_is_added(builder: Builder) -> None:
    home = last(builder).root / "opt" / "streamproc"
    names = {one.name for one in (home / "bin").iterdir()}
    assert "streamproc" in names
    assert not {"pip", "pip3", "pytest", "ruff", "mypy", "maturin", "cargo", "hatchling"} & names
    installed = {
        one.name.partition("-")[0] for one in home.glob("lib/python3*/site-packages/*.dist-info")
    }
    assert not {"pip", "setuptools", "pytest", "maturin", "hatchling", "ziglang"} & installed
    assert (
        not list((last(builder).root / "source").glob("*"))
        if (last(builder).root / "source").exists()
        else True
    )


def test_the_list_of_what_it_is_made_of_is_that_of_the_lock(builder: Builder) -> None:
    file = last(builder).root / "usr/share/doc/streamproc/sbom.cdx.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    found = {one["name"].lower().replace("_", "-") for one in document["components"]}
    assert {"faust-streaming", "aiokafka", "orjson", "msgspec"} <= found
    assert "pytest" not in found


def test_the_health_check_is_right_when_the_program_is(builder: Builder) -> None:
    command = health_command(last(builder))
    assert builder.carried_out(command).returncode != 0
    port = last(builder).environment["HEALTH_PORT"]
    with subprocess.Popen(
        [shutil.which("python3") or "python3", "-c", SERVER, port], stdout=subprocess.DEVNULL
    ) as server:
        try:
            wait_until(partial(answers, port), 30)
            assert builder.carried_out(command).returncode == 0
        finally:
            server.kill()


SERVER = """
import http.server, sys
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/livez" else 404)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
"""
"""Answers as a program that is well."""


def answers(port: str) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/livez", timeout=5).close()
    except OSError:
        return False
    return True
