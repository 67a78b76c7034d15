"""A spool whose process is killed holds what it said it had taken."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from streamproc.producing.spool import Spool

WRITER = """
import sys
from pathlib import Path
from streamproc.producing.spool import Spool
spool = Spool(Path(sys.argv[1]))
number = spool.last
while True:
    number += 1
    spool.append(number, b"key", b"v" * 200, 1.0)
    print(number, flush=True)
"""


def test_what_was_taken_survives_kill_9(tmp_path: Path) -> None:
    chance = random.Random(3)
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.01, 0.2))  # it is killed at any instant
        process.kill()
        taken = process.stdout.read().split()
        process.wait()
        spool = Spool(tmp_path)
        found = [entry.timestamp_ms for entry in spool.read(spool.done)]
        spool.close()
        assert found == list(range(1, len(found) + 1))
        assert not taken or len(found) >= int(taken[-1])
