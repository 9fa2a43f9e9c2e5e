"""Where a job shall call back: the fields of the request, checked, or what the settings say."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from api.http.errors import ApiError
from api.http.fields import Fields
from worker.outbound.addresses import AddressBook, Resolve, Unresolved, resolve
from worker.outbound.target import Refused, Target
from worker.store.records import Webhook
from worker.webhooks.headers import check_headers
from worker.webhooks.message import INCLUDABLE
from worker.webhooks.settings import WebhookSettings

_FIELDS = ("webhook_url", "webhook_headers", "webhook_include")


class Callbacks:
    """Reads the fields `webhook_*`. Blocks while it resolves a name: run it in a thread."""

    def __init__(self, settings: WebhookSettings, resolver: Resolve = resolve) -> None:
        self._settings = settings
        self._book = AddressBook(settings.webhook_policy, resolver)

    def read(self, fields: Fields, base_url: str, *, is_job: bool) -> Webhook | None:
        """base_url: this service's address as the request has it. Raises ApiError."""
        url = fields.one("webhook_url")
        if not is_job:
            if url is not None:
                raise ApiError(
                    "unsupported_parameter",
                    "A call that waits for its transcript is not called back. Send the recording to /v1/jobs, or with "
                    "the header 'Prefer: respond-async'.",
                    param="webhook_url",
                )
            return None
        headers, include = _headers(fields), self._include(fields)
        if url is not None:
            webhook = Webhook(url.strip(), headers, include, base_url)
        elif self._settings.webhook_url is not None:
            # To a receiver of the operator's go no links that a submitter's `Host` could bend.
            webhook = Webhook(self._settings.webhook_url, {**self._own_headers(), **headers}, include)
        else:
            _refuse_stray(fields)
            return None
        self._check(webhook.url)
        return webhook

    def _check(self, url: str) -> None:
        """At each attempt it is checked again: what a name means may change."""
        try:
            self._book.addresses(Target.parse(url))
        except Refused as error:
            raise ApiError("webhook_not_allowed", str(error), param="webhook_url") from None
        except Unresolved:
            return

    def _include(self, fields: Fields) -> tuple[str, ...]:
        sent = [part.strip() for text in fields.many("webhook_include") for part in text.split(",") if part.strip()]
        if not sent:
            return self._settings.webhook_include
        for name in sent:
            if name not in INCLUDABLE:
                message = f"'{name[:100]}' cannot be included in a call-back; it is one of {', '.join(INCLUDABLE)}."
                raise ApiError("invalid_value", message, param="webhook_include")
        return tuple(dict.fromkeys(sent))

    def _own_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self._settings.webhook_headers.items()}


def origin(request: Request) -> str:
    """This service's address as the request has it."""
    return str(request.base_url).rstrip("/")


def form_fields() -> dict[str, Any]:
    """For the OpenAPI document."""
    return {
        "webhook_url": {"type": "string", "format": "uri", "description": "Told when the job has ended"},
        "webhook_headers": {"type": "string", "description": "A JSON object of headers to send along"},
        "webhook_include": {"type": "string", "description": f"More of the result: {', '.join(INCLUDABLE)}"},
    }


def _headers(fields: Fields) -> dict[str, str]:
    text = fields.one("webhook_headers")
    if text is None:
        return {}
    try:
        return check_headers(json.loads(text))
    except (ValueError, RecursionError) as error:
        what = "is a JSON object of texts" if isinstance(error, json.JSONDecodeError | RecursionError) else str(error)
        raise ApiError("invalid_value", f"'webhook_headers' {what}.", param="webhook_headers") from None


def _refuse_stray(fields: Fields) -> None:
    for name in _FIELDS:
        if fields.many(name):
            message = f"'{name}' needs a 'webhook_url' (the server has none of its own in WHISPER_WEBHOOK_URL)."
            raise ApiError("missing_required_parameter", message, param="webhook_url")
