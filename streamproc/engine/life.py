"""The life of a partition in one worker: its states, and which may follow which.

::

                      a warm copy is wanted
       +--------+ --------------------------> +---------+
       | CLOSED |                             | STANDBY |
       +--------+ <-------------------------- +---------+
            |           it is wanted no more       |
            | assigned                             | assigned
            v                                      |
       +---------+ <-------------------------------+
       | OPENING | --------------------------> +---------+
       +---------+       cannot be opened      | BROKEN  |
            |    ^---------------------------- +---------+
            |            opened again (law 4)      ^
            | fenced, loaded (steps a to c)        |
            v                                      |
       +---------+                                 |
  +--> |  READY  | --+ revoked                     |
  |    +---------+   |                             |
  |         |        |                             |
  |         | input sought (step d)                |
  |         v        |                             |
  |    +---------+   |    a commit failed, or      |
  |    | RUNNING | --|-----------------------------+
  |    +---------+   |    the application did
  |         |        |
  |         | revoked, or the worker stops
  |         v        |
  |    +-----------+ |
  |    | FINISHING | |
  |    +-----------+ |
  |         |        |
  |         | the last commit is done
  |         v        |
  |    +-----------+ |
  +--- | SUSPENDED | <
       +-----------+
    given back: its memory is as it was committed

From every state but OPENING a partition may become CLOSED: it was given to another worker, its last
commit failed, or the worker ends. An opening is always waited for: what is closed in the middle of
it could still fence the next owner.
"""

from __future__ import annotations

from enum import Enum

from streamproc.errors import StreamprocError


class State(Enum):
    """Where a partition is in its life; the values are the words of log lines."""

    CLOSED = "closed"
    """Nothing of it is here."""
    STANDBY = "standby"
    """Its changelog is followed, so that its opening has only the rest to read."""
    OPENING = "opening"
    """It is this worker's: its predecessor is fenced, its rows are loaded."""
    READY = "ready"
    """Its rows are whole, and no input flows yet (law 6)."""
    RUNNING = "running"
    """Input and time are applied and committed."""
    FINISHING = "finishing"
    """Nothing more is applied; what was applied is committed."""
    SUSPENDED = "suspended"
    """All is committed, and the group has not said yet whose it will be."""
    BROKEN = "broken"
    """It is this worker's, but its memory was worthless and is gone: it is opened again."""


NEXT: dict[State, frozenset[State]] = {
    State.CLOSED: frozenset({State.STANDBY, State.OPENING}),
    State.STANDBY: frozenset({State.OPENING, State.CLOSED}),
    State.OPENING: frozenset({State.READY, State.BROKEN}),
    State.READY: frozenset({State.RUNNING, State.SUSPENDED, State.CLOSED}),
    State.RUNNING: frozenset({State.FINISHING, State.BROKEN, State.CLOSED}),
    State.FINISHING: frozenset({State.SUSPENDED, State.CLOSED}),
    State.SUSPENDED: frozenset({State.READY, State.CLOSED}),
    State.BROKEN: frozenset({State.OPENING, State.CLOSED}),
}
"""The legal transitions, and all of them."""

IN_MEMORY = frozenset({State.READY, State.RUNNING, State.FINISHING, State.SUSPENDED})
"""The states in which a partition has rows here, whole ones."""


class IllegalTransitionError(StreamprocError):
    """A partition was to go from one state to another that may not follow it: a fault of ours."""

    def __init__(self, partition: int, state: State, wanted: State) -> None:
        legal = ", ".join(sorted(one.value for one in NEXT[state]))
        super().__init__(
            f"partition {partition} is {state.value} and cannot become {wanted.value}: "
            f"from {state.value} it may become {legal}"
        )
        self.partition = partition
        self.state = state
        self.wanted = wanted
