"""Tries the readers on published records: ``python -m tests.support.published FILE...``

Some records are published under licences that do not allow a copy in this project. So they are read
where they are. FILE is any text with CGRateS CDRs in quotes, such as ees/filecsv_it_test.go in a
checkout of CGRateS (AGPL). Each row that is data of the default run must become an event with the
row's account and usage. No other row may become one, and none may be refused.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from streamproc.contracts.records.codec import decode_event
from streamproc.core.state.events import UsageRecorded
from streamproc.producing.readers import BadRecord, ReadEvent, open_reader

ROW = re.compile(r'"((?:[^",\n]*,){13,}[^",\n]*)"')
"""At least fourteen fields between quotes."""
DATA = re.compile(
    r"\*default,\*data,[^,]*,[^,]*,[^,]*,[^,]*,([^,]+),[^,]*,[^,]*,[^,]*,[^,]*,(\d+),"
)
"""Account and usage, by their places after the run."""


def rows_of(text: str) -> list[str]:
    """The CDRs in a file of source code."""
    return [row.removesuffix("\\n") for row in ROW.findall(text) if ",*default," in row]


def check(path: Path) -> str:
    """A summary; raises AssertionError if the reader differs."""
    rows = rows_of(path.read_text(encoding="utf-8"))
    expected = [found.groups() for row in rows for found in DATA.finditer(row)]
    read = list(open_reader("cgrates-csv")(io.BytesIO("\n".join(rows).encode()), "published"))
    bad = [one for one in read if isinstance(one, BadRecord)]
    assert not bad, bad
    events = [decode_event(one.value, one.key) for one in read if isinstance(one, ReadEvent)]
    found = [
        (one.subscriber, str(one.used_bytes)) for one in events if isinstance(one, UsageRecorded)
    ]
    assert found == expected, f"{found} instead of {expected}"
    assert expected, f"{path} holds no CDR of data"
    return f"{path.name}: {len(rows)} CDRs, {len(found)} of data, all as published"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(check(Path(name)))
