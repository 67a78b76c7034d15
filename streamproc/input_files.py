"""Files that users name: an error has the name of its file, and no file is read for ever."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EFBIG, EINVAL, EISDIR
from functools import cache
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, Final

_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
"""Without O_NONBLOCK the opening of a pipe waits for a writer."""
_OF_KERNEL: Final = ("/proc", "/sys", "/sys/kernel/debug", "/sys/kernel/tracing")


@contextmanager
def naming(file: Path | str) -> Iterator[None]:
    """Give errors of reading the name of the file. The system names it in errors of opening alone,
    and the command line makes messages of errors with a name."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(file)
        raise


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file. A pipe or a device is refused: to read one can take for ever.

    It is opened once and looked at through its descriptor, so that nobody can replace it between.
    Raises ``OSError`` with the name of the file, also while it is read.
    """
    with naming(path):
        descriptor = os.open(path, _FLAGS)
        try:
            held = os.fstat(descriptor)
            if S_ISDIR(held.st_mode):
                raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
            if not S_ISREG(held.st_mode):
                raise OSError(EINVAL, "it is not a regular file")
            refuse_of_kernel(held)
        except BaseException:
            os.close(descriptor)
            raise
        with open(descriptor, "rb") as file:
            yield file


def read_at_most(path: Path, most_bytes: int) -> bytes:
    """A file that may be a pipe, such as ``<(command)`` of a shell, but not an endless one."""
    with opened_also_pipe(path) as file:
        content = file.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise OSError(EFBIG, f"it is larger than {most_bytes >> 20} MiB")
    return content


@contextmanager
def opened_also_pipe(path: Path) -> Iterator[BinaryIO]:
    """A file that may be a pipe: the opening waits for a writer. Raises as :func:`opened`."""
    with naming(path), path.open("rb") as file:
        refuse_of_kernel(os.fstat(file.fileno()))
        yield file


def refuse_of_kernel(held: os.stat_result) -> None:
    """Raise ``OSError`` for a file of ``/proc`` or ``/sys``: the kernel makes its content.

    It says that it is regular. But some wait for ever, and some have no end.
    """
    if S_ISREG(held.st_mode) and held.st_dev in _devices_of_kernel():
        raise OSError(EINVAL, "it is made by the kernel; give a file of a disk")


@cache
def _devices_of_kernel() -> frozenset[int]:
    found = set()
    for folder in _OF_KERNEL:
        with suppress(OSError):
            found.add(os.stat(folder).st_dev)
    # In a container without them these folders lie on an ordinary disk.
    with suppress(OSError):
        found.discard(os.stat("/").st_dev)
    return frozenset(found)
