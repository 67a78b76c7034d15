"""The interface to the compiled part: generated from one description, refused where it differs."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import UNSET, Meta, Struct, UnsetType, defstruct
from msgspec.structs import fields

from streamproc.core.rules.placeholders import REMINDER
from streamproc.core.state.account import Account
from streamproc.core.state.events import Name, UsageRecorded
from streamproc.core.texts.flat import CLOCK
from streamproc.worker.native_bridge import loading, taught_words
from streamproc.worker.native_bridge.interface import (
    description,
    outputs,
    row_positions,
    usage,
    views,
)
from streamproc.worker.native_bridge.interface.description import (
    EXTRA,
    KEY_FIELD,
    ROWS,
    USAGE,
    KnownStruct,
    Row,
)
from streamproc.worker.native_bridge.interface.fingerprint import files, hash_of, interface
from streamproc.worker.native_bridge.interface.generate import ROOT, RUST, stale, write
from streamproc.worker.native_bridge.interface.sources_generated import SOURCES
from streamproc.worker.native_bridge.interface.struct_fields import DescriptionError
from tests.unit.test_native import needs_native


def test_the_generated_files_are_what_the_description_says() -> None:
    assert stale(ROOT, files()) == [], "make generate, then pip install ./native"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A tree with the Rust code, and all that is generated."""
    shutil.copytree(ROOT / RUST, tmp_path / RUST)
    (tmp_path / "streamproc/worker/native_bridge/interface").mkdir(parents=True)
    write(tmp_path, files())
    return tmp_path


def test_another_description_makes_files_stale(copy: Path) -> None:
    assert stale(copy, files()) == []
    other = {**files(), "rows_generated.rs": "// another layout\n"}
    names = [path.name for path in stale(copy, other)]
    assert names == ["interface_generated.rs", "rows_generated.rs"]


def test_rust_code_that_was_changed_by_hand_makes_the_hash_stale(copy: Path) -> None:
    code = copy / RUST / "account.rs"
    code.write_text(f"// Charged in another order.\n{code.read_text()}")
    names = [path.name for path in stale(copy, files())]
    assert names == ["interface_generated.rs", "sources_generated.py"]
    write(copy, files())
    assert stale(copy, files()) == []


def test_tests_of_the_rust_code_make_no_hash_stale(copy: Path) -> None:
    for name in ("rules.rs", "testing.rs"):
        with (copy / RUST / name).open("a") as code:
            code.write("// One more test.\n")
    assert "#[cfg(test)]" in (copy / RUST / "rules.rs").read_text()
    assert stale(copy, files()) == []


def test_a_file_that_is_generated_no_more_is_taken_away(copy: Path) -> None:
    (copy / RUST / "forgotten_generated.rs").write_text("")
    assert [path.name for path in write(copy, files())] == ["forgotten_generated.rs"]
    assert stale(copy, files()) == []


@needs_native
def test_a_build_of_another_description_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The struct changed, nobody generated or built: its hash is taken of the struct as it is."""
    assert loading.is_native("on")
    invented = extended(Account, invented=(int, 0))
    known = next(row for row in ROWS if row.known.struct is Account)
    other = known._replace(known=known.known._replace(struct=invented))
    monkeypatch.setattr(description, "ROWS", (other, *ROWS[1:]))
    monkeypatch.setattr(loading, "interface", interface.__wrapped__)
    for choice in ("auto", "on"):
        with pytest.raises(loading.NativeMissingError, match="another release"):
            loading.is_native(choice)


def test_the_hash_tells_of_hand_written_code_too() -> None:
    assert interface() == hash_of(files(), SOURCES)
    assert hash_of(files(), "other code") != interface()


def extended(struct: type[Struct], **more: tuple[Any, Any]) -> Any:
    """A struct with more fields, by name the type and the default."""
    config = struct.__struct_config__
    return defstruct(
        struct.__name__,
        [(name, *given) for name, given in more.items()],
        bases=(struct,),
        array_like=config.array_like,
        tag=config.tag,
        tag_field=config.tag_field,
        frozen=config.frozen,
        forbid_unknown_fields=config.forbid_unknown_fields,
        omit_defaults=config.omit_defaults,
    )


def layout(row: Row) -> str:
    """The layout of a row alone."""
    return row_positions.render((row,), EXTRA).partition("pub mod")[0]


ACCOUNT = next(row for row in ROWS if row.known.struct is Account)


def test_a_new_field_of_the_account_is_plain_at_its_default_only() -> None:
    invented = extended(Account, invented=(str, "none"), more=(list[int], []))
    known = ACCOUNT.known._replace(struct=invented)
    count = len(fields(Account))
    text = layout(ACCOUNT._replace(known=known))
    assert f"fields: {count + 2}," in text
    invented_ones = f'({count}, b"\\xa4none"), ({count + 1}, b"\\x90")],'
    assert invented_ones in text
    named = known._replace(carries=(*known.carries, "invented", "more"))
    # Ids of earlier releases are left to the core.
    assert 'only_default: &[(17, b"\\xc4\\x00"), (18, b"\\x90")],' in layout(
        ACCOUNT._replace(known=named)
    )


def test_what_the_description_names_must_be_there_once() -> None:
    for names in (("colour",), ("next_plan",)):
        known = ACCOUNT.known._replace(carries=(*ACCOUNT.known.carries, *names))
        with pytest.raises(DescriptionError, match=rf"Account\.{names[0]}"):
            layout(ACCOUNT._replace(known=known))


def test_a_new_field_of_the_rarely_used_state_is_left_to_the_core() -> None:
    known = EXTRA._replace(struct=extended(EXTRA.struct, invented=(int, 0)))
    assert row_positions.render(ROWS, known) == row_positions.render(ROWS, EXTRA)
    named = known._replace(carries=(*known.carries, "invented"))
    assert '| b"invented" => RareState::Carried' in row_positions.render(ROWS, named)


def event(carried: bool, **more: tuple[Any, Any]) -> str:
    """The parser's fields where the event has more of them."""
    known = KnownStruct(
        extended(UsageRecorded, **more),
        USAGE.reads,
        (*USAGE.carries, *(more if carried else ())),
    )
    return usage.render(known, KEY_FIELD)


