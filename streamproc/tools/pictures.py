"""Whether pictures can be drawn: matplotlib is an extra, ``streamproc[pictures]``."""

from __future__ import annotations

from streamproc.errors import StreamprocError


class NoMatplotlibError(StreamprocError):
    """The message says how to get it."""

    def __init__(self) -> None:
        super().__init__(
            "a picture needs matplotlib, which is not installed: pip install 'streamproc[pictures]'"
        )


def check() -> None:
    """Before the work begins. Raises :class:`NoMatplotlibError`."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise NoMatplotlibError from None
