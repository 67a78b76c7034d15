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
    """The state of a partition in its life. Log lines contain the values."""

    CLOSED = "closed"
    """This worker has nothing of it."""
    STANDBY = "standby"
    """This worker follows its changelog, so that an opening only has to read the rest."""
    OPENING = "opening"
    """This worker owns it: the predecessor is fenced, and its rows are being loaded."""
    READY = "ready"
    """Its rows are complete, and no input flows yet (law 6)."""
    RUNNING = "running"
    """Input and time are applied and committed."""
    FINISHING = "finishing"
    """Nothing more is applied; what was applied is being committed."""
    SUSPENDED = "suspended"
    """Everything is committed, and the group has not decided yet who gets it."""
    BROKEN = "broken"
    """This worker owns it, but its memory was unusable and is gone. It will be opened again."""


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
"""All legal transitions."""

IN_MEMORY = frozenset({State.READY, State.RUNNING, State.FINISHING, State.SUSPENDED})
"""The states in which this worker has the complete rows of a partition."""


class IllegalTransitionError(StreamprocError):
    """A transition that is not legal: a bug in streamproc."""

    def __init__(self, partition: int, state: State, wanted: State) -> None:
        legal = ", ".join(sorted(one.value for one in NEXT[state]))
        super().__init__(
            f"partition {partition} is {state.value} and cannot become {wanted.value}: "
            f"from {state.value} it may become {legal}"
        )
        self.partition = partition
        self.state = state
        self.wanted = wanted
