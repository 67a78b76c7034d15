"""The subfolders of a drop folder: files are moved there when they are done or cannot be read."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import structlog

from streamproc.printable import printable
from streamproc.private_files import (
    make_private_directory,
    open_private_directory,
    replace_private_in,
)

log = structlog.get_logger(__name__)

Verdict = Literal["done", "duplicates", "failed"]
FOLDERS: Final[tuple[Verdict, ...]] = ("done", "duplicates", "failed")
_LONGEST_NAME_BYTES: Final = 200
"""File systems have room for 255, and names get endings here."""


class WatchedFolder:
    """Moves files of a folder into its subfolders.

    Others may write in the folder, so a subfolder can become a link at any time. It is opened
    without following links, and what is done in it is done through that descriptor.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ``OSError`` if a subfolder is something else than a directory."""
        self._folder = folder
        self._stuck: set[tuple[str, int, int]] = set()
        """What could not be moved: name, inode and time of the inode's last change."""
        for name in FOLDERS:
            os.close(self._opened(name))
            make_private_directory(folder / name)  # it tells if others may read it

    def is_stuck(self, path: Path, held: os.stat_result) -> bool:
        """Whether a file could not be moved, and is still the same."""
        return (path.name, held.st_ino, held.st_ctime_ns) in self._stuck

    def move(self, path: Path, verdict: Verdict, clock_ms: int, inode: int | None = None) -> Path:
        """Move a file; returns its new place. If it cannot be moved, it stays and is left alone.

        ``inode`` is that of the file that was read. If somebody has put another file in its place,
        that one goes back: nobody has read it.
        """
        try:
            target = self._renamed(path, verdict, clock_ms, inode)
        except FileNotFoundError:
            log.warning("a file vanished before it could be moved", file=printable(path.name))
            return path
        except OSError as error:
            with suppress(FileNotFoundError):
                held = path.lstat()
                self._stuck.add((path.name, held.st_ino, held.st_ctime_ns))
            log.error(
                "a file cannot be moved; it stays and is not read again",
                file=printable(path.name),
                problem=error.strerror or str(error),
            )
            return path
        return target

    def _renamed(self, path: Path, verdict: Verdict, clock_ms: int, inode: int | None) -> Path:
        folder = self._opened(verdict)
        try:
            name = free = self.name_of(path)
            while _held(folder, free) is not None:  # another file with the same name
                free, clock_ms = f"{name}.{clock_ms}", clock_ms + 1
            os.rename(path, free, dst_dir_fd=folder)
            held = _held(folder, free)
            if inode is not None and (held is None or held.st_ino != inode):
                log.warning("a file was replaced while it was read", file=printable(path.name))
                if not os.path.lexists(path):
                    os.rename(free, path, src_dir_fd=folder)
        finally:
            os.close(folder)
        return self._folder / verdict / free

    def write(self, verdict: Verdict, path: Path, ending: str, content: bytes) -> None:
        """Write a file beside one that is moved. Raises ``OSError``."""
        folder = self._opened(verdict)
        try:
            replace_private_in(folder, f"{self.name_of(path)}{ending}", content)
        finally:
            os.close(folder)

    @staticmethod
    def name_of(path: Path) -> str:
        """The name of a moved file: without characters that steer a terminal, and not too long."""
        name = printable(path.name)
        if len(name.encode()) > _LONGEST_NAME_BYTES:
            name = name.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore")
        return name

    def _opened(self, verdict: Verdict) -> int:
        """The descriptor of a subfolder. Raises ``OSError``."""
        return open_private_directory(self._folder / verdict)


def _held(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
