"""Readers for what billing systems really have: files of usage records in several forms."""

from streamproc.edges.readers.formats import FORMATS, FormatError, open_reader
from streamproc.edges.readers.mapping import MappingError
from streamproc.edges.readers.records import BadRecord, LeftOut, Reader, ReadEvent

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
