"""POST, GET and DELETE /session: a browser signs in with a key, and has a cookie from then on.

`<audio>` and `EventSource` cannot send `Authorization`; a cookie they do. Programs need none of this.
"""

from __future__ import annotations

import hmac
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from api.http.cross_origin import check_own_page
from api.http.errors import ApiError
from api.http.sessions.cookie import LASTS, cookie_name
from api.intake.changes.json_body import read_object
from api.settings import LOCAL_OWNER
from api.state import AppState, AppStateDep

router = APIRouter()

MAX_BODY = 4096  # bytes


@router.post("/session", include_in_schema=False)
async def sign_in(request: Request, service: AppStateDep) -> Response:
    check_own_page(request.headers)
    key = (await read_object(request, MAX_BODY, "key")).get("key")
    if not service.settings.api_keys:
        return Response(status_code=204)  # there is nothing to sign in to
    owner = _owner_of(service, key) if isinstance(key, str) else None
    if owner is None:
        raise ApiError("invalid_api_key", "Invalid API key: it is not among the server's WHISPER_API_KEYS.")
    answer = Response(status_code=204)
    _set(answer, request, service.sessions.begin(owner), LASTS)
    return answer


@router.get("/session", include_in_schema=False)
async def session(request: Request, service: AppStateDep) -> JSONResponse:
    owner: str | None = request.state.owner
    name = None if owner == LOCAL_OWNER else owner
    answer: dict[str, Any] = {
        "name": name,
        "needs_key": service.settings.needs_key,
        "signed_in": name is not None,
    }
    return JSONResponse(answer)


@router.delete("/session", include_in_schema=False)
async def sign_out(request: Request) -> Response:
    check_own_page(request.headers)
    answer = Response(status_code=204)
    _set(answer, request, "", 0)
    return answer


def _owner_of(service: AppState, key: str) -> str | None:
    found = None
    for name, known in service.settings.api_keys.items():  # all of them, so that the time says nothing
        if hmac.compare_digest(key.strip().encode(), known.get_secret_value().encode()):
            found = name
    return found


def _set(answer: Response, request: Request, value: str, seconds: int) -> None:
    """seconds: how long the browser keeps the cookie."""
    is_https = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    name = cookie_name((request.scope.get("server") or ("", 0))[1])
    answer.set_cookie(name, value, max_age=seconds, path="/", secure=is_https, httponly=True, samesite="strict")
