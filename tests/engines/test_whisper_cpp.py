"""whisper.cpp's own traps: what would kill the process, or give another recording's text."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engines.backends.whisper_cpp import WhisperCpp
from engines.decoding.batcher import Batcher
from engines.errors import EngineUnavailable, ModelNotFound
from engines.registry import EngineOptions
from engines.weights.ggml import read_ggml
from engines.weights.other_formats import find_ggml_weights
from tests import media
from tests.accuracy import normalised
from tests.conftest import ROOT, Sample
from tests.weights import converted, quantised
from tests.windows import window
from worker.models.remedies import with_remedy


@pytest.fixture(scope="module")
def ggml(tiny_en_model: Path) -> Path:
    return converted("whisper-cpp", tiny_en_model, "tiny.en")


@pytest.fixture(scope="module")
def engine(ggml: Path) -> Iterator[WhisperCpp]:
    made = WhisperCpp(EngineOptions(model=str(ggml), device="cpu"))
    made.load()
    yield made
    made.close()


def test_a_quantised_file_is_smaller_and_says_the_same(ggml: Path, sample: Sample, tmp_path: Path) -> None:
    small = quantised(ggml, tmp_path / "tiny.en-q8_0.bin")
    assert small.stat().st_size < 0.65 * ggml.stat().st_size
    made = WhisperCpp(EngineOptions(model=str(small), device="cpu"))
    made.load()
    (result,) = made.decode([window(media.read(sample.path))])
    made.close()
    assert normalised(result.text) == normalised(sample.text)


def test_a_file_without_its_last_array_is_found_out(ggml: Path, tmp_path: Path) -> None:
    data = ggml.read_bytes()
    last = data.rindex(b"decoder.ln.") - 16  # one dimension: three numbers and its length before the name
    path = tmp_path / "lacks.bin"
    path.write_bytes(data[:last])
    with pytest.raises(ModelNotFound, match="arrays"):
        read_ggml(path)


@pytest.mark.parametrize("header", [[0] * 11, [-1] * 11, [1 << 30] * 11])
def test_a_header_that_makes_no_sense_is_found_out(header: list[int], tmp_path: Path) -> None:
    path = tmp_path / "odd.bin"
    path.write_bytes(struct.pack("<12i", 0x67676D6C, *header) + bytes(1000))
    with pytest.raises(ModelNotFound, match="makes no sense"):
        read_ggml(path)


def test_several_lanes_have_a_context_each(ggml: Path, sample: Sample) -> None:
    made = Batcher(WhisperCpp(EngineOptions(model=str(ggml), device="cpu", lanes=2)))
    made.start()
    stream = made.open("batch")
    voice = media.read(sample.path)
    futures = [stream.submit(window(voice, words=True)) for _ in range(4)]
    texts = {future.result(120).text for future in futures}
    made.close()
    assert {normalised(text) for text in texts} == {normalised(sample.text)}


@pytest.mark.parametrize(("name", "file"), [("base-q5_1", "ggml-base-q5_1.bin"), ("turbo", "ggml-large-v3-turbo.bin")])
def test_models_go_by_whisper_cpps_own_names(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    snapshot = tmp_path / "hub" / "models--ggerganov--whisper.cpp" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    (snapshot / file).write_bytes(b"weights")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert find_ggml_weights(EngineOptions(model=name, data_dir=tmp_path)).name == file


def test_base_comes_with_the_installation(base_model: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base").symlink_to(base_model)
    assert read_ggml(find_ggml_weights(EngineOptions(model="base", data_dir=tmp_path))).n_audio_state == 512


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(ModelNotFound, match=r"Known: tiny, .*a ggml file"):
        find_ggml_weights(EngineOptions(model="gigantic"))


@pytest.mark.parametrize("device", ["metal", "mps", "cuda", "cuda:1", "vulkan"])
def test_a_gpu_this_build_has_no_code_for_says_how_to_get_it(device: str) -> None:
    import _pywhispercpp

    if any(name in _pywhispercpp.whisper_print_system_info() for name in ("MTL", "Metal", "CUDA", "Vulkan")):
        pytest.skip("this build has code for a GPU")
    with pytest.raises(EngineUnavailable) as raised:
        WhisperCpp(EngineOptions(device=device))
    assert "WHISPER_DEVICE=cpu" in with_remedy(raised.value)


def test_a_number_format_is_a_files_to_choose() -> None:
    with pytest.raises(EngineUnavailable, match="format of its model file"):
        WhisperCpp(EngineOptions(device="cpu", compute_type="int8"))


def test_it_writes_nothing_to_the_terminal_and_ends_without_close(ggml: Path) -> None:
    program = (
        "import sys, numpy as np; from engines.registry import *; from tests.windows import window\n"
        "engine = create_engine('whisper-cpp', EngineOptions(model=sys.argv[1], device='cpu')); engine.load()\n"
        "engine.decode([window(np.zeros(16000, np.float32))])"
    )
    command = [sys.executable, "-c", program, str(ggml)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_silent_window_has_no_text_or_next_to_none(engine: WhisperCpp) -> None:
    (result,) = engine.decode([window(np.zeros(30 * 16_000, np.float32))])
    assert "[" not in result.text, "no [BLANK_AUDIO]"
    assert len(result.text.split()) <= 2
