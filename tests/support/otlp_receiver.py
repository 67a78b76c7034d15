"""A collector on loopback that reads OTLP by the published protobufs."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Received(NamedTuple):
    """A span, and what its resource says."""

    span: Any
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.span.name)

    @property
    def kind(self) -> str:
        return str(Span.SpanKind.Name(self.span.kind)).removeprefix("SPAN_KIND_").lower()

    @property
    def trace_id(self) -> str:
        return str(self.span.trace_id.hex())

    @property
    def span_id(self) -> str:
        return str(self.span.span_id.hex())

    @property
    def parent_id(self) -> str:
        return str(self.span.parent_span_id.hex())

    @property
    def attributes(self) -> dict[str, Any]:
        return _values(self.span.attributes)


class OtlpReceiver:
    """Keeps the spans of all posts. ``answers``: the status of each post; 200 after the last."""

    def __init__(self, answers: Sequence[int] = (), port: int = 0) -> None:
        self.spans: list[Received] = []
        self.posts = 0
        self._answers = list(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = receiver.take(self.path, dict(self.headers), body)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.posts += 1
        status = self._answers.pop(0) if self._answers else 200
        if status != 200:
            return status
        named = {name.lower(): value for name, value in headers.items()}
        assert path == "/v1/traces"
        assert named["content-type"] == "application/x-protobuf"
        if named.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        request = ExportTraceServiceRequest.FromString(body)
        for of_resource in request.resource_spans:
            resource = _values(of_resource.resource.attributes)
            for of_scope in of_resource.scope_spans:
                assert of_scope.scope.name == "streamproc"
                self.spans += [Received(span, resource) for span in of_scope.spans]
        return status

    def named(self, name: str) -> list[Received]:
        return [one for one in self.spans if one.name == name]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def main() -> None:
    """Print the address, and the number of spans when standard input ends."""
    with OtlpReceiver() as receiver:
        print(receiver.url, flush=True)
        sys.stdin.read()
        print(len(receiver.spans), flush=True)


if __name__ == "__main__":
    main()
