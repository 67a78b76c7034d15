"""Commands that show whole numbers or texts write that down first (``tools/revealing.py``)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

from streamproc.cli.printing import echo
from streamproc.cli.topic_options import topic_options
from streamproc.contracts.records.reveals import RevealCommand
from streamproc.contracts.topics import WorkerTopics
from streamproc.kafka.settings import KafkaSettings

Command = TypeVar("Command", bound=Callable[..., Any])

reveals_option = topic_options(WorkerTopics, "reveals")


def write_down(
    broker: KafkaSettings | None, topic: str, command: RevealCommand, subscribers: Collection[str]
) -> None:
    """Write that something of these subscribers is about to be shown.

    Raises ``TopicError`` if the broker does not take it: then nothing must be shown. Without a
    broker there is only a warning: what is in files can be read with any program.
    """
    if not subscribers:
        return
    if broker is None:
        count = len(set(subscribers))
        whose = "1 subscriber" if count == 1 else f"{count:,} subscribers"
        warn(f"numbers of {whose} are shown, and no broker is asked")
        return
    from streamproc.tools.revealing import Reveals

    with Reveals(broker, topic, command) as reveals:
        reveals.write(subscribers)


def warn(why: str) -> None:
    """Say that something is shown and not written down."""
    echo(f"warning: this is written down nowhere: {why}", err=True)
