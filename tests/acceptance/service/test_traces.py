"""One trace from the caller over the API and the worker to the receiver of the webhook, at a collector."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.acceptance.live import until
from tests.services import Start

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = f"00-{TRACE}-b7ad6b7169203331-01"


class Collected:
    """What a collector of OpenTelemetry, and a receiver of webhooks, were sent."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: dict[str, str] = {}  # name of each span of our trace -> service
        self.heads: list[str] = []  # `traceparent` of each webhook


@contextmanager
def collecting() -> Iterator[Collected]:
    collected = Collected()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/v1/traces":
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    values = {item.key: item.value.string_value for item in group.resource.attributes}
                    spans = [span for scope in group.scope_spans for span in scope.spans]
                    ours = (span.name for span in spans if span.trace_id.hex() == TRACE)
                    collected.spans |= dict.fromkeys(ours, values["service.name"])
            else:
                collected.heads.append(self.headers.get("traceparent", ""))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield collected
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_a_job_is_one_trace_at_the_collector(start_service: Start, clip: Path) -> None:
    """Slow: a service of its own; what the spans hold is in tests/unit/worker/telemetry/test_tracing.py."""
    with collecting() as collected:
        service = start_service(
            "traced",
            WHISPER_ENGINE="fake",
            WHISPER_WEBHOOK_ALLOWED_HOSTS="localhost",
            OTEL_EXPORTER_OTLP_ENDPOINT=collected.url,
            OTEL_BSP_SCHEDULE_DELAY="100",
        )
        files = {"file": ("clip.wav", clip.read_bytes())}
        fields = {"webhook_url": collected.url.replace("127.0.0.1", "localhost") + "/hook"}
        answer = service.post("/v1/jobs", data=fields, files=files, headers={"traceparent": CALLER})
        service.ended(answer.json()["id"])
        until(lambda: {"POST /v1/jobs", "queued", "transcribe", "webhook"} <= set(collected.spans), "the spans come")
        assert collected.spans["POST /v1/jobs"] == "whisper-native-api"
        assert collected.spans["transcribe"] == "whisper-native-worker"
        assert collected.spans["webhook"] == "whisper-native-webhooks"
        assert [head.split("-")[1] for head in collected.heads] == [TRACE]


@pytest.mark.slow
def test_a_collector_that_is_away_costs_nobody_anything(start_service: Start, clip: Path) -> None:
    """Slow: a service of its own."""
    service = start_service("untraced", WHISPER_ENGINE="fake", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert service.transcribe(clip).status_code == 200
    service.stop()
