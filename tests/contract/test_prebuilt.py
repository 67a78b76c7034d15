"""``make setup`` takes the compiled part from a wheel, if it is of exactly these sources."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from streamproc import __version__
from tests.support.compiled import IS_NATIVE
from tests.support.packaging import prebuilt

NAME = f"streamproc-{__version__}"
WHEEL = f"{NAME}-py3-none-any.whl"
COMPILED = pytest.mark.skipif(not IS_NATIVE, reason="there is no compiled part to pack")


def wheel(folder: Path, files: dict[str, bytes]) -> Path:
    """A wheel of streamproc that pip takes, with these files."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{NAME}.dist-info"
    described = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: streamproc\nVersion: {__version__}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    path = folder / WHEEL
    with ZipFile(path, "w") as archive:
        for name, content in (described | files).items():
            archive.writestr(name, content)
    return path


def of_these_sources() -> dict[str, bytes]:
    """The compiled part that runs here."""
    found = importlib.util.find_spec(prebuilt.PACKAGE)
    assert found is not None
    assert found.origin is not None
    place = Path(found.origin).parent
    return {
        f"{prebuilt.PACKAGE}/{one.name}": one.read_bytes()
        for one in place.iterdir()
        if one.is_file()
    }


def of_another_release() -> dict[str, bytes]:
    return {f"{prebuilt.PACKAGE}/__init__.py": b"INTERFACE = 'another'\n"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of packages of an environment that has no compiled part."""
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(place))
    monkeypatch.setenv("PYTHONPATH", str(place))  # before the packages of this environment
    monkeypatch.setattr(prebuilt, "DIST", tmp_path / "nothing")
    monkeypatch.delenv("WHEELS", raising=False)
    return place


@COMPILED
def test_a_wheel_of_these_sources_is_used(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel(tmp_path / "wheels", of_these_sources())
    monkeypatch.setenv("WHEELS", str(tmp_path / "wheels"))

    assert prebuilt.main() == 0
    assert "the compiled part is the prebuilt one of" in capsys.readouterr().out
    assert sorted(one.name for one in (home / prebuilt.PACKAGE).iterdir() if one.is_file()) == (
        sorted(name.partition("/")[2] for name in of_these_sources())
    )


@pytest.mark.parametrize("files", [of_another_release(), {"streamproc/x.py": b""}, None])
def test_no_wheel_of_these_sources_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes] | None
) -> None:
    """One of another release, a pure one, and none at all: then make builds it."""
    if files is not None:
        wheel(tmp_path / "wheels", files)
    monkeypatch.setenv("WHEELS", str(tmp_path / "wheels"))

    assert prebuilt.main() == 1
    assert list(home.iterdir()) == []


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """An index of the carrier's own, with one page."""
    wheel(tmp_path / "index" / "streamproc", of_these_sources() if IS_NATIVE else {})
    (tmp_path / "index/streamproc/index.html").write_text(f'<a href="{WHEEL}">{WHEEL}</a>')
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "index")
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@COMPILED
def test_an_index_of_the_carrier_is_asked(
    home: Path, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHEELS", index)
    assert prebuilt.main() == 0
    assert (home / prebuilt.PACKAGE).is_dir()
