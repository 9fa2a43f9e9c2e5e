"""A receiver that is not always well, and what it must have been told in the end."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

from standardwebhooks import Webhook

from tests.acceptance.live import until
from tests.receiver import Received, Receiver, Reply

SECRET = "whsec_c29tZSBzZWNyZXQgb2YgdGhlIHNvYWsgdGVzdHMu"
SETTINGS = {
    "WHISPER_WEBHOOK_SECRET": SECRET,
    "WHISPER_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "WHISPER_WEBHOOK_SCHEDULE": ",".join(["0", "1", "1", *["3"] * 40]),
}
TIMEOUT = 120.0  # seconds the last webhooks may take once all jobs have ended


def unwell(number: int, request: Received) -> Reply:
    """Every fourth call is refused."""
    return Reply(503) if number % 4 == 0 else Reply()


def check_callbacks(receiver: Receiver, job_ids: Iterable[str]) -> list[str]:
    """Each of these jobs called back at least once with success, and every job always under one id, signed."""
    wanted = set(job_ids)
    problems = []
    try:
        until(lambda: wanted <= _delivered(receiver), "all webhooks have come", TIMEOUT)
    except AssertionError:
        problems += [f"{job_id} never called back" for job_id in wanted - _delivered(receiver)]
    names: dict[str, set[str]] = defaultdict(set)
    for request in list(receiver.requests):
        if not _is_signed(request):
            problems.append(f"{_job_of(request)} called back without a valid signature")
        names[_job_of(request)].add(f"{request.headers['webhook-id']} {json.loads(request.body)['type']}")
    problems += [f"{job_id} called back as {found}" for job_id, found in names.items() if len(found) > 1]
    return problems


def _is_signed(request: Received) -> bool:
    """As of when it came: the library's own `verify` would find the calls of a long run too old by now."""
    signed_at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    signature = Webhook(SECRET).sign(request.headers["webhook-id"], signed_at, request.body.decode())
    return abs(request.at - signed_at.timestamp()) < 300 and request.headers["webhook-signature"] == signature


def _delivered(receiver: Receiver) -> set[str]:
    return {
        _job_of(request)
        for number, request in enumerate(list(receiver.requests), start=1)
        if unwell(number, request).status == 200
    }


def _job_of(request: Received) -> str:
    return str(json.loads(request.body)["data"]["id"])
