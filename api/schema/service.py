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


class Limits(Answer):
    max_upload_bytes: int
    max_audio_hours: float
    sync_timeout: float = Field(description="Seconds until a call that waits is answered with 504")
    max_exported_jobs: int = Field(description="Of one export")


class ServiceInfo(Answer):
    name: Literal["whisper-native"]
    version: str
    needs_key: bool = Field(description="Whether nobody is served without a key")
    default_model: str
    models: list[str] = Field(description="GET /v1/models has them with their aliases")
    formats: list[str] = Field(description="Of transcripts")
    speakers: bool = Field(description="Whether speakers can be told apart")
    limits: Limits


class Health(Answer):
    status: Literal["ok"]


class HealthCheck(Answer):
    """detail: what is wrong and what to do, or what is there; without a key that the server wants, in general words."""

    ok: bool
    detail: str


class Readiness(Answer):
    status: Literal["ready", "unavailable"]
    checks: dict[str, HealthCheck] = Field(description="`redis`, `worker`, `disk`, and `store` if machines share one")


class ErrorDetail(Answer):
    message: str = Field(description="What happened and what to do")
    type: Literal["invalid_request_error", "server_error"]
    param: str | None = Field(description="The parameter it is about")
    code: str = Field(description="Stable, for programs")


class Error(Answer):
    """OpenAI's shape, of every answer that is not 2xx."""

    error: ErrorDetail
