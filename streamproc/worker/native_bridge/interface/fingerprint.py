"""The interface as text and as a hash, which a build of the compiled part must have."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b

from streamproc.worker.native_bridge.interface import (
    description,
    outputs,
    row_positions,
    usage,
    views,
)
from streamproc.worker.native_bridge.interface.rust import HEAD, byte_text
from streamproc.worker.native_bridge.interface.sources_generated import SOURCES


def files() -> dict[str, str]:
    """The generated Rust files by name in ``native/src``, without the hash."""
    return {
        "constants_generated.rs": _constants(),
        "rows_generated.rs": row_positions.render(description.ROWS, description.EXTRA),
        "usage_generated.rs": usage.render(description.USAGE, description.KEY_FIELD),
        "outputs_generated.rs": outputs.render(description.OUTPUTS),
        "views_generated.rs": views.render(
            description.VIEWS, description.ENUMS, description.RESULT
        ),
    }


def _constants() -> str:
    lines = [
        f"pub const {name}: &[u8] = {byte_text(value)};"
        if isinstance(value, str)
        else f"pub const {name}: {'usize' if name.endswith('_BYTES') else 'i64'} = {value};"
        for name, value in description.CONSTANTS.items()
    ]
    return f"{HEAD}//! Values of the core.\n\n" + "".join(f"{line}\n" for line in lines)


def hash_of(generated: dict[str, str], sources: str) -> str:
    """The hash of the generated files and of the hand-written Rust code."""
    digest = blake2b(sources.encode(), digest_size=16)
    for name, text in sorted(generated.items()):
        digest.update(f"\0{name}\0{text}".encode())
    return digest.hexdigest()


@cache
def interface() -> str:
    """The hash of the sources from which the compiled part must be built to be used.

    It is calculated from the structs in this process, not read from a file. So the compiled part is
    also refused if the core was changed without ``make generate``.
    """
    return hash_of(files(), SOURCES)
