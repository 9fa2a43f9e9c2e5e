"""GET /docs: Swagger UI over the OpenAPI document, served from here under a strict policy.

Its files are those of the npm package swagger-ui-dist 5.35.0 (Apache-2.0), compressed. No package of PyPI has them both
small and new enough for OpenAPI 3.1. To renew them: `npm pack swagger-ui-dist`, `gzip -9 -n`.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.http.errors import ApiError

router = APIRouter()

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOLDER = Path(__file__).parent / "swagger_ui"
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_COMPRESSED = ("swagger-ui-bundle.js", "swagger-ui.css")
_OTHERS = ("start.js",)
_KEPT = "private, max-age=86400"  # by a browser, for a day


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> Response:
    return _file(request, "index.html", {"content-security-policy": POLICY})


@router.get("/docs/{name}", include_in_schema=False)
async def documentation_file(name: str, request: Request) -> Response:
    if name in _OTHERS:
        return _file(request, name, {})
    if name not in _COMPRESSED:
        raise ApiError("not_found", f"There is no file '{name[:100]}' in the documentation.")
    return _file(request, name, {"cache-control": _KEPT, "vary": "accept-encoding"}, ".gz")


def _file(request: Request, name: str, headers: dict[str, str], suffix: str = "") -> Response:
    content = _content(name + suffix)
    if suffix and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
    elif suffix:
        content = gzip.decompress(content)
    return Response(content, media_type=f"{_TYPES[Path(name).suffix]}; charset=utf-8", headers=headers)


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
