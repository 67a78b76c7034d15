"""The console script and ``python -m streamproc``.

A command imports a thousand modules. The cycle collector would look through their objects again and
again, which took a third of the CPU time of a short command.
"""

from __future__ import annotations

import atexit
import gc

from streamproc.engine.housekeeping import YOUNG_OBJECTS


def run() -> None:
    """Run the command of the process."""
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    # When the interpreter ends, it collects once more. Nothing needs the memory then.
    atexit.register(gc.freeze)
    from streamproc.cli import main

    main()


if __name__ == "__main__":
    run()
