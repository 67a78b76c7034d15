"""Access to the brokers with aiokafka."""

from __future__ import annotations

from streamproc.engine.cluster import Errors, Pack
from streamproc.engine.faust.advice import FORBIDDEN, TRANSIENT, advice
from streamproc.engine.faust.log_reader import BatchReader
from streamproc.engine.faust.producer import TransactionalProducer
from streamproc.engine.settings import EngineSettings


class Brokers:
    """Makes the clients of one worker."""

    transient: Errors = TRANSIENT
    forbidden: Errors = FORBIDDEN

    def __init__(self, settings: EngineSettings, pack: Pack | None = None) -> None:
        """``pack``: of :class:`TransactionalProducer`."""
        self._settings = settings
        self._pack = pack

    def producer(self, partition: int) -> TransactionalProducer:
        """A new producer that is not started yet."""
        settings = self._settings
        return TransactionalProducer(settings.broker, settings.app_id, partition, self._pack)

    async def reader(self) -> BatchReader:
        """A started reader."""
        reader = BatchReader(self._settings.broker)
        await reader.start()
        return reader

    def advice(self, error: BaseException) -> str:
        """What an operator can do about an error; empty if unknown."""
        return advice(error)
