"""Appends each reminder to a file, one JSON object per line (NDJSON), for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, BinaryIO

from msgspec import Meta

from streamproc.contracts.records.codec import encode_effect
from streamproc.dispatch.gateways.base import Events
from streamproc.dispatch.gateways.entry import ChannelEntry, GatewayKind, Site
from streamproc.dispatch.model import Accepted, ErrorClass, Outcome, Outgoing, Refused, Unknown
from streamproc.private_files import open_private


class FileGateway:
    """Each line is written as a whole and synced before the reminder counts as accepted.

    The lines contain full numbers and texts, so only the owner can read the file.
    """

    idempotent = False
    reports = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    async def start(self, events: Events) -> None:
        # The file is opened at the first message, so that a full disk is an error of that message.
        pass

    async def send(self, message: Outgoing) -> Outcome:
        try:
            if self._file is None:
                self._file = self._open()
        except OSError as error:
            return Refused(ErrorClass.UNREACHABLE, _name(error))
        try:
            self._file.write(encode_effect(message.reminder) + b"\n")
            os.fsync(self._file.fileno())
        except OSError as error:
            self._forget()
            return Unknown(_name(error))
        return Accepted()

    async def close(self) -> None:
        self._forget()

    def _open(self) -> BinaryIO:
        file = open_private(self._path, "a+b", buffering=0)
        end = file.seek(0, os.SEEK_END)
        if end and os.pread(file.fileno(), 1, end - 1) != b"\n":
            file.write(b"\n")  # a line that a crash cut off must not swallow the next one
        return file

    def _forget(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None


def _name(error: OSError) -> str:
    return f"{type(error).__name__}: {error.strerror or error}"


class FileEntry(ChannelEntry, frozen=True, kw_only=True, tag="file"):
    """Entry of a gateway that appends to a file."""

    path: Annotated[str, Meta(min_length=1)]


class File(GatewayKind):
    entry = FileEntry

    def gateway(self, entry: FileEntry, site: Site) -> FileGateway:
        return FileGateway(site.base / entry.path)


KIND = File()
