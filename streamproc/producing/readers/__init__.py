"""Readers for the files of billing systems: usage records in several forms."""

from streamproc.producing.readers.formats import FORMATS, FormatError, open_reader
from streamproc.producing.readers.mapping import MappingError
from streamproc.producing.readers.records import BadRecord, LeftOut, Reader, ReadEvent

__all__ = [
    "FORMATS",
    "BadRecord",
    "FormatError",
    "LeftOut",
    "MappingError",
    "ReadEvent",
    "Reader",
    "open_reader",
]
