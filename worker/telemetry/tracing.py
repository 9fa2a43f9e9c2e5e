"""Traces by OpenTelemetry: an extra, and off unless the standard variables say where they go.

request (API) ─► traceparent in job.json ─► queued, transcribe (worker) ─► webhook (sender) ─► its receiver
                                                               └► exporter ─► OTEL_EXPORTER_OTLP_ENDPOINT

A span names a job, a model and how things ended; never an owner, a file, an address or what was said.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from worker.runtime.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.trace import Span, Tracer
    from opentelemetry.util.types import AttributeValue

HEADER = "traceparent"  # of W3C Trace Context
WHERE = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_SECONDS = 1.0  # that a process may take at its end, whatever becomes of the collector

Kind = Literal["server", "internal", "consumer", "client"]

log = logging.getLogger(__name__)

_tracer: Tracer | None = None
_provider: TracerProvider | None = None


def set_up(program: str, processor: Callable[[], SpanProcessor] | None = None) -> None:
    """Traces of this process, if they are wanted and the extra is there. program: `api`, `worker` or `webhooks`.
    processor: what takes the spans, instead of the exporter."""
    global _tracer, _provider
    if processor is None and not is_wanted(os.environ):
        return
    try:
        _provider = _made(program, processor or _exporting)
    except ImportError:
        log.warning("There are no traces: what sends them is missing. Install it with: make engine EXTRA=otel")
        return
    except ValueError as error:
        log.warning("There are no traces, as a variable of OpenTelemetry (OTEL_*) is wrong: %s", error)
        return
    _tracer = _provider.get_tracer("whisper-native", VERSION)


def _made(program: str, processor: Callable[[], SpanProcessor]) -> TracerProvider:
    """Raises ImportError without the extra, ValueError for a variable that says what cannot be."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    name = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": f"whisper-native-{program}"}
    provider = TracerProvider(resource=Resource.create({**name, "service.version": VERSION}), shutdown_on_exit=False)
    provider.add_span_processor(processor())
    return provider


def is_wanted(environment: Mapping[str, str]) -> bool:
    is_off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return not is_off and any(environment.get(name) for name in WHERE)


def is_on() -> bool:
    return _tracer is not None


def shut_down() -> None:
    """Sends what is left, for `FLUSH_SECONDS` at most: a collector that is away must not hold the end up."""
    global _tracer, _provider
    provider, _tracer, _provider = _provider, None, None
    if provider:
        flushing = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
        flushing.start()
        flushing.join(FLUSH_SECONDS)


class Traced:
    """A span that is open, or nothing if there are no traces."""

    def __init__(self, span: Span | None) -> None:
        self._span = span

    def name(self, name: str) -> None:
        if self._span:
            self._span.update_name(name)

    def note(self, **attributes: AttributeValue | None) -> None:
        """Names are written with `__` for a dot; None says nothing."""
        if self._span:
            told = {name.replace("__", "."): value for name, value in attributes.items() if value is not None}
            self._span.set_attributes(told)

    def fail(self, why: str) -> None:
        """why: a code, never a message, which may quote what somebody sent."""
        if self._span:
            from opentelemetry.trace import StatusCode

            self._span.set_status(StatusCode.ERROR, why)


@contextmanager
def span(name: str, parent: str = "", kind: Kind = "internal", **attributes: AttributeValue | None) -> Iterator[Traced]:
    """What happens meanwhile. parent: a `traceparent`; empty: what is open already. attributes: see `Traced.note`."""
    if _tracer is None:
        yield Traced(None)
        return
    from opentelemetry.trace import SpanKind

    began = _tracer.start_as_current_span(
        name, _context(parent), SpanKind[kind.upper()], record_exception=False, set_status_on_exception=False
    )
    with began as opened:
        traced = Traced(opened)
        traced.note(**attributes)
        try:
            yield traced
        except BaseException as error:
            traced.fail(type(error).__name__)
            raise


def note_past(name: str, parent: str, began_at: float, **attributes: AttributeValue | None) -> None:
    """A span that ends now. began_at: unix seconds."""
    if _tracer is None:
        return
    past = _tracer.start_span(name, _context(parent), start_time=int(began_at * 1e9))
    Traced(past).note(**attributes)
    past.end(max(int(began_at * 1e9), time.time_ns()))


def current() -> str:
    """The `traceparent` of what is open here; empty if nothing is."""
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(HEADER, "")


def header_beside(headers: Iterable[str]) -> dict[str, str]:
    """What hands the trace on to whom we call, unless one of these headers does."""
    parent = current()
    return {HEADER: parent} if parent and HEADER not in map(str.lower, headers) else {}


def _context(parent: str) -> Context | None:
    if not parent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({HEADER: parent})


def _exporting() -> SpanProcessor:
    """By OTLP over HTTP, in batches, as the variables OTEL_EXPORTER_OTLP_* and OTEL_BSP_* say."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())
