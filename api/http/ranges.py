"""The Range header, before a file is served: senseless ones are left out, unsatisfiable ones get our error's shape."""

from __future__ import annotations

import re

from starlette.requests import Request

from api.http.errors import ApiError

_RANGE = r"(?:\d{1,18}-\d{0,18}|-\d{1,18})"
_RANGES = re.compile(rf"\s*bytes\s*=\s*({_RANGE}(?:\s*,\s*{_RANGE})*)\s*", re.IGNORECASE)


def check_range(request: Request, size: int) -> None:
    """Raises ApiError if a part is asked for that a file of this size does not have. What is no range of bytes is
    taken out of the request, as RFC 9110 wants it: the answer is the whole file."""
    header = request.headers.get("range")
    if header is None:
        return
    found = _RANGES.fullmatch(header)
    parts = [part.strip().partition("-") for part in found[1].split(",")] if found else []
    if not parts or any(first and last and int(last) < int(first) for first, _, last in parts):
        request.scope["headers"] = [row for row in request.scope["headers"] if row[0] != b"range"]
    elif any(int(first) >= size if first else int(last) == 0 for first, _, last in parts):
        message = f"The recording has {size} bytes; the range '{header[:100]}' is beyond them."
        raise ApiError("range_not_satisfiable", message, param="range", headers={"content-range": f"bytes */{size}"})
