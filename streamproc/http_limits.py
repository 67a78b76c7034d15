"""Asks a web server within a time as a whole, and follows no redirect.

The timeout of a socket is for each byte: a server that sends one now and then would hold its client
up for hours.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from streamproc.supervision import start_timer

Connection = TypeVar("Connection", bound=http.client.HTTPConnection)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would hand what is sent, such as a secret, to a place that nobody has named."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none: the answer becomes an error."""


class TimeLimit:
    """Ends a request that takes longer than so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._doubles: list[socket.socket] = []
        self._timer: threading.Timer | None = None
        self.is_over = False

    def __enter__(self) -> Self:
        self._timer = start_timer(self._seconds, self._cut, "time limit of a request")
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        for one in self._doubles:
            one.close()

    def opener(self, ca: Path | None = None) -> urllib.request.OpenerDirector:
        """Opens URLs within the limit."""
        context = ssl.create_default_context(cafile=ca)
        return urllib.request.build_opener(
            _NoRedirect, _Http(self._connection), _Https(self._connection, context)
        )

    def opener_of_http(self) -> urllib.request.OpenerDirector:
        """The same without the authorities of ``https://``, which take long to read."""
        return urllib.request.build_opener(_NoRedirect, _Http(self._connection))

    def _connection(self, kind: type[Connection], host: str, **more: Any) -> Connection:
        made: Any = kind(host, **more)
        made._create_connection = self._connect
        return made  # type: ignore[no-any-return]

    def _connect(self, *place: Any) -> socket.socket:
        connected = socket.create_connection(*place)
        # TLS takes the socket over. Its double ends the connection all the same.
        self._doubles.append(connected.dup())
        if self.is_over:  # each address of a host has a timeout of its own
            connected.close()
            raise TimeoutError("the time is over")
        return connected

    def _cut(self) -> None:
        self.is_over = True
        for one in self._doubles:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, made: Callable[..., Connection]) -> None:
        super().__init__()
        self._made = made

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(self._made, http.client.HTTPConnection), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, made: Callable[..., Connection], context: ssl.SSLContext) -> None:
        super().__init__()
        self._made = partial(made, http.client.HTTPSConnection, context=context)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._made, request)
