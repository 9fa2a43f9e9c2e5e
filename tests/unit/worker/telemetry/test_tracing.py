"""Traces: nothing without being asked, and one trace from the request over the worker to the receiver of a webhook."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.operations.traces import Traces
from worker.telemetry import tracing

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    monkeypatch.delenv("OTEL_SERVICE_NAME", raising=False)
    exporter = InMemorySpanExporter()
    tracing.set_up("worker", lambda: SimpleSpanProcessor(exporter))
    yield exporter
    tracing.shut_down()


@pytest.mark.parametrize(
    ("environment", "is_wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "True"}, False),
    ],
)
def test_the_standard_variables_say_whether_there_are_any(environment: dict[str, str], is_wanted: bool) -> None:
    assert tracing.is_wanted(environment) is is_wanted


def test_nothing_is_traced_unless_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.WHERE:
        monkeypatch.delenv(name, raising=False)
    tracing.set_up("api")
    with tracing.span("x", CALLER) as traced:
        traced.note(whisper__end="finished")
        traced.fail("server_error")
        assert tracing.current() == ""
    assert not tracing.is_on()


def test_spans_go_on_with_the_trace_they_are_given(spans: InMemorySpanExporter) -> None:
    with tracing.span("POST", CALLER, "server"):
        parent = tracing.current()
    tracing.note_past("queued", parent, 1_000_000_000.5, whisper__job__id="job_1")
    with pytest.raises(OSError), tracing.span("transcribe", parent, whisper__job__id="job_1", whisper__queue=None):
        raise OSError("a path nobody needs to see")
    request, queued, transcribe = spans.get_finished_spans()
    assert {f"{span.context.trace_id:x}" for span in (request, queued, transcribe) if span.context} == {
        "af7651916cd43dd8448eb211c80319c"
    }
    assert request.context
    assert queued.parent
    assert transcribe.parent
    assert queued.parent.span_id == transcribe.parent.span_id == request.context.span_id
    assert queued.start_time == 1_000_000_000_500_000_000
    assert dict(transcribe.attributes or {}) == {"whisper.job.id": "job_1"}
    assert (transcribe.status.status_code.name, transcribe.status.description) == ("ERROR", "OSError")
    assert request.resource.attributes["service.name"] == "whisper-native-worker"
    assert not any(span.events for span in (request, queued, transcribe))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "header", [b"", CALLER.encode(), b"nonsense", b"\xff" * 300], ids=["none", "w3c", "odd", "long"]
)
async def test_a_request_is_named_by_its_route_and_says_nothing_of_its_query(
    spans: InMemorySpanExporter, header: bytes
) -> None:
    class Route:
        path = "/v1/jobs/{job_id}"

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        scope["route"] = Route
        await send({"type": "http.response.start", "status": 503, "headers": []})  # type: ignore[operator]  # ASGI

    async def send(message: object) -> None: ...

    for path in ("/v1/jobs/job_1", "/health"):
        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"key=sk-secret"}
        await Traces(app)({**scope, "headers": [(b"traceparent", header)]}, None, send)  # type: ignore[arg-type]  # as above
    (span,) = spans.get_finished_spans()
    assert span.name == "GET /v1/jobs/{job_id}"
    assert span.status.status_code.name == "ERROR"
    assert "secret" not in span.to_json()
    assert (span.parent is not None) == (header == CALLER.encode())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "9999"),
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "-1"),
    ],
)
def test_a_wrong_variable_costs_the_traces_alone(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    tracing.set_up("api")
    assert not tracing.is_on()
    assert "OTEL_" in caplog.text
