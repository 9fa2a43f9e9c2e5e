"""openai-whisper's own traps: languages it lacks, beams in a pass of several, what a Mac's GPU cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engines.backends.openai_whisper import OpenAIWhisper
from engines.errors import EngineUnavailable, ModelNotFound, UnsupportedOption
from engines.registry import EngineOptions
from engines.weights.other_formats import find_pytorch_weights
from tests import media
from tests.conftest import Sample
from tests.weights import converted
from tests.windows import window
from worker.models.remedies import with_remedy


@pytest.fixture(scope="module")
def engine(tiny_en_model: Path) -> Iterator[OpenAIWhisper]:
    weights = converted("openai-whisper", tiny_en_model, "tiny.en")
    made = OpenAIWhisper(EngineOptions(model=str(weights), device="cpu"))
    made.load()
    yield made
    made.close()


def test_nothing_sparse_is_left_in_the_model(engine: OpenAIWhisper) -> None:
    """A Mac's GPU cannot hold the sparse list of alignment heads, and the model would not go there with it."""
    assert not any(buffer.is_sparse for _, buffer in engine._model.named_buffers())


def test_the_heads_that_follow_the_speech_are_known_by_the_models_shape(engine: OpenAIWhisper) -> None:
    assert engine._heads == [[1, 0], [2, 0], [2, 5], [3, 0], [3, 1], [3, 2], [3, 3], [3, 4]]


@pytest.mark.parametrize(("beams", "temperature"), [(5, 0.0), (1, 0.0), (5, 0.4)])
def test_several_windows_share_a_pass_with_beams_and_samples(
    engine: OpenAIWhisper, sample: Sample, beams: int, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_options", replace(engine._options, beam_size=beams))
    voice = media.read(sample.path)
    windows = [window(part, temperature=temperature) for part in (voice, voice[: 3 * 16_000])]
    first, second = engine.decode(windows)
    assert "meeting" in first.text
    assert second.text.strip()
    assert len(second.text) < len(first.text)


def test_a_pass_takes_windows_of_one_temperature_and_prompt_length(engine: OpenAIWhisper) -> None:
    def key(**options: Any) -> object:
        return engine.batch_key(window(np.zeros(0, np.float32), **options))

    assert key(prompt="red") == key(prompt="blue") == key(hotwords="green")
    assert len({key(), key(prompt="red"), key(prompt="red and blue"), key(temperature=0.2)}) == 4
    assert key(language="de", task="translate", words=True) == key()


def test_a_language_the_model_does_not_know_is_the_callers_mistake(base_model: Path, sample: Sample) -> None:
    made = OpenAIWhisper(EngineOptions(model=str(converted("openai-whisper", base_model, "base")), device="cpu"))
    made.load()
    with pytest.raises(UnsupportedOption, match="does not know the language 'yue'"):
        made.decode([window(media.read(sample.path), language="yue")])
    made.close()


def test_base_comes_with_the_installation(base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base").symlink_to(base_model)
    found = find_pytorch_weights(EngineOptions(model="base", data_dir=tmp_path))
    assert torch.load(found, weights_only=True)["dims"]["n_audio_state"] == 512


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ModelNotFound, match=r"Known: tiny, .*checkpoint"):
        find_pytorch_weights(EngineOptions(model="gigantic"))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has an NVIDIA GPU")
def test_a_gpu_that_is_not_there_says_what_to_set() -> None:
    with pytest.raises(EngineUnavailable) as raised:
        OpenAIWhisper(EngineOptions(device="cuda"))
    assert "WHISPER_DEVICE=cpu" in with_remedy(raised.value)


def test_half_precision_is_for_gpus() -> None:
    with pytest.raises(EngineUnavailable, match="It can: float32"):
        OpenAIWhisper(EngineOptions(device="cpu", compute_type="float16"))
