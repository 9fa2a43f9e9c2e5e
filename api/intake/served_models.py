"""Which models clients may ask for, and what is said of them. The hosted API's names mean the default one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.http.errors import ApiError
from engines.weights.names import is_english_only
from worker.models.names import ModelNames

ALIASES = ("whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")


@dataclass(frozen=True, slots=True)
class ServedModels:
    """The models of this service under all their names. created: unix seconds."""

    names: ModelNames
    created: int

    @property
    def default(self) -> str:
        return self.names.default

    def check(self, name: str) -> str:
        """The model that is meant. Raises ApiError for one that is not served."""
        if model := self.names.meaning(name):
            return model
        served = ", ".join(f"'{each}'" for each in self.names.all[:10])
        raise ApiError(
            "model_not_found",
            f"The model '{name[:100]}' is not served here. There is: {served}; 'whisper-1' means '{self.default}'. "
            "More are allowed with WHISPER_MODELS, the default is chosen with WHISPER_MODEL, in the server's .env.",
            param="model",
        )

    def check_languages(self, name: str, task: str, language: str | None) -> None:
        """Raises ApiError where an English-only model is asked for more."""
        model = self.check(name)
        if not is_english_only(model):
            return
        remedy = f"The model '{model}' knows English only. Choose one without '.en' (WHISPER_MODEL, WHISPER_MODELS)"
        if task == "translate":
            raise ApiError("unsupported_parameter", f"{remedy} to translate.", param="model")
        if language not in (None, "en"):
            raise ApiError("unsupported_parameter", f"{remedy} for '{language}'.", param="language")

    def objects(self, loaded: frozenset[str]) -> list[dict[str, Any]]:
        """loaded: the models that are in some worker's memory."""
        return [self.object(name, loaded) for name in (*self.names.all, *ALIASES)]

    def object(self, name: str, loaded: frozenset[str]) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": self.created,
            "owned_by": "whisper-native",
            "loaded": self.names.meaning(name) in loaded,
        }
