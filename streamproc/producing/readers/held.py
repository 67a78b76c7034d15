"""Files of folders into which others write: opened once, and refused if they change.

A person who may write into a folder can replace a file between two looks at it, or put a link, a
pipe or a device there. So a file is opened without following links, looked at through its
descriptor, and read through the same descriptor each time.
"""

from __future__ import annotations

import os
import stat
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final

from streamproc.producing.readers.files import InputFile
from streamproc.producing.readers.record_results import UnreadableFileError

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a directory",
}


def fault_of(held: os.stat_result) -> str | None:
    """Why something in a folder is not a file to read; None if it is one."""
    if not stat.S_ISREG(held.st_mode):
        return f"is {_KINDS.get(stat.S_IFMT(held.st_mode), 'not a file')}, not a file"
    if held.st_nlink > 1:
        return "has a second name (a hard link), so it may be somebody else's file"
    return None


class HeldFile(InputFile):
    """A file that is open from the first look to the last. Close it."""

    def __init__(self, path: Path) -> None:
        """Raises :class:`UnreadableFileError`, and ``OSError`` as opening does."""
        super().__init__(path)
        fault = fault_of(path.lstat())
        if fault is not None:
            # Not even opened: opening a device can do something.
            raise UnreadableFileError(f"{self.name}: {fault}")
        self._descriptor = os.open(path, _FLAGS)
        try:
            # Somebody may have replaced it since the first look.
            fault = fault_of(os.fstat(self._descriptor))
            if fault is not None:
                raise UnreadableFileError(f"{self.name}: {fault}")
            self._begun = self._present()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    @property
    def inode(self) -> int:
        """The number of the file in its file system."""
        return os.fstat(self._descriptor).st_ino

    def check(self) -> None:
        """Raises :class:`UnreadableFileError` if the file is not what it was when it was opened."""
        if self._present() != self._begun:
            raise UnreadableFileError(f"{self.name}: changed while it was read")

    def _present(self) -> tuple[int, ...]:
        held = os.fstat(self._descriptor)
        # Writers can set the time of the last change (mtime), but not that of the inode (ctime).
        return held.st_size, held.st_mtime_ns, held.st_ctime_ns

    def _raw(self) -> AbstractContextManager[BinaryIO]:
        self.check()
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._descriptor), "rb")
