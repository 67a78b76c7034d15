"""The subfolders of a drop folder: files are moved there when they are done or cannot be read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final, Literal

import structlog

from streamproc.printable import printable
from streamproc.private_files import make_private_directory, replace_private
from streamproc.producing.readers.records import UnreadableFileError

log = structlog.get_logger(__name__)

Verdict = Literal["done", "duplicates", "failed"]
FOLDERS: Final[tuple[Verdict, ...]] = ("done", "duplicates", "failed")
_LONGEST_NAME_BYTES: Final = 200
"""File systems have room for 255, and names get endings here."""


class NotAFolderError(UnreadableFileError):
    """A subfolder is not a directory of its own."""


class Outgoing:
    """Moves files of a folder into its subfolders."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stuck: set[tuple[str, int, int]] = set()
        """What could not be moved: name, inode and time of the inode's last change."""
        for name in FOLDERS:
            make_private_directory(self._subfolder(name))

    def is_stuck(self, path: Path, held: os.stat_result) -> bool:
        """Whether a file could not be moved, and is still the same."""
        return (path.name, held.st_ino, held.st_ctime_ns) in self._stuck

    def move(self, path: Path, verdict: Verdict, clock_ms: int, inode: int | None = None) -> Path:
        """Move a file; returns its new place. If it cannot be moved, it stays and is left alone.

        ``inode`` is that of the file that was read. If somebody has put another file in its place,
        that one goes back: nobody has read it.
        """
        target = self._subfolder(verdict) / self.name_of(path)
        if os.path.lexists(target):  # another file with the same name
            target = target.with_name(f"{target.name}.{clock_ms}")
        try:
            path.rename(target)
            if inode is not None and target.lstat().st_ino != inode:
                log.warning("a file was replaced while it was read", file=printable(path.name))
                if not os.path.lexists(path):
                    target.rename(path)
        except FileNotFoundError:
            log.warning("a file vanished before it could be moved", file=printable(path.name))
        except OSError as error:
            held = path.lstat()
            self._stuck.add((path.name, held.st_ino, held.st_ctime_ns))
            log.error(
                "a file cannot be moved; it stays and is not read again",
                file=printable(path.name),
                problem=error.strerror or str(error),
            )
            return path
        return target

    def write(self, verdict: Verdict, path: Path, ending: str, content: bytes) -> None:
        """Write a file beside one that is moved."""
        replace_private(self._subfolder(verdict) / f"{self.name_of(path)}{ending}", content)

    @staticmethod
    def name_of(path: Path) -> str:
        """The name of a moved file: without characters that steer a terminal, and not too long."""
        name = printable(path.name)
        if len(name.encode()) > _LONGEST_NAME_BYTES:
            name = name.encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore")
        return name

    def _subfolder(self, verdict: Verdict) -> Path:
        path = self._folder / verdict
        if os.path.lexists(path) and not stat.S_ISDIR(path.lstat().st_mode):
            raise NotAFolderError(f"{path} is a link or a file; it must be a directory")
        return path
