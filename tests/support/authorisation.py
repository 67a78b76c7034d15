"""An OAuth 2.0 authorisation server that gives what a test wants."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


class AuthorisationServer(ThreadingHTTPServer):
    """Numbers its tokens; ``answer`` replaces what it says: a status, and a body."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, dict[str, list[str]]]] = []
        self.answer: tuple[int, Any] | None = None
        self.token: Callable[[], str] = lambda: f"token {len(self.asked)}"
        self.expires_in: object = 100
        self.raw: bytes | None = None
        """What it says instead of HTTP."""
        self.location = ""
        """Where it sends clients with a redirect."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/token"


class _Handler(BaseHTTPRequestHandler):
    server: AuthorisationServer

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        who = base64.b64decode(self.headers["Authorization"].removeprefix("Basic ")).decode()
        self.server.asked.append((who, form))
        good = {"access_token": self.server.token(), "expires_in": self.server.expires_in}
        if self.server.raw is not None:
            self.wfile.write(self.server.raw)
            return
        status, body = self.server.answer or (200, good)
        self.send_response(status)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def authorisation_server() -> Iterator[AuthorisationServer]:
    """It answers for the length of the ``with``."""
    with AuthorisationServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def unsigned_token(user: str, life_seconds: int = 3600) -> str:
    """A JSON Web Token that a broker without an authority for tokens takes."""
    now = int(time.time())
    claims = {"sub": user, "iat": now, "exp": now + life_seconds}
    parts = (json.dumps(one).encode() for one in ({"alg": "none"}, claims))
    return ".".join(base64.urlsafe_b64encode(one).rstrip(b"=").decode() for one in parts) + "."
