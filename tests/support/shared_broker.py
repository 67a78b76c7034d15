"""Brokers for tests that run in several processes (pytest-xdist): one plain, one secured.

The process that distributes the tests owns the brokers. It opens each when the first test process
asks for it, so a run without broker tests starts none, and closes them when all tests are done. A
test process asks over a local connection. It gets the address, or the reason why there is no
broker.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Client, Listener

from tests.support.broker import BrokerAddress, BrokerUnavailable, open_broker
from tests.support.jvm_broker import BrokerStartError
from tests.support.secured_broker import SecuredAddresses, SecuredBroker

_HOST = "127.0.0.1"
_PLAIN, _SECURED, _END = "plain", "secured", ""


@dataclass(frozen=True)
class Answer:
    """What a test process gets: the broker's address, or the reason why there is none."""

    bootstrap: str = ""
    problem: str = ""
    secured: SecuredAddresses | None = None


class BrokerHost:
    """Opens a broker on demand and gives its address to the processes that ask."""

    def __init__(self, choice: str) -> None:
        """``choice`` as for :func:`tests.support.broker.open_broker`. Opens no broker yet."""
        self._choice = choice
        self._stack = ExitStack()
        self._listener = Listener((_HOST, 0))
        self._thread = threading.Thread(target=self._serve, name="broker host", daemon=True)
        self.port: int = self._listener.address[1]

    def start(self) -> None:
        """Answer from now on, in a separate thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering, and close the broker if there is one."""
        with Client((_HOST, self.port)) as connection:
            connection.send(_END)
        self._thread.join()
        self._listener.close()
        self._stack.close()

    def _serve(self) -> None:
        answers: dict[str, Answer] = {}
        while True:
            with self._listener.accept() as connection:
                asked: str = connection.recv()
                if asked == _END:
                    return
                if asked not in answers:
                    answers[asked] = self._open(asked)
                connection.send(answers[asked])

    def _open(self, asked: str) -> Answer:
        try:
            if asked == _SECURED:
                return Answer(secured=self._stack.enter_context(SecuredBroker()).addresses)
            return Answer(self._stack.enter_context(open_broker(self._choice)).bootstrap)
        except (BrokerUnavailable, BrokerStartError) as error:
            return Answer(problem=str(error))


def ask_for_broker(port: int) -> BrokerAddress:
    """The address of the broker of the :class:`BrokerHost` on ``port``.

    Raises BrokerUnavailable with the host's reason if it has none.
    """
    return BrokerAddress(_ask(port, _PLAIN).bootstrap)


def ask_for_secured_broker(port: int) -> SecuredAddresses:
    """As :func:`ask_for_broker`, for the broker with TLS, logins and rights."""
    found = _ask(port, _SECURED).secured
    assert found is not None
    return found


def _ask(port: int, which: str) -> Answer:
    with Client((_HOST, port)) as connection:
        connection.send(which)
        answer: Answer = connection.recv()
    if answer.problem:
        raise BrokerUnavailable(answer.problem)
    return answer
