"""One broker for tests that run in several processes (pytest-xdist).

The process that distributes the tests owns the broker. It opens the broker when the first test
process asks for it, so a run without broker tests starts none, and closes it when all tests are
done. A test process asks over a local connection. It gets the address, or the reason why there is
no broker.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Client, Listener

from tests.support.broker import BrokerAddress, BrokerUnavailable, open_broker
from tests.support.jvm_broker import BrokerStartError

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What a test process gets: the broker's address, or else why there is none."""

    bootstrap: str = ""
    problem: str = ""


class BrokerHost:
    """Opens one broker on demand and tells its address to whoever asks."""

    def __init__(self, choice: str) -> None:
        """``choice`` as for :func:`tests.support.broker.open_broker`. Opens no broker yet."""
        self._choice = choice
        self._stack = ExitStack()
        self._listener = Listener((_HOST, 0))
        self._thread = threading.Thread(target=self._serve, name="broker host", daemon=True)
        self.port: int = self._listener.address[1]

    def start(self) -> None:
        """Answer from now on, in a thread of its own."""
        self._thread.start()

    def close(self) -> None:
        """Answer nobody any more, and close the broker if there is one."""
        with Client((_HOST, self.port)) as connection:
            connection.send(False)
        self._thread.join()
        self._listener.close()
        self._stack.close()

    def _serve(self) -> None:
        answer: Answer | None = None
        while True:
            with self._listener.accept() as connection:
                if not connection.recv():
                    return
                answer = answer or self._open()
                connection.send(answer)

    def _open(self) -> Answer:
        try:
            return Answer(self._stack.enter_context(open_broker(self._choice)).bootstrap)
        except (BrokerUnavailable, BrokerStartError) as error:
            return Answer(problem=str(error))


def ask_for_broker(port: int) -> BrokerAddress:
    """The address of the broker that the :class:`BrokerHost` on ``port`` has.

    Raises BrokerUnavailable with the host's reason if it has none.
    """
    with Client((_HOST, port)) as connection:
        connection.send(True)
        answer: Answer = connection.recv()
    if answer.problem:
        raise BrokerUnavailable(answer.problem)
    return BrokerAddress(answer.bootstrap)
