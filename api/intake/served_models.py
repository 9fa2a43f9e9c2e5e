"""Which models clients may ask for, and what is said of them. The hosted API's names mean the default one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.http.errors import ApiError
from engines.weights.names import is_english_only, known_model
from worker.models.names import ANY_NAME, ModelNames

ALIASES = ("whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize")


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
            "In the server's .env, WHISPER_MODELS allows more, WHISPER_MODEL chooses the default, and "
            "WHISPER_MODEL_ALIASES gives them further names.",
            param="model",
        )

    def check_languages(self, name: str, task: str, language: str | None) -> None:
        """Raises ApiError if the model cannot do the task, or does not know the language."""
        model = self.check(name)
        if is_english_only(model):
            remedy = f"The model '{model}' knows English only. Choose one without '.en' (WHISPER_MODEL, WHISPER_MODELS)"
            if task == "translate":
                raise ApiError("unsupported_parameter", f"{remedy} to translate.", param="model")
            if language not in (None, "en"):
                raise ApiError("unsupported_parameter", f"{remedy} for '{language}'.", param="language")
        if task == "translate" and not _translates(model):
            raise ApiError("unsupported_parameter", self._no_translation(model), param="model")

    def _no_translation(self, model: str) -> str:
        able = [f"'{each}'" for each in self.names.all if _translates(each)]
        served = f"Send one of {', '.join(able[:5])}" if able else "Serve one that can, such as 'large-v3'"
        return f"The model '{model}' was trained to transcribe only and cannot translate. {served} (WHISPER_MODELS)."

    def objects(self, loaded: frozenset[str]) -> list[dict[str, Any]]:
        """loaded: the models that are in some worker's memory."""
        return [self.object(name, loaded) for name in self._listed]

    @property
    def _listed(self) -> tuple[str, ...]:
        own = (name for name in self.names.aliases if name != ANY_NAME)
        return tuple(dict.fromkeys((*self.names.all, *ALIASES, *own)))

    def object(self, name: str, loaded: frozenset[str]) -> dict[str, Any]:
        return {
            "id": name,
            "object": "model",
            "created": self.created,
            "owned_by": "whisper-native",
            "loaded": self.names.meaning(name) in loaded,
        }


def _translates(model: str) -> bool:
    """What nobody knows, such as a model of the operator's own, is given the benefit of the doubt."""
    known = known_model(model)
    return known is None or known.translates
