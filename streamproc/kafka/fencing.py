"""Keeps a fenced transactional producer of kafka-python fenced."""

from __future__ import annotations

from typing import Any


def stay_fenced(producer: Any) -> None:
    """Call it before ``init_transactions``.

    kafka-python answers a stale epoch by asking for a new one with the same transactional id. A
    process that was suspended while another one took over its work would so fence its successor,
    and both would stop. Without that recovery the error is final, as fencing should be.
    """
    producer._transaction_manager._supports_epoch_bump = lambda: False
