"""Makes versions of the rules: new ones, approved ones, and those that go back."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path, PurePath
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET

from streamproc.contracts.records.rule_versions import RulesPublished, version_id
from streamproc.contracts.records.version_history import VersionHistory, number_of
from streamproc.contracts.rules_file.texts import Content
from streamproc.core.instants import from_ms
from streamproc.errors import StreamprocError
from streamproc.kafka.logins import PasswordLogin
from streamproc.kafka.settings import Broker, settings_of

MOST_LETTERS: Final = 64
UNKNOWN: Final = "unknown"


class PublishingError(StreamprocError):
    """What was asked for cannot be published. The message says why, and what to do."""


class Draft(NamedTuple):
    """What is to be published, and what its publisher says."""

    file: Path
    content: Content
    fingerprint: int
    note: str = ""
    valid_from_ms: int | None = None


def author_of(broker: Broker) -> str:
    """Who uses the broker: the user of the login with a password, or that of the system.

    It is not taken from a variable of the environment, which anybody can set.
    """
    login = settings_of(broker).login
    if isinstance(login, PasswordLogin):
        return login.username[:MOST_LETTERS] or UNKNOWN
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:MOST_LETTERS] or UNKNOWN
    except KeyError:  # a user of a container without a name
        return f"uid {os.getuid()}"


def process_here() -> str:
    """This process, for the field ``source``."""
    return f"{socket.gethostname()}-{os.getpid()}"[-MOST_LETTERS:]


def new_version(history: VersionHistory, draft: Draft, author: str, now_ms: int) -> RulesPublished:
    """The next version. Raises :class:`PublishingError`."""
    name = draft.file.name
    try:
        name.encode()
        texts = {PurePath(path).name: text.decode() for path, text in draft.content.texts.items()}
        rules = draft.content.rules.decode()
    except UnicodeError:
        raise PublishingError("the name of the file, or what is in it, is not UTF-8") from None
    start = draft.valid_from_ms
    if start is not None and start <= now_ms:
        raise PublishingError("the start instant is past: leave it out to begin at once")
    return RulesPublished(
        version_id(name, draft.content),
        history.app_id,
        from_ms(now_ms),
        process_here(),
        draft.fingerprint,
        name,
        rules,
        texts,
        number=history.next_number,
        author=author,
        note=draft.note,
        valid_from=UNSET if start is None else from_ms(start),
        awaits_approval=history.needs_approval,
    )


def approved(history: VersionHistory, number: int, approver: str, now_ms: int) -> RulesPublished:
    """The same version with an approver. Raises :class:`PublishingError`."""
    version = version_of(history, number)
    if history.is_approved(version):
        raise PublishingError(f"version {number} needs no approval")
    if approver == version.author:
        raise PublishingError(
            f"{approver} has published version {number}: somebody else must approve it, with "
            f"another login"
        )
    later = [one for one in history.versions if one > number]
    if later:
        raise PublishingError(
            f"version {max(later)} was published after version {number}: approve that one, or "
            f"publish the rules of version {number} again"
        )
    return msgspec.structs.replace(version, approver=approver, approved_at=from_ms(now_ms))


def reverted(
    history: VersionHistory, number: int | None, author: str, note: str, now_ms: int
) -> RulesPublished:
    """A new version with the content of an earlier one, by default of the one before.

    It needs no new approval if the earlier one was approved. Raises :class:`PublishingError`.
    """
    present = history.readable_in_force(now_ms)
    if number is not None:
        earlier = version_of(history, number)
    else:
        if present is None:
            raise PublishingError("no version is in force that could be taken back")
        found = history.before(present)
        if found is None:
            raise PublishingError(
                f"no other rules were in force before version {number_of(present)}"
            )
        earlier = found
    if present is not None and earlier.id == present.id:
        raise PublishingError(
            f"version {number_of(present)} is in force, and it has the same rules already"
        )
    if not history.is_approved(earlier):
        raise PublishingError(f"version {number_of(earlier)} was never approved")
    return msgspec.structs.replace(
        earlier,
        number=history.next_number,
        time=from_ms(now_ms),
        source=process_here(),
        author=author,
        note=note or f"back to version {number_of(earlier)}",
        valid_from=UNSET,
        approved_at=from_ms(now_ms) if earlier.approver is not UNSET else UNSET,
    )


def version_of(history: VersionHistory, number: int) -> RulesPublished:
    """A version by its number. Raises :class:`PublishingError`."""
    found = history.versions.get(number)
    if found is None:
        which = "cannot be read by this release" if number in history.unreadable else "is not there"
        raise PublishingError(f"version {number} of the rules of {history.app_id} {which}")
    return found
