"""GET /: the page for people; its files lie below /page."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.answers.transcript_response import takes_gzip
from api.http.errors import ApiError
from api.page.static_files import StaticFile, sent_file, static_file, version

router = APIRouter()

# File names and transcripts can only ever be text: with trusted types `innerHTML` throws.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
START = "index.html"
VERSIONED = re.compile(r"v-(\w+)/(.+)", re.DOTALL)
ASKED_EACH_TIME = "no-cache"
KEPT = "public, max-age=31536000, immutable"  # under this address it never changes


@router.get("/", include_in_schema=False)
@router.get("/page", include_in_schema=False)
async def page(request: Request) -> Response:
    return await _answer(request, START)


@router.get("/page/{name:path}", include_in_schema=False)
async def page_file(name: str, request: Request) -> Response:
    return await _answer(request, name)


async def _answer(request: Request, name: str) -> Response:
    file, caching = await run_in_threadpool(_found, name)
    if file is None:
        raise ApiError("not_found", f"There is no file '{name[:100]}' of the page.")
    headers = {"etag": file.etag, "cache-control": caching, "vary": "accept-encoding"}
    if file.content_type.startswith("text/html"):
        headers["content-security-policy"] = POLICY
    if _is_known(request, file):
        return Response(status_code=304, headers=headers)
    body = file.content
    if file.gzipped is not None and takes_gzip(",".join(request.headers.getlist("accept-encoding"))):
        body, headers["content-encoding"] = file.gzipped, "gzip"
    return Response(body, headers={**headers, "content-type": file.content_type})


def _found(name: str) -> tuple[StaticFile | None, str]:
    """And for how long it may be kept. Of another version, which a page asks for that was opened before an upgrade,
    there is only what it is now. Blocks."""
    versioned = VERSIONED.fullmatch(name)
    if versioned is None:
        return static_file(name), ASKED_EACH_TIME
    return sent_file(versioned[2]), KEPT if versioned[1] == version() else ASKED_EACH_TIME


def _is_known(request: Request, file: StaticFile) -> bool:
    known = ",".join(request.headers.getlist("if-none-match"))
    return file.etag in (etag.strip() for etag in known.split(","))
