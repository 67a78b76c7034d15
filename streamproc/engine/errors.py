"""Errors of the engine about answers of the broker."""

from __future__ import annotations

from streamproc.errors import StreamprocError

PERMISSIONS = (
    "a worker needs Read on its input topics, its changelog and its group, Write on its changelog, "
    "its output topics and the transactional ids that begin with its --app-id, and Describe on all "
    "of them (docs/guarantees.md)"
)


class TakenOverError(StreamprocError):
    """Another worker has opened this partition. This worker must not use it any more."""


class ForbiddenError(StreamprocError):
    """The broker does not allow something to this worker. Waiting does not help."""

    def __init__(self, error: BaseException) -> None:
        name = type(error).__name__.removesuffix("Error")
        super().__init__(f"not allowed by the broker ({name}: {_about(error)}); {PERMISSIONS}")


class GroupError(StreamprocError):
    """This worker cannot be a member of its group. Waiting does not help."""

    def __init__(self, error: BaseException, advice: str) -> None:
        name = type(error).__name__.removesuffix("Error")
        super().__init__(f"cannot be a member of the group ({name}: {error}); {advice}")


def _about(error: BaseException) -> str:
    """The subject of a refusal: topics, group or transactional id."""
    about = error.args[0] if error.args else ""
    return ", ".join(sorted(about)) if isinstance(about, set | frozenset) else str(about)
