"""A broker in this process, for trying the program without Kafka."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, ClassVar, Self

from confluent_kafka import KafkaException, Producer

from streamproc.errors import StreamprocError

START_LIMIT_S = 10.0


class NoEmbeddedBrokerError(StreamprocError):
    """The embedded broker did not answer within ``START_LIMIT_S``."""


class EmbeddedBroker:
    """librdkafka's in-memory mock cluster of one broker, for demos; it is not a Kafka.

    ``bootstrap`` is its ``host:port``, from __enter__ to __exit__ and on loopback only. The broker
    lives in this process: the end of the ``with`` (or of the process) deletes it with all its data.
    So it must stay open as long as any client uses it.

    Its limits:

    - It does not understand CreateTopics: a topic is created at its first use, always with 4
      partitions. Topic settings (compaction, retention) have no effect.
    - A partition keeps about 5 MiB, or 100,000 batches; the oldest are deleted silently.
    - It accepts transactions but does not isolate them: read_committed readers see uncommitted and
      aborted records too. Its transaction markers have no checksum. Consumers that check it (the
      default of kafka-python and aiokafka) stop reading there, so a worker cannot load a changelog
      from it.
    - It finds no offsets by time.
    - The first join of a consumer group takes 3 s. Each later rebalance takes the members' session
      timeout minus 1 s (kafka-python sometimes needs one right after its first join). So give group
      members a short session timeout. Partitions that are assigned by hand can be read at once.

    aiokafka and confluent-kafka can connect without special settings. kafka-python needs
    kafka_python_settings in every client: it begins with a newer ApiVersions request than the mock
    understands and cannot read the malformed refusal; from version 2.4 on, the two also disagree on
    metadata. Consumers of records that transactions wrote need kafka_python_consumer_settings.
    """

    kafka_python_settings: ClassVar[dict[str, Any]] = {"api_version": (2, 3)}
    kafka_python_consumer_settings: ClassVar[dict[str, Any]] = {
        **kafka_python_settings,
        "check_crcs": False,
    }

    def __init__(self) -> None:
        self.bootstrap = ""
        self._cluster: Producer | None = None

    def __enter__(self) -> Self:
        """Start the broker; raises :class:`NoEmbeddedBrokerError`."""
        # Without log_level the library writes a notice to standard error at each start.
        cluster = Producer({"test.mock.num.brokers": 1, "log_level": 4})
        try:
            brokers = cluster.list_topics(timeout=START_LIMIT_S).brokers
        except KafkaException as error:
            raise NoEmbeddedBrokerError(f"the embedded broker does not answer: {error}") from error
        (only,) = brokers.values()
        self.bootstrap = f"{only.host}:{only.port}"
        # The cluster belongs to this client and ends with it, so the client must be kept.
        self._cluster = cluster
        return self

    def make_topics(self, topics: Iterable[str]) -> None:
        """Let topics come into being: the clients of this package ask for none that is not there.

        Raises :class:`NoEmbeddedBrokerError`.
        """
        assert self._cluster is not None
        try:
            for topic in topics:
                self._cluster.list_topics(topic, timeout=START_LIMIT_S)
        except KafkaException as error:
            raise NoEmbeddedBrokerError(f"the embedded broker makes no topic: {error}") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._cluster is not None:
            self._cluster.close()
        self._cluster = None
        self.bootstrap = ""
