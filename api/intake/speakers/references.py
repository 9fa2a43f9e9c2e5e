"""References: a few seconds in which a known speaker speaks alone, as data URLs.

They are decoded by a worker, like every upload. Here is refused what can be told without that.
"""

from __future__ import annotations

import base64
import binascii
import io
import re
from urllib.parse import unquote

from api.http.errors import ApiError
from api.intake.declared_duration import known_seconds

MAX_REFERENCES = 4
MIN_SECONDS, MAX_SECONDS = 2.0, 10.0
SLACK = 0.5  # seconds: some files only estimate how long they are, and a worker looks closer
MAX_URL = 4 * 1024 * 1024  # bytes of a data URL: 10 s of stereo with 24 bits at 48 kHz have 3.9 MB

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,")


def read_references(urls: object) -> tuple[bytes, ...]:
    """The files in data URLs. Raises ValueError, which says what is wrong with them."""
    texts = list(urls) if isinstance(urls, tuple | list) else []
    if len(texts) > MAX_REFERENCES:
        raise ValueError(f"has {len(texts)} recordings; at most {MAX_REFERENCES} are taken")
    return tuple(_read(str(text)) for text in texts)


def check_length(content: bytes) -> None:
    """Raises ApiError if a file says itself that it is far too short or too long."""
    seconds = known_seconds(io.BytesIO(content))
    if seconds is not None and not MIN_SECONDS - SLACK <= seconds <= MAX_SECONDS + SLACK:
        message = f"A reference of a known speaker has {seconds:.1f} seconds; send {MIN_SECONDS:g} to {MAX_SECONDS:g}."
        raise ApiError("invalid_speaker_reference", message)


def _read(url: str) -> bytes:
    head = _DATA_URL.match(url)
    if head is None:
        raise ValueError("holds something that is no data URL; send 'data:audio/wav;base64,' and the file in base64")
    if len(url) > MAX_URL:
        raise ValueError(f"has a data URL of more than {MAX_URL} bytes; {MAX_SECONDS:g} seconds as MP3 are far smaller")
    text = "".join(url[head.end() :].split())
    try:
        content = base64.b64decode(unquote(text) if "%" in text else text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("has a data URL whose base64 is damaged") from None
    if not content:
        raise ValueError("has a data URL without a recording in it")
    return content
