"""Each event id is charged once within the dedupe horizon, in bounded memory.

The account keeps eight bytes per charged id, oldest first, in one byte string. Ids are grouped into
segments of the account's own time. A segment is forgotten when all of it lies before the horizon.
The number of ids is limited to ``max_ids``; beyond it the oldest are forgotten, so the horizon of a
subscriber with many events is shorter. Two different ids collide with a probability below n / 2**61
per event, for n remembered ids.
"""

from __future__ import annotations

from xxhash import xxh3_64_digest

from streamproc.core.state.account import Account

ID_BYTES = 8
SEGMENT_MS = 7 * 86_400_000


def digest(source: str, event_id: str) -> bytes:
    """Eight bytes for an event: CloudEvents' identity is source plus id."""
    # The length separates source and id; a separator could occur inside them. State records hold
    # these digests. Another form needs another STATE_VERSION and another form in
    # native/src/applying.rs.
    return xxh3_64_digest(f"{len(source)}:{source}{event_id}".encode())


def is_seen(account: Account, key: bytes) -> bool:
    """Whether an id was charged before."""
    seen = account.seen_ids
    at = seen.find(key)
    while at >= 0:
        if at % ID_BYTES == 0:
            return True
        at = seen.find(key, at + 1)  # the eight bytes found lie across two neighbouring ids
    return False


def remember(account: Account, key: bytes, now_ms: int, horizon_ms: int, max_ids: int) -> int:
    """Remember a charged id. Returns how many ids within the horizon had to be forgotten for
    space."""
    marks = account.seen_marks
    segment = now_ms // SEGMENT_MS
    account.seen_ids += key
    if marks and marks[-2] >= segment:
        marks[-1] += 1
    else:
        marks.extend((segment, 1))
        _forget_before(account, now_ms - horizon_ms)
    excess = len(account.seen_ids) // ID_BYTES - max_ids
    if excess > 0:
        _forget(account, excess)
    return max(excess, 0)


def _forget_before(account: Account, oldest_ms: int) -> None:
    marks = account.seen_marks
    count = 0
    for index in range(0, len(marks), 2):
        if (marks[index] + 1) * SEGMENT_MS > oldest_ms:
            break
        count += marks[index + 1]
    if count:
        _forget(account, count)


def _forget(account: Account, count: int) -> None:
    account.seen_ids = account.seen_ids[count * ID_BYTES :]
    marks = account.seen_marks
    while count:
        take = min(count, marks[1])
        marks[1] -= take
        count -= take
        if not marks[1]:
            del marks[:2]
