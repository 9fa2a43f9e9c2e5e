"""How one recording's run ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from whisper_native.errors import Failure
from whisper_native.recordings.outputs import Plan

Status = Literal["finished", "skipped", "queued", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class Ending:
    """job_id: None if it was never one. written: the files. texts: format -> transcript for standard output."""

    plan: Plan
    status: Status
    job_id: str | None = None
    written: tuple[Path, ...] = ()
    texts: dict[str, bytes] = field(default_factory=dict)
    failure: Failure | None = None

    def as_json(self) -> dict[str, Any]:
        """One line of `--json`."""
        shown: dict[str, Any] = {
            "file": str(self.plan.source.path) if self.plan.source.beside is not None else self.plan.source.name,
            "status": self.status,
            "job": self.job_id,
            "outputs": [str(path) for path in self.written],
        }
        if self.failure:
            shown["error"] = {"code": self.failure.code, "message": str(self.failure)}
        texts = {name: body.decode(errors="replace") for name, body in self.texts.items() if name != "docx"}
        return {**shown, "transcripts": texts} if texts else shown
