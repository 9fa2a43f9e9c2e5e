"""Models, health, errors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schema.answer import Answer, UnixSecond


class Model(Answer):
    id: str
    object: Literal["model"]
    created: UnixSecond
    owned_by: str
    loaded: bool = Field(description="Whether it is in memory; the others load when they are asked for")


class ModelList(Answer):
    object: Literal["list"]
    data: list[Model]


class Health(Answer):
    status: Literal["ok"]


class HealthCheck(Answer):
    """detail: what is wrong and what to do, or what is there."""

    ok: bool
    detail: str


class Readiness(Answer):
    status: Literal["ready", "unavailable"]
    checks: dict[str, HealthCheck] = Field(description="`redis`, `worker`, `disk`")


class ErrorDetail(Answer):
    message: str = Field(description="What happened and what to do")
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The parameter it is about")
    code: str = Field(description="Stable, for programs")


class Error(Answer):
    """OpenAI's shape, of every answer that is not 2xx."""

    error: ErrorDetail
