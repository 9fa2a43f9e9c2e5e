"""Which model names clients may ask for. One model is served; the hosted API's names mean it too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from api.errors import ApiError
from engines.names import canonical_name, is_english_only

ALIASES = ("whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")
_HOSTED = re.compile(r"whisper-1|gpt-[A-Za-z0-9.-]{1,60}")  # any of the hosted transcription models, also later ones


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The configured model under all its names. created: unix seconds."""

    default: str
    created: int

    def check(self, name: str) -> None:
        """Raises ApiError unless the name means the configured model."""
        if not (_HOSTED.fullmatch(name) or canonical_name(name) == self.default):
            raise ApiError(
                "model_not_found",
                f"The model '{name[:100]}' is not served here; '{self.default}' is, and 'whisper-1' means it. "
                "Another model is chosen with WHISPER_MODEL in the server's .env.",
                param="model",
            )

    def check_languages(self, task: str, language: str | None) -> None:
        """Raises ApiError where an English-only model is asked for more."""
        if not is_english_only(self.default):
            return
        remedy = f"The model '{self.default}' knows English only. Set WHISPER_MODEL to one without '.en'"
        if task == "translate":
            raise ApiError("unsupported_parameter", f"{remedy} to translate.", param="model")
        if language not in (None, "en"):
            raise ApiError("unsupported_parameter", f"{remedy} for '{language}'.", param="language")

    def objects(self) -> list[dict[str, Any]]:
        return [self.object(name) for name in (self.default, *ALIASES)]

    def object(self, name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": self.created, "owned_by": "whisper-native"}
