"""How a webhook proves where it comes from: Standard Webhooks 1.0.0, https://www.standardwebhooks.com."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

ID_HEADER = "webhook-id"
TIMESTAMP_HEADER = "webhook-timestamp"
SIGNATURE_HEADER = "webhook-signature"


def sign(key: bytes, event_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC of the very bytes that are sent. timestamp: unix seconds of this attempt."""
    signed = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signed_headers(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of an attempt. Several keys give several signatures: a receiver may know the old or the new."""
    return {
        ID_HEADER: event_id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: " ".join(sign(key, event_id, timestamp, body) for key in keys),
    }
