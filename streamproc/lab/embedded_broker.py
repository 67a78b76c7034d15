"""A broker inside this process, for trying the program without Kafka."""

from __future__ import annotations

from types import TracebackType
from typing import Any, ClassVar, Self

from confluent_kafka import KafkaException, Producer

from streamproc.errors import StreamprocError

START_LIMIT_S = 10.0


class NoEmbeddedBrokerError(StreamprocError):
    """The embedded broker did not answer within ``START_LIMIT_S``."""


class EmbeddedBroker:
    """librdkafka's in-memory mock cluster of one broker, for demos; it is no Kafka.

    ``bootstrap`` is its ``host:port``, from __enter__ to __exit__ and on loopback only. The
    broker lives in this process: leaving the ``with`` (or the process's end) takes it and all
    its data away, so it must stay open for as long as any client uses it.

    Its limits:

    - CreateTopics is not understood: a topic comes into being when first used, and always
      with 4 partitions. Topic settings (compaction, retention) have no effect.
    - A partition keeps about 5 MiB, or 100,000 batches; the oldest go first, silently.
    - Transactions are accepted but do not isolate: read_committed readers see uncommitted and
      aborted records too. Their markers carry no checksum: consumers that check (the defaults of
      kafka-python and aiokafka) refuse to read on, so a worker cannot load a changelog from it.
    - Looking up offsets by time finds nothing.
    - The first join of a consumer group takes 3 s, each later rebalance the members' session
      timeout less 1 s (kafka-python at times needs one right after its first join): give group
      members a short session timeout. Partitions assigned by hand are read at once.

    aiokafka and confluent-kafka connect as they are. kafka-python needs kafka_python_settings
    in every client: it opens with a newer ApiVersions request than the mock understands, whose
    malformed refusal it cannot read, and from 2.4 on the two disagree on metadata. Consumers of
    what transactions wrote need kafka_python_consumer_settings.
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
        # log_level: without it the library writes a notice on standard error at each start.
        cluster = Producer({"test.mock.num.brokers": 1, "log_level": 4})
        try:
            brokers = cluster.list_topics(timeout=START_LIMIT_S).brokers
        except KafkaException as error:
            raise NoEmbeddedBrokerError(f"the embedded broker does not answer: {error}") from error
        (only,) = brokers.values()
        self.bootstrap = f"{only.host}:{only.port}"
        # The cluster belongs to this client and ends with it: it must not be collected.
        self._cluster = cluster
        return self

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
