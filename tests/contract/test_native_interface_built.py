"""A compiled part for a core with more fields, built without a line of Rust written by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import UNSET, UnsetType, defstruct

from streamproc.core.state.account import Account, pack
from streamproc.core.state.events import Name
from streamproc.engine.rows import DUE_BYTES
from streamproc.worker.native_bridge.interface import description
from streamproc.worker.native_bridge.interface.description import EXTRA, ROWS, USAGE
from streamproc.worker.native_bridge.interface.fingerprint import files, interface
from streamproc.worker.native_bridge.interface.generate import ROOT, write
from streamproc.worker.native_bridge.known_rules import known
from tests.unit.test_native import GOOD, KEY, RULES, START_MS, Log, Run, activation

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="no Rust compiler here")

USED = Log(KEY, GOOD, START_MS + 2000, 1)


def extended(struct: type[msgspec.Struct], **more: tuple[Any, Any]) -> type[Any]:
    """A struct with more fields, by name the type and the default."""
    config = struct.__struct_config__
    return defstruct(
        struct.__name__,
        [(name, *given) for name, given in more.items()],
        bases=(struct,),
        array_like=config.array_like,
        omit_defaults=config.omit_defaults,
        tag=config.tag,
        tag_field=config.tag_field,
        frozen=config.frozen,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module of a core whose account, rarely used state and usage event have more fields."""
    root = tmp_path_factory.mktemp("native")
    for part in ("src", "Cargo.toml", "Cargo.lock"):
        source, target = ROOT / "native" / part, root / "native" / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        target.parent.mkdir(exist_ok=True)
        copy(source, target)
    (root / "streamproc/worker/native_bridge/interface").mkdir(parents=True)
    row = next(one for one in ROWS if one.known.struct is Account)
    account = row.known._replace(
        struct=extended(Account, lucky=(int, 0), tags=(list[str], [])),
        carries=(*row.known.carries, "tags"),
    )
    event = extended(
        USAGE.struct, device=(Name | UnsetType, UNSET), colour=(Name | UnsetType, UNSET)
    )
    with pytest.MonkeyPatch.context() as patch:
        others = [one for one in ROWS if one is not row]
        patch.setattr(description, "ROWS", (row._replace(known=account), *others))
        patch.setattr(
            description, "EXTRA", EXTRA._replace(struct=extended(EXTRA.struct, mood=(str, "")))
        )
        patch.setattr(
            description, "USAGE", USAGE._replace(struct=event, carries=(*USAGE.carries, "device"))
        )
        write(root, files())
    return _built(root / "native")


def _built(folder: Path) -> Any:
    """Build a debug version, which takes seconds, and load it beside the one that is installed."""
    build = ["cargo", "build", "--quiet", "--locked", "--features", "python"]
    target = ROOT / "native" / "target"
    subprocess.run(
        [*build, "--target-dir", target / "interface"],
        cwd=folder,
        env={**os.environ, "CARGO_PROFILE_DEV_DEBUG": "0"},
        check=True,
    )
    (library,) = (target / "interface" / "debug").glob("*streamproc_native.*[!d]")
    module = shutil.copy(library, folder / "streamproc_native.abi3.so")
    loader = ExtensionFileLoader("streamproc_native", str(module))
    spec = spec_from_file_location("streamproc_native", module, loader=loader)
    assert spec is not None
    found = module_from_spec(spec)
    loader.exec_module(found)
    return found


def rows() -> tuple[bytes, bytes]:
    """An account's row before and after usage, as the core writes it."""
    run = Run("off")
    run.apply([activation()])
    run.commit()
    before = run.rows.stored[KEY]
    run.apply([USED])
    run.commit()
    return before, run.rows.stored[KEY]


def with_more(row: bytes, *more: Any, **extra: Any) -> bytes:
    """The row with more fields, and perhaps with some rarely used state."""
    fields = msgspec.msgpack.decode(row[DUE_BYTES:])
    if extra:
        fields[Account.__struct_fields__.index("extra")] = extra
    return row[:DUE_BYTES] + pack([*fields, *more])


def applied(built: Any, row: bytes, value: bytes = GOOD) -> bytes | None:
    """The row after usage; None if the compiled part left it to the core."""
    plain = built.PlainUsage(known(RULES), True, 1 << 20)
    stored: dict[bytes, bytes] = {KEY: row}
    changed: dict[bytes, bytes] = {}
    log = [USED._replace(value=value)]
    ids = built.SeenIds()
    at, _, crossed = plain.apply(log, 0, 1, stored, changed, ids, [], "events", 0, START_MS, False)
    assert crossed is None
    return changed[KEY] if at else None


def test_the_present_core_refuses_it(built: Any) -> None:
    assert len(built.INTERFACE) == len(interface())
    assert interface() != built.INTERFACE


def test_fields_at_their_default_and_fields_that_are_carried_stay_as_they_are(built: Any) -> None:
    before, after = rows()
    for tags in ([], ["a", "b"]):
        assert applied(built, with_more(before, 0, tags)) == with_more(after, 0, tags)


def test_an_account_with_a_field_that_is_not_known_is_left_to_the_core(built: Any) -> None:
    before, _ = rows()
    assert applied(built, with_more(before, 7, [])) is None


def test_a_row_of_the_present_core_is_left_to_the_core(built: Any) -> None:
    before, _ = rows()
    assert applied(built, before) is None


def test_rarely_used_state_that_is_not_known_is_left_to_the_core(built: Any) -> None:
    before, after = rows()
    known_state: dict[str, Any] = {"quiet_minutes": [0, 60]}
    row = with_more(before, 0, [], **known_state)
    assert applied(built, row) == with_more(after, 0, [], **known_state)
    assert applied(built, with_more(before, 0, [], **known_state, mood="gloomy")) is None


def test_a_field_of_usage_is_carried_if_it_is_named_and_else_left_to_the_core(built: Any) -> None:
    before, after = rows()
    row = with_more(before, 0, [])
    named = GOOD.replace(b"}", b',"device":"phone"}')
    assert applied(built, row, named) == with_more(after, 0, [])
    assert applied(built, row, named.replace(b"phone", b"")) is None
    assert applied(built, row, GOOD.replace(b"}", b',"colour":"red"}')) is None
