"""Pictures: whether they can be drawn, and their files. matplotlib is an extra,
``streamproc[pictures]``."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from streamproc.errors import StreamprocError
from streamproc.private_files import replace_private

DOTS_PER_INCH = 120


class NoMatplotlibError(StreamprocError):
    """matplotlib is not installed. The message says how to install it."""

    def __init__(self) -> None:
        super().__init__(
            "a picture needs matplotlib, which is not installed: pip install 'streamproc[pictures]'"
        )


def check() -> None:
    """Check it before the work begins. Raises :class:`NoMatplotlibError`."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise NoMatplotlibError from None


def save(figure: Any, path: Path) -> None:
    """Write a picture, which can show numbers, for its owner alone. Raises ``OSError``."""
    drawn = BytesIO()
    figure.savefig(drawn, format=path.suffix.lstrip(".") or "png", dpi=DOTS_PER_INCH)
    replace_private(path, drawn.getvalue())
