"""Whether pictures can be drawn: matplotlib is an extra, ``streamproc[pictures]``."""

from __future__ import annotations

from streamproc.errors import StreamprocError


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
