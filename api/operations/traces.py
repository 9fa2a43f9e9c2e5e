"""A span for each request, if traces are wanted: it goes on with the caller's trace."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from worker.telemetry import tracing

_QUIET = ("/health", "/health/ready", "/metrics")  # monitors ask for these every few seconds


class Traces:
    """Around everything, so that its span lasts until the last byte of the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not tracing.is_on() or scope["path"] in _QUIET:
            await self._app(scope, receive, send)
            return
        method: str = scope["method"]
        parent = Headers(scope=scope).get(tracing.HEADER, "")
        with tracing.span(method, parent, "server", http__request__method=method) as traced:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status: int = message["status"]
                    traced.note(http__response__status_code=status, http__route=_route(scope))
                    if status >= 500:
                        traced.fail(str(status))
                await send(message)

            await self._app(scope, receive, sending)
            if route := _route(scope):
                traced.name(f"{method} {route}")


def _route(scope: Scope) -> str | None:
    """As it is declared: a path has ids of jobs in it, and what strangers make up."""
    return getattr(scope.get("route"), "path", None)
