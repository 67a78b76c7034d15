"""A transactional kafka-python producer that was fenced stays so."""

from __future__ import annotations

from typing import Any


def stay_fenced(producer: Any) -> None:
    """To be called before ``init_transactions``.

    kafka-python answers a stale epoch by asking for a new one under the same transactional id. A
    process that was suspended while another took its work over would so fence its successor, and
    both would stop. Without that recovery the error is final, which is what fencing means.
    """
    producer._transaction_manager._supports_epoch_bump = lambda: False
