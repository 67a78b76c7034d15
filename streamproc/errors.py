"""The base of all errors of this package. Every layer may import it; it imports nothing."""

from __future__ import annotations

from typing import ClassVar


class StreamprocError(Exception):
    """Something that streamproc refuses or cannot do.

    The text is a sentence for the user of the command: what is wrong, and what can be done. The
    command line prints it and ends with status 1. A program that embeds streamproc catches this one
    class. Errors of Python and of libraries never have this class.
    """

    has_lines: ClassVar[bool] = False
    """Whether the text can have several lines, a problem of a file on each. The command line shows
    the line ends in all other texts as it shows control characters."""
