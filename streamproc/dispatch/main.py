"""The composition root of a dispatcher: clock, randomness, signals, logging."""

from __future__ import annotations

import asyncio
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import structlog
from kafka.errors import (
    FencedInstanceIdError,
    GroupMaxSizeReachedError,
    InconsistentGroupProtocolError,
    InvalidSessionTimeoutError,
    KafkaError,
)

from streamproc.contracts.records.codec import UNREADABLE
from streamproc.contracts.records.receipts import decode_receipt
from streamproc.contracts.rules_file.read.parse import read_file
from streamproc.dispatch.assembly import (
    backoff_of,
    gateways_of,
    in_plain_text,
    lanes_of,
    router_of,
    with_canaries,
)
from streamproc.dispatch.config import CONSOLE_ONLY, load_gateways
from streamproc.dispatch.gateways.base import Gateway
from streamproc.dispatch.gateways.entry import GatewaysError
from streamproc.dispatch.membership import NO_MEMBER
from streamproc.dispatch.number_hashes import NumberHashes, keys_of
from streamproc.dispatch.owner import OwnershipError
from streamproc.dispatch.partition_journal import BrokenError
from streamproc.dispatch.runner import Runner
from streamproc.dispatch.scheduler import Scheduler
from streamproc.dispatch.settings import DispatchSettings
from streamproc.dispatch.statistics import ReceiptTally
from streamproc.dispatch.topics import DispatchError, prepare_topics, watch_of
from streamproc.dispatch.whole_topic import records_of
from streamproc.hard_end import HardEnd
from streamproc.kafka.errors import TopicError
from streamproc.kafka.missing_rights import missing_right, said
from streamproc.kafka.probe import refusal_of
from streamproc.kafka.topic_watch import watched
from streamproc.printable import printable
from streamproc.provision.planning import TopicsError
from streamproc.tracing.options import TracedProcess, open_tracer

log = structlog.get_logger(__name__)


def now_ms() -> int:
    """The wall clock."""
    return time.time_ns() // 1_000_000


def run_dispatcher(settings: DispatchSettings, file: Path | None) -> None:
    """Run until SIGTERM or SIGINT. Raises ``GatewaysError`` or :class:`DispatchError`."""
    config = CONSOLE_ONLY
    if file is not None:
        try:
            content = read_file(file)
        except OSError as error:
            problem = f"{file}: cannot be read: {error.strerror or error}"
            raise GatewaysError(printable(problem)) from None
        config = load_gateways(content, str(file))
    config = with_canaries(config)
    chance = random.SystemRandom().random
    gateways = gateways_of(config, file.parent if file else Path(), chance)
    plain = in_plain_text(config)
    if plain:
        log.warning(
            "numbers and texts go over the network without encryption",
            gateways=plain,
            advice="https:// for a webhook, tls: true for smpp, or a tunnel that ends on this "
            "machine (docs/security.md)",
        )
    with watched(settings.broker):
        # Nobody waits for the reports of canaries after a restart.
        of_customers = [gateways[one.name] for one in config.gateways if not one.canary]
        hashes = _hashes_of(settings, of_customers)
    partitions = prepare_topics(settings)
    scheduler = Scheduler(
        lanes_of(config),
        router_of(config, gateways, now_ms()),
        backoff_of(config),
        chance,
        settings.honour_expiry,
        hashes=hashes,
        canary_number=config.canary_number,
        partitions=partitions[settings.topics.reminders],
    )
    origin = TracedProcess("streamproc-dispatcher", settings.name, settings.group)
    tracer = open_tracer(settings.traces, origin)
    try:
        watch = watch_of(settings, partitions)
        asyncio.run(_until_signal(Runner, settings, scheduler, gateways, now_ms, watch, tracer))
    except (TopicError, TopicsError) as error:
        raise DispatchError(f"stopped: {error}") from error
    except (BrokenError, OwnershipError) as error:
        raise DispatchError(f"{error}; stopped, start it again") from error
    except NO_MEMBER as error:
        raise DispatchError(_no_member(error, settings)) from error
    except KafkaError as error:
        refusal = missing_right(error, settings.broker) or refusal_of(settings.broker)
        again = f"{said(error, settings.broker, place='Kafka')}; start it again"
        raise DispatchError(refusal or again) from error


def _no_member(error: KafkaError, settings: DispatchSettings) -> str:
    """Why this dispatcher cannot be a member of its group, and what to do."""
    if isinstance(error, FencedInstanceIdError):
        return (
            f"another dispatcher has joined the group {settings.group} with the same --instance-id "
            f"{settings.instance_id}: give each dispatcher one of its own"
        )
    if isinstance(error, GroupMaxSizeReachedError):
        return (
            f"the group {settings.group} has as many members as the broker's group.max.size allows"
        )
    if isinstance(error, InvalidSessionTimeoutError):
        return (
            f"the broker refuses --session-timeout-seconds {settings.session_timeout_seconds:g}: "
            f"it must lie between the broker's group.min.session.timeout.ms and "
            f"group.max.session.timeout.ms (6 s and 1800 s by default)"
        )
    if isinstance(error, InconsistentGroupProtocolError):
        return (
            f"the group {settings.group} has members of another kind: another program uses this "
            f"--group"
        )
    return f"--group {settings.group} is no name that a group may have"


def _hashes_of(settings: DispatchSettings, gateways: Iterable[Gateway]) -> NumberHashes:
    """The hashes of numbers. Without a key, those of this process mean nothing to others."""
    if settings.number_key is not None:
        return NumberHashes(keys_of(settings.number_key))
    if any(one.reports for one in gateways):
        log.warning(
            "there is no key for hashes of numbers, so this process uses a random one: delivery "
            "reports cannot settle what an earlier process or a peer left in doubt; give "
            "--number-key-file"
        )
    return NumberHashes([secrets.token_bytes(32)])


async def _until_signal(make: Callable[..., Runner], *parts: Any) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    hard_end = HardEnd("dispatcher")

    def end(number: int, frame: FrameType | None) -> None:
        # Also if the loop is blocked, such as by a file system that does not answer.
        hard_end.begin()
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        await make(*parts).run(stop)
        hard_end.done()
    finally:
        hard_end.begin()  # an end after an error can wait for Kafka, too


def show_statistics(settings: DispatchSettings, echo: Callable[[str], None]) -> None:
    """Read all receipts and show statistics. Raises :class:`DispatchError`."""
    tally = ReceiptTally()
    for record in records_of(settings, settings.topics.receipts):
        with suppress(*UNREADABLE):  # a dispatcher did not write it
            tally.add([decode_receipt(record.value)])
    if not tally.statuses:
        echo(f"no receipts in {settings.topics.receipts} yet")
        return
    echo("Times in ms, from the event's arrival or due instant, and from the reminder's record:")
    rows = tally.table()
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for (gateway, status), count in sorted(tally.by_gateway.items()):
        echo(f"{gateway}: {count} {status}")
