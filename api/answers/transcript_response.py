"""A rendered transcript on its way out: under its recording's name, and compressed if its client likes."""

from __future__ import annotations

import gzip
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import Response

from api.answers.formats import Rendered

WORTH_COMPRESSING = 1024  # bytes
LEVEL = 1  # of gzip: 6 takes four times as long, and what comes of it is a fifth smaller
_SHOWN = ("json", "txt")  # what a browser shows rather than saves
_COMPRESSED = ("docx",)  # by itself
MAX_NAME = 200  # bytes of a file's name: systems take 255


def transcript_response(rendered: Rendered, recording: str, asked: Headers, revision: int | None = None) -> Response:
    """recording: its name. asked: the request's headers. revision: of what was corrected, if that may be. Blocks: run
    it in a thread."""
    name = file_name(recording, rendered.extension)
    headers = {
        **rendered.headers,
        "content-disposition": content_disposition(name, is_shown=rendered.extension in _SHOWN),
        "vary": "accept-encoding",
        **({} if revision is None else {"etag": entity_tag(revision)}),
    }
    body = rendered.body
    is_worth_it = len(body) >= WORTH_COMPRESSING and rendered.extension not in _COMPRESSED
    if is_worth_it and takes_gzip(",".join(asked.getlist("accept-encoding"))):
        body, headers["content-encoding"] = gzip.compress(body, LEVEL, mtime=0), "gzip"
    return Response(body, media_type=None, headers=headers)


def entity_tag(revision: int) -> str:
    return f'"{revision}"'


def file_name(recording: str, extension: str) -> str:
    """The recording's name, which a client made up, with another ending: safe as the name of a file."""
    base = recording.replace("\\", "/").rpartition("/")[2]
    stem, point, _ = base.rpartition(".")
    plain = "".join("_" if not sign.isprintable() or sign in '<>:"|?*' else sign for sign in (stem if point else base))
    short = plain.encode(errors="ignore")[:MAX_NAME].decode(errors="ignore").strip(". ")
    return f"{short or 'transcript'}.{extension}"


def content_disposition(name: str, *, is_shown: bool = False) -> str:
    """RFC 6266: the name as UTF-8 (RFC 5987), and for older clients as ASCII if it is not."""
    kind = "inline" if is_shown else "attachment"
    plain = "".join(sign if " " <= sign <= "~" and sign not in '"\\%' else "_" for sign in name)
    encoded = f"; filename*=UTF-8''{quote(name, safe='')}" if plain != name else ""
    return f'{kind}; filename="{plain}"{encoded}'


def takes_gzip(accepted: str) -> bool:
    """accepted: the header Accept-Encoding."""
    weights = {}
    for part in accepted.lower().split(","):
        name, _, parameter = part.partition(";")
        weights[name.strip()] = parameter.replace(" ", "")
    weight = weights.get("gzip", weights.get("*"))
    return weight is not None and weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
