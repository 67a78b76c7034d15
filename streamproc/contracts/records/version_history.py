"""The numbered versions of the rules of one application, and which of them is in force."""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from streamproc.contracts.records.rule_versions import RulesPublished, number_in, version_in
from streamproc.core.instants import to_ms
from streamproc.errors import StreamprocError

HOW_ON: Final = (
    "run the release that published it, or go back to an earlier version: "
    "streamproc rules revert NUMBER"
)


class UnreadableVersionError(StreamprocError):
    """A version that may be in force cannot be read by this release."""


class VersionHistory:
    """The versions as the records of the rules topic say them, in the order of their numbers."""

    def __init__(self, app_id: str, needs_approval: bool = False) -> None:
        """``needs_approval``: a version without an approver is not in force, whatever it says."""
        self.app_id = app_id
        self.needs_approval = needs_approval
        self.versions: dict[int, RulesPublished] = {}
        self._unreadable: set[int] = set()

    def take(self, key: bytes | None, value: bytes | None) -> bool:
        """Take a record of the topic; False if it has no version of this application."""
        number = number_in(key, self.app_id)
        if number is None or not number or value is None:
            return False
        version = version_in(value)
        if version is None or (version.app_id, version.number) != (self.app_id, number):
            self._unreadable.add(number)
            return True
        self._unreadable.discard(number)
        self.versions[number] = version
        return True

    @property
    def next_number(self) -> int:
        """The number of the next version."""
        return max((0, *self.versions, *self._unreadable)) + 1

    @property
    def newest_first(self) -> list[RulesPublished]:
        """All readable versions."""
        return [self.versions[number] for number in sorted(self.versions, reverse=True)]

    @property
    def unreadable(self) -> list[int]:
        """The numbers of versions that this release cannot read."""
        return sorted(self._unreadable)

    def readable_in_force(self, now_ms: int) -> RulesPublished | None:
        """The version in force at an instant, if later ones that cannot be read are not."""
        return next((one for one in self.newest_first if self.is_started(one, now_ms)), None)

    def in_force(self, now_ms: int) -> RulesPublished | None:
        """The version in force at an instant; None if there is none.

        Raises :class:`UnreadableVersionError` if a later one cannot be read.
        """
        found = self.readable_in_force(now_ms)
        least = 0 if found is None else number_of(found)
        later = [number for number in self.unreadable if number > least]
        if later:
            raise UnreadableVersionError(
                f"version {later[-1]} of the rules of {self.app_id} cannot be read by this "
                f"release: {HOW_ON}"
            )
        return found

    def is_approved(self, version: RulesPublished) -> bool:
        """Whether nobody has to approve it any more."""
        needs = version.awaits_approval or self.needs_approval
        return not needs or version.approver is not UNSET

    def is_started(self, version: RulesPublished, now_ms: int) -> bool:
        """Whether it is approved and its start instant has come."""
        start = version.valid_from
        return self.is_approved(version) and (start is UNSET or to_ms(start) <= now_ms)

    def state_of(self, version: RulesPublished, now_ms: int) -> str:
        """What a version is, in a few words."""
        try:
            present = self.in_force(now_ms)
        except UnreadableVersionError:
            return "unknown: a later version cannot be read"
        if present is not None and version.number == present.number:
            return "in force"
        if present is not None and number_of(version) < number_of(present):
            if not self.is_approved(version):
                return "replaced, never approved"
            return "replaced" if self._was_in_force(version) else "replaced before its start"
        return "waits for its start" if self.is_approved(version) else "waits for approval"

    def before(self, version: RulesPublished) -> RulesPublished | None:
        """The version that was in force before this one with other content; None if none was."""
        for one in self.newest_first:
            is_before = number_of(one) < number_of(version) and one.id != version.id
            if is_before and self.is_approved(one) and self._was_in_force(one):
                return one
        return None

    def _was_in_force(self, version: RulesPublished) -> bool:
        """Whether no later version was approved and started before it started itself."""
        start_ms = _start_ms(version)
        return all(
            _start_ms(one) >= start_ms
            for one in self.versions.values()
            if number_of(one) > number_of(version) and self.is_approved(one)
        )


def _start_ms(version: RulesPublished) -> int:
    """From when on a version was in force, if no later one was."""
    instants = (version.time, version.approved_at, version.valid_from)
    return max(to_ms(one) for one in instants if one is not UNSET)


def number_of(version: RulesPublished) -> int:
    """The number of a published version; 0 for what a worker keeps."""
    return 0 if version.number is UNSET else version.number
