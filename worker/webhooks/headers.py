"""Headers that go along with a webhook: the receiver's own credentials, and nothing that bends the request."""

from __future__ import annotations

import re

MAX_HEADERS = 20
MAX_CHARACTERS = 4096  # characters of all names and values

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?")  # neither line ends nor spaces around it
_OURS = {
    "host", "connection", "content-length", "content-type", "content-encoding", "transfer-encoding", "te", "trailer",
    "upgrade", "expect", "keep-alive", "proxy-authorization", "proxy-connection", "user-agent",
}  # fmt: skip


def check_headers(value: object) -> dict[str, str]:
    """The headers as they are sent; raises ValueError that names the bad one, and never its value."""
    if not isinstance(value, dict) or not all(isinstance(row, str) for row in value.values()):
        raise ValueError('is a JSON object of texts, such as {"Authorization": "Bearer …"}')
    if len(value) > MAX_HEADERS or sum(len(name) + len(text) for name, text in value.items()) > MAX_CHARACTERS:
        raise ValueError(f"holds at most {MAX_HEADERS} headers of {MAX_CHARACTERS} characters in all")
    for name, text in value.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(text):
            raise ValueError(f"holds a header {name[:60]!r} with characters that no header may have")
        if name.lower() in _OURS or name.lower().startswith("webhook-"):
            raise ValueError(f"holds the header '{name}', which is this service's own")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("holds a header twice")
    return dict(value)
