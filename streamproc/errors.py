"""The base of all errors of this package. Every layer may import it; it imports nothing."""

from __future__ import annotations


class StreamprocError(Exception):
    """Something that streamproc refuses or cannot do.

    Its text is a sentence for whoever runs the command: what is wrong, and what can be done. The
    command line prints it and ends with status 1; a program that embeds streamproc catches this one
    class. Errors of Python and of libraries are never of this class.
    """
