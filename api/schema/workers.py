"""Workers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schema.answer import Answer


class Worker(Answer):
    """What is null is not known: an engine before its model is loaded, or what an earlier version does not tell."""

    id: str
    object: Literal["worker"]
    status: Literal["loading", "ready", "idle", "failed", "draining"] = Field(
        description="`idle`: takes jobs, the first loads its model; `draining`: takes no more, finishes what it has"
    )
    error: str | None = Field(description="Why it failed, and what to do")
    host: str | None
    version: str | None
    engine: str | None
    device: str | None
    default_model: str
    loaded_models: list[str] = Field(description="Those in memory")
    models: list[str] | None = Field(description="Those it serves, and further names for them")
    jobs: int | None = Field(description="That it has in hand")
    lanes: int | None = Field(description="Passes that may run at once")
    busy_lanes: int | None = Field(description="Passes that run; with those of express lanes, more than `lanes`")
    started_at: float | None = Field(description="Unix seconds, by Redis' clock")
    last_beat_at: float | None = Field(description="Unix seconds, by Redis' clock")
    clock_skew: float | None = Field(description="Seconds by which its clock is ahead of Redis'")


class WorkerList(Answer):
    object: Literal["list"]
    data: list[Worker]
