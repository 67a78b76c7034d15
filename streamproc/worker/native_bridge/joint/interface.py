"""The interface as text and as a hash: what a build of the compiled part must agree on."""

from __future__ import annotations

from functools import cache
from hashlib import blake2b

from streamproc.worker.native_bridge.joint import description, outputs, rows, usage, views
from streamproc.worker.native_bridge.joint.rust import HEAD, byte_text
from streamproc.worker.native_bridge.joint.sources_generated import SOURCES


def files() -> dict[str, str]:
    """By name in ``native/src``, what is generated for Rust, the hash apart."""
    return {
        "constants_generated.rs": _constants(),
        "rows_generated.rs": rows.render(description.ROWS, description.EXTRA),
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
    """The hash of what is generated, and of the Rust code that is written by hand."""
    digest = blake2b(sources.encode(), digest_size=16)
    for name, text in sorted(generated.items()):
        digest.update(f"\0{name}\0{text}".encode())
    return digest.hexdigest()


@cache
def interface() -> str:
    """What the compiled part must have been built from to be used.

    It is worked out from the structs as they are in this process, not read from a file: a core that
    was changed without ``make generate`` refuses the compiled part, too.
    """
    return hash_of(files(), SOURCES)
