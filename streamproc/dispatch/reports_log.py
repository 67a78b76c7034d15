"""The reports topic: every dispatcher writes its gateways' reports and reads all reports."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import structlog
from kafka import TopicPartition
from msgspec import Meta, Struct

from streamproc.contracts.records.codec import UNREADABLE
from streamproc.dispatch.journal import Moment
from streamproc.dispatch.matching import bounded_id
from streamproc.dispatch.model import DeliveryReport, ReportState
from streamproc.dispatch.number_hashes import LONGEST, keyed
from streamproc.dispatch.settings import DispatchSettings
from streamproc.kafka.clients import kafka_consumer, kafka_producer
from streamproc.kafka.durable import durable
from streamproc.kafka.packed import close_within

log = structlog.get_logger(__name__)


class _Record(Struct, frozen=True, array_like=True):
    gateway: Annotated[str, Meta(max_length=64)]
    message_id: str
    state: ReportState
    code: Annotated[str, Meta(max_length=64)]
    received_ms: Moment
    peer: Annotated[str, Meta(max_length=LONGEST)]


_decode = msgspec.json.Decoder(_Record).decode


def decode_report(value: bytes | None) -> DeliveryReport | None:
    """The report in a record; None if no dispatcher wrote it."""
    try:
        one = _decode(value or b"")
    except UNREADABLE:
        return None
    facts = one.state, one.code, one.received_ms, keyed(one.peer)
    return DeliveryReport(one.gateway, bounded_id(one.message_id), *facts)


class ReportsWriter:
    """Writes reports durably."""

    def __init__(self, settings: DispatchSettings) -> None:
        self._topic = settings.topics.reports
        self._producer: Any = kafka_producer(settings.broker, acks="all", linger_ms=5)

    async def write(self, report: DeliveryReport) -> None:
        """Write a report; returns when it is durable. Raises KafkaError."""
        record = _Record(
            report.gateway,
            report.message_id,
            report.state,
            report.code,
            report.received_ms,
            report.peer,
        )
        sent = self._producer.send(
            self._topic, key=report.message_id.encode(), value=msgspec.json.encode(record)
        )
        await durable(sent)

    def close(self) -> None:
        close_within(self._producer, 5)


class ReportsReader:
    """Reads all reports from the end, or from the position in a partition's journal. Blocking."""

    def __init__(self, settings: DispatchSettings) -> None:
        self._consumer: Any = kafka_consumer(
            settings.broker, enable_auto_commit=False, fetch_max_wait_ms=100
        )
        topic = settings.topics.reports
        numbers = self._consumer.partitions_for_topic(topic) or {0}
        self._places = {number: TopicPartition(topic, number) for number in numbers}
        self._consumer.assign(list(self._places.values()))

    def start(self) -> dict[int, int]:
        """Go to the end; returns the positions."""
        ends = self._consumer.end_offsets(list(self._places.values()))
        for place, offset in ends.items():
            self._consumer.seek(place, offset)
        return {place.partition: offset for place, offset in ends.items()}

    def rewind(self, positions: dict[int, int]) -> None:
        """Read again from ``positions`` where reading is further: it does no harm to read twice."""
        for number, offset in positions.items():
            place = self._places.get(number)
            if place is not None and offset < self._consumer.position(place):
                begin = self._consumer.beginning_offsets([place])[place]
                if offset < begin:
                    log.critical(
                        "reports were deleted before they were read: raise the topic's retention",
                        topic=place.topic,
                        partition=number,
                        lost_records=begin - offset,
                    )
                self._consumer.seek(place, max(offset, begin))

    def poll(self) -> list[tuple[DeliveryReport, tuple[int, int]]]:
        """Reports with their places."""
        found = []
        for place, records in self._consumer.poll(timeout_ms=100).items():
            for record in records:
                report = decode_report(record.value)
                if report is None:
                    log.warning(
                        "a record is not a delivery report; it is ignored",
                        topic=place.topic,
                        partition=place.partition,
                        offset=record.offset,
                    )
                    continue
                found.append((report, (place.partition, record.offset)))
        return found

    def close(self) -> None:
        self._consumer.close()
