"""Readers for the files of billing systems: usage records in several forms."""

from streamproc.producing.readers.formats import (
    FORMS,
    FormatError,
    InputForm,
    form_by_name,
    open_reader,
)
from streamproc.producing.readers.mapping import MappingError
from streamproc.producing.readers.record_results import BadRecord, LeftOut, Reader, ReadEvent

__all__ = [
    "FORMS",
    "BadRecord",
    "FormatError",
    "InputForm",
    "LeftOut",
    "MappingError",
    "ReadEvent",
    "Reader",
    "form_by_name",
    "open_reader",
]