CARRIED = {
    "text": (Name | UnsetType, UNSET, "Form::Text { least: 1, most: 64 }"),
    "number": (
        Annotated[int, Meta(ge=1, le=99)] | UnsetType,
        UNSET,
        "Form::Natural { least: 1, most: 99 }",
    ),
    "instant": (
        Annotated[datetime, Meta(tz=True)] | UnsetType,
        UNSET,
        "Form::Instant",
    ),
    "truth": (bool, False, "Form::Truth"),
    "choice": (Literal["4g", "5g"] | UnsetType, UNSET, 'Form::Choice(&[b"4g", b"5g"])'),
}


@pytest.mark.parametrize("name", CARRIED)
def test_a_field_of_usage_that_is_carried_needs_no_code(name: str) -> None:
    kind, default, form = CARRIED[name]
    number = len(USAGE.reads) + len(USAGE.carries) + 1
    assert f'b"{name}" => ({number}, Field::Carried, {form}),' in event(
        True, **{name: (kind, default)}
    )


def test_a_field_of_usage_that_is_not_named_is_left_to_the_core() -> None:
    assert event(False, device=(Name | UnsetType, UNSET)) == usage.render(USAGE, KEY_FIELD)


def test_usage_without_a_required_field_that_is_not_known_is_left_to_the_core_too() -> None:
    config: Any = {"tag": "usage.recorded", "tag_field": "type"}
    needed = defstruct(
        "UsageRecorded", [("device", Name)], bases=(UsageRecorded,), kw_only=True, **config
    )
    text = usage.render(KnownStruct(needed, USAGE.reads, USAGE.carries), KEY_FIELD)
    bit = 1 << (len(USAGE.reads) + len(USAGE.carries) + 1)
    assert f"REQUIRED: u64 = {bit | 0b11111:#b};" in text
    assert "device" not in text


@pytest.mark.parametrize(
    "kind",
    [
        Annotated[str, Meta(pattern="^x")],
        int,
        float,
        list[str],
        datetime,
    ],
)
def test_values_that_the_parser_cannot_judge_are_not_carried(kind: Any) -> None:
    with pytest.raises(DescriptionError, match="no form for odd"):
        event(True, odd=(kind | UnsetType, UNSET))


def test_where_messages_have_a_new_field_the_core_tells() -> None:
    *nested, reminder, audit = description.OUTPUTS
    assert "TELLS: bool = true" in outputs.render(description.OUTPUTS)
    invented = extended(reminder.struct, colour=(Name | UnsetType, UNSET))
    text = outputs.render((*nested, reminder._replace(struct=invented), audit))
    assert "// Not known: Reminder.colour.\npub const TELLS: bool = false;" in text
    never = reminder._replace(struct=invented, leaves_out=(*reminder.leaves_out, "colour"))
    assert "TELLS: bool = true" in outputs.render((*nested, never, audit))


def test_what_the_core_always_writes_cannot_be_left_out() -> None:
    *nested, reminder, audit = description.OUTPUTS
    invented = extended(reminder.struct, colour=(Name, "red"))
    never = reminder._replace(struct=invented, leaves_out=(*reminder.leaves_out, "colour"))
    with pytest.raises(DescriptionError, match=r"Reminder\.colour is listed under leaves_out"):
        outputs.render((*nested, never, audit))


def test_views_have_types_of_rust() -> None:
    class Odd:
        odd: complex

    with pytest.raises(DescriptionError, match="no type for"):
        views.render({"Odd": Odd}, (), description.RESULT)


def test_the_figures_that_the_compiled_part_fills_in_are_the_core_s() -> None:
    names = {one.name.lower() for one in taught_words.Figure}
    assert names <= {*REMINDER, CLOCK}
    assert CLOCK in names
