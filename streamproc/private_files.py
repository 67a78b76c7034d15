"""Files and directories that hold numbers: nobody but their owner may read what is made here.

All code that writes such a file uses this module. A symbolic link is never followed, because
somebody else may have put it there.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, Literal

import structlog

from streamproc.errors import StreamprocError

log = structlog.get_logger(__name__)

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO

Mode = Literal["wb", "ab", "a+b", "r+b"]
_FLAGS: Final = {
    "wb": os.O_WRONLY | os.O_CREAT | os.O_TRUNC,
    "ab": os.O_WRONLY | os.O_CREAT | os.O_APPEND,
    "a+b": os.O_RDWR | os.O_CREAT | os.O_APPEND,
    "r+b": os.O_RDWR,
}
LEFT_SECONDS: Final = 3_600.0
"""A passing file that is older was left by a process that was killed."""
_PASSING: Final = re.compile(r"\.[0-9a-f]+-[0-9a-f]+\.new\Z")
_told: set[Path] = set()
_cleared: set[tuple[int, int]] = set()
"""Device and number of directories."""


class LinkError(StreamprocError, OSError):
    """A file is a symbolic link, or not a file at all. The message says what to give instead."""


def open_private(path: Path, mode: Mode, buffering: int = -1) -> BinaryIO:
    """Open a file for writing, and make it with mode 0600 if it is new.

    Raises :class:`LinkError` for a link, ``OSError`` as ``open`` does. If others may read a file
    that exists, the log says so once.
    """
    flags = _FLAGS[mode] | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise LinkError(f"{path} is a symbolic link; give the file itself") from None
        raise
    try:
        held = os.fstat(descriptor)
        if not stat.S_ISREG(held.st_mode):
            raise LinkError(f"{path} is not a regular file; give another name")
        _tell_if_shared(path, held)
        os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, mode, buffering)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise


def replace_private(path: Path, content: bytes) -> None:
    """Write a file in one step: a crash of the process leaves the old content or the new one."""
    _replace(path, content, is_durable=False)


def write_private(path: Path, content: bytes) -> None:
    """The same, also if the machine crashes."""
    _replace(path, content, is_durable=True)


def refuse_special(path: Path) -> None:
    """Raise :class:`LinkError` if a new file must not take this place: it holds a link or a device.

    A rename would put the file there, and ``/dev/null`` would be one.
    """
    with suppress(FileNotFoundError):
        held = os.lstat(path).st_mode
        if stat.S_ISLNK(held):
            raise LinkError(f"{path} is a symbolic link; give the file itself")
        if not stat.S_ISREG(held):
            raise LinkError(f"{path} is not a regular file; give another name")


def passing_name() -> str:
    """The name of a file until it has its content.

    Several processes, such as workers of one machine, may write the same file: each has its own.
    """
    return f".{os.getpid():x}-{threading.get_ident():x}.new"


def clear_left(folder: int) -> None:
    """Remove what killed processes left of :func:`passing_name`, once for each directory.

    A file that a running process writes, perhaps in another container, is younger than an hour.
    """
    held = os.fstat(folder)
    place = held.st_dev, held.st_ino
    if place in _cleared:
        return
    _cleared.add(place)
    with os.scandir(folder) as entries:
        left = [one.name for one in entries if _PASSING.match(one.name)]
    for name in left:
        with suppress(OSError):
            if time.time() - os.lstat(name, dir_fd=folder).st_mtime > LEFT_SECONDS:
                os.unlink(name, dir_fd=folder)


def _clear_left_in(folder: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            clear_left(descriptor)
        finally:
            os.close(descriptor)


def _replace(path: Path, content: bytes, *, is_durable: bool) -> None:
    refuse_special(path)
    _clear_left_in(path.parent)
    temporary = path.with_name(passing_name())
    try:
        # What a crash left, or what somebody else put there, is not written to.
        temporary.unlink(missing_ok=True)
        with open_private(temporary, "wb") as file:
            file.write(content)
            file.flush()
            if is_durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno is not None:
            error.filename = str(path)  # nobody knows the other name
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def replace_private_in(folder: int, name: str, content: bytes) -> None:
    """:func:`replace_private` in a directory that is open, which others may rename meanwhile."""
    with suppress(OSError):
        clear_left(folder)
    temporary = passing_name()
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, FILE_MODE, dir_fd=folder), "wb") as file:
            file.write(content)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def open_private_directory(path: Path) -> int:
    """The descriptor of a directory, which is made if it is missing; a link is not followed.

    Raises ``OSError``.
    """
    with suppress(FileExistsError):
        os.mkdir(path, DIRECTORY_MODE)
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            problem = "is a link or a file; it must be a directory"
            raise OSError(error.errno, problem, str(path)) from None
        raise


def make_private_directory(path: Path) -> None:
    """Make a directory, and those above it that are missing, with mode 0700.

    If others may read a directory that exists, the log says so once.
    """
    try:
        os.mkdir(path, DIRECTORY_MODE)
    except FileNotFoundError:
        make_private_directory(path.parent)
        make_private_directory(path)
    except FileExistsError:
        held = path.stat()
        if not stat.S_ISDIR(held.st_mode):
            raise
        _tell_if_shared(path, held)


def _tell_if_shared(path: Path, held: os.stat_result) -> None:
    """Say once in the log that others may read something that is there already."""
    is_of_another = held.st_uid != os.geteuid()
    if not (held.st_mode & _OTHERS or is_of_another) or path in _told:
        return
    _told.add(path)
    if is_of_another:
        log.warning(
            "what can hold numbers belongs to another user of this machine, who can read it",
            path=str(path),
            owner=held.st_uid,
        )
        return
    mode = DIRECTORY_MODE if stat.S_ISDIR(held.st_mode) else FILE_MODE
    log.warning(
        f"others on this machine may read what can hold numbers; chmod {mode:o} it",
        path=str(path),
        mode=f"{stat.S_IMODE(held.st_mode):o}",
    )
