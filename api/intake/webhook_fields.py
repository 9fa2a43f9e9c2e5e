"""Where a job's webhook goes: the fields of the request, checked, or what the settings say."""

from __future__ import annotations

from fastapi import Request

from api.http.errors import ApiError
from api.intake.form import Form
from worker.outbound.addresses import Resolve, resolve
from worker.outbound.early_check import EarlyCheck
from worker.outbound.target import Refused
from worker.runtime.timing import Timing
from worker.store.records import Webhook
from worker.webhooks.settings import WebhookSettings

_FIELDS = ("webhook_url", "webhook_headers", "webhook_include")


class Callbacks:
    """Reads the fields `webhook_*`. patience: seconds for a name to be resolved."""

    def __init__(
        self, settings: WebhookSettings, patience: float = Timing().names, resolver: Resolve = resolve
    ) -> None:
        self._settings = settings
        self._urls = EarlyCheck(settings.webhook_policy, "A webhook URL", patience, resolver)

    async def read(self, form: Form, base_url: str, *, is_job: bool) -> Webhook | None:
        """base_url: this service's address as the request has it. Raises ApiError."""
        if not is_job:
            if form.webhook_url is not None:
                raise ApiError(
                    "unsupported_parameter",
                    "A call that waits for its transcript sends no webhook. Send the recording to /v1/jobs, or with "
                    "the header 'Prefer: respond-async'.",
                    param="webhook_url",
                )
            return None
        include = form.webhook_include or self._settings.webhook_include
        if form.webhook_url is not None:
            webhook = Webhook(form.webhook_url, form.webhook_headers, include, base_url)
        elif self._settings.webhook_url is not None:
            # To a receiver of the operator's go no links that a submitter's `Host` could bend.
            webhook = Webhook(self._settings.webhook_url, {**self._own_headers(), **form.webhook_headers}, include)
        else:
            _refuse_stray(form)
            return None
        await self._check(webhook.url)
        return webhook

    async def _check(self, url: str) -> None:
        try:
            await self._urls.check(url)
        except Refused as error:
            raise ApiError("webhook_not_allowed", str(error), param="webhook_url") from None

    def _own_headers(self) -> dict[str, str]:
        return {name: value.get_secret_value() for name, value in self._settings.webhook_headers.items()}


def origin(request: Request) -> str:
    """This service's address as the request has it."""
    return str(request.base_url).rstrip("/")


def _refuse_stray(form: Form) -> None:
    for name in _FIELDS:
        if name in form.model_fields_set:
            message = f"'{name}' needs a 'webhook_url' (the server has none of its own in WHISPER_WEBHOOK_URL)."
            raise ApiError("missing_required_parameter", message, param="webhook_url")
