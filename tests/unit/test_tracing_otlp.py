"""Spans reach a collector by OTLP; without one nothing waits, and the log says so once."""

from __future__ import annotations

import logging
import os
import sys
import time
from functools import partial

import pytest
from structlog.testing import capture_logs

from streamproc.tracing.context import SpanContext
from streamproc.tracing.options import (
    TracedProcess,
    TracesError,
    TraceSettings,
    is_wanted,
    open_tracer,
    sampling_of,
)
from streamproc.tracing.spans import Sampling, Span, Tracer
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ORIGIN = TracedProcess("streamproc-test", "one", "group")
CONTEXT = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, 1, b"a=1,b=2")
PARENT = CONTEXT._replace(span_id=7)
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")


class Shown(logging.Handler):
    """What the root logger gets, as in a process."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def opened(monkeypatch: pytest.MonkeyPatch, url: str, **variables: str) -> Tracer:
    monkeypatch.setenv(ENDPOINT, url)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    tracer = open_tracer(TraceSettings(), ORIGIN)
    assert tracer is not None
    return tracer


def has_posts(receiver: OtlpReceiver, count: int) -> bool:
    return receiver.posts >= count


def span(number: int = 0, error: str = "") -> Span:
    context = CONTEXT._replace(span_id=CONTEXT.span_id + number)
    said: dict[str, str | int] = {"messaging.system": "kafka", "messaging.kafka.offset": 5}
    return Span("process events", "consumer", context, PARENT, 1_000, 2_000, said, [PARENT], error)


def test_a_span_arrives_as_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpReceiver() as receiver:
        variables = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test"}
        tracer = opened(monkeypatch, receiver.url, **variables)
        tracer.export(span())
        tracer.export(span(1, "malformed_json"))
        tracer.close()
        first, second = receiver.spans
    assert (first.name, first.kind) == ("process events", "consumer")
    assert first.trace_id == f"{CONTEXT.trace_id:032x}"
    assert first.span_id == f"{CONTEXT.span_id:016x}"
    assert first.parent_id == f"{PARENT.span_id:016x}"
    assert first.span.trace_state == "a=1,b=2"
    assert first.attributes == {"messaging.system": "kafka", "messaging.kafka.offset": 5}
    assert [link.span_id.hex() for link in first.span.links] == [first.parent_id]
    assert (first.span.start_time_unix_nano, first.span.end_time_unix_nano) == (1_000, 2_000)
    assert (first.span.status.code, second.span.status.code) == (0, 2)
    assert second.attributes["error.type"] == "malformed_json"
    assert first.resource["service.name"] == "streamproc-test"
    assert first.resource["service.instance.id"] == "one"
    assert first.resource["deployment.environment.name"] == "test"


def test_the_standard_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpReceiver() as receiver:
        variables = {"OTEL_SERVICE_NAME": "usage", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
        tracer = opened(monkeypatch, receiver.url, **variables)
        tracer.export(span())
        tracer.close()
    assert [one.resource["service.name"] for one in receiver.spans] == ["usage"]


def test_without_a_collector_nothing_waits_and_the_log_says_so_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = Shown()
    logging.getLogger().addHandler(shown)
    url = f"http://user:password@127.0.0.1:{free_port()}"
    with capture_logs() as lines:
        tracer = opened(
            monkeypatch,
            url,
            OTEL_BSP_MAX_QUEUE_SIZE="8",
            OTEL_BSP_MAX_EXPORT_BATCH_SIZE="4",
            OTEL_EXPORTER_OTLP_TIMEOUT="0.05",
        )
        began = time.monotonic()
        for number in range(500):
            tracer.export(span(number))
        # 125 batches of which each waits for its end take longer.
        assert time.monotonic() - began < 5
        wait_until(lambda: bool(lines), 10)
        for number in range(8):
            tracer.export(span(number))  # they fail, too
        tracer.close()
    (line,) = [one for one in lines if one["log_level"] == "warning"]
    assert line["event"].startswith("traces cannot be sent")
    assert "password" not in str(lines)
    logging.getLogger().removeHandler(shown)
    assert not [one for one in shown.records if one.name.startswith("opentelemetry")]


def test_a_collector_that_comes_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with OtlpReceiver([400, 400]) as receiver, capture_logs() as lines:
        tracer = opened(monkeypatch, receiver.url)
        for number in range(3):
            tracer.export(span(number))
            wait_until(partial(has_posts, receiver, number + 1), 10)
        tracer.close()
    assert [one["event"].split(",")[0] for one in lines] == [
        "traces cannot be sent",
        "traces are sent again",
    ]
    assert lines[1]["lost_spans"] == 2
    assert len(receiver.spans) == 1


@pytest.mark.parametrize(
    ("mode", "variables", "wanted"),
    [
        ("auto", {}, False),
        ("auto", {ENDPOINT: "http://c:4318"}, True),
        ("auto", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, True),
        ("auto", {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ("auto", {"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://c:4318"}, False),
        ("auto", {"OTEL_SDK_DISABLED": "TRUE", ENDPOINT: "http://c:4318"}, False),
        ("off", {ENDPOINT: "http://c:4318"}, False),
        ("on", {}, True),
        ("on", {"OTEL_SDK_DISABLED": "true"}, False),
        ("on", {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_spans_are_made_only_if_they_are_wanted(
    mode: str, variables: dict[str, str], wanted: bool
) -> None:
    assert is_wanted(mode, variables) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sampler", "arg", "found"),
    [
        ("", "", Sampling(0.0)),
        ("", "0.01", Sampling(0.01)),
        ("parentbased_traceidratio", "1", Sampling(1.0)),
        ("parentbased_always_on", "0", Sampling(1.0)),
        ("parentbased_always_off", "1", Sampling(0.0)),
        ("always_on", "", Sampling(1.0, follows_parent=False)),
        ("always_off", "", Sampling(0.0, follows_parent=False)),
        ("traceidratio", "0.25", Sampling(0.25, follows_parent=False)),
    ],
)
def test_the_sampler_is_the_one_of_the_variables(sampler: str, arg: str, found: Sampling) -> None:
    said = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": arg}
    assert sampling_of(said) == found


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_SAMPLER": "jaeger_remote"},
        {"OTEL_TRACES_SAMPLER_ARG": "1 %"},
        {"OTEL_TRACES_SAMPLER_ARG": "1.5"},
        {"OTEL_TRACES_SAMPLER_ARG": "nan"},
        {"OTEL_TRACES_EXPORTER": "console"},
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
        {"OTEL_BSP_MAX_QUEUE_SIZE": "1"},
    ],
)
def test_what_is_wrong_ends_the_start_only_if_traces_are_asked_for(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {ENDPOINT: "http://127.0.0.1:1", **variables}.items():
        monkeypatch.setenv(name, value)
    name = next(iter(variables))
    with pytest.raises(TracesError) as refused:
        open_tracer(TraceSettings("on"), ORIGIN)
    assert "protocol" in str(refused.value) or "OTEL_" in str(refused.value)
    with capture_logs() as lines:
        assert open_tracer(TraceSettings(), ORIGIN) is None
    assert len(lines) == 1, name


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "streamproc.tracing.otel", None)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    with pytest.raises(TracesError, match=r"streamproc\[otel\]"):
        open_tracer(TraceSettings("on"), ORIGIN)
    with capture_logs() as lines:
        assert open_tracer(TraceSettings(), ORIGIN) is None
    assert "streamproc[otel]" in lines[0]["why"]
