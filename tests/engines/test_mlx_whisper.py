"""MLX's threads, which end the process when they are taken lightly, and the library's own traps."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engines.backends.mlx_whisper import LightningWhisperMLX, MLXWhisper
from engines.errors import EngineUnavailable, ModelNotFound
from engines.registry import EngineOptions, create_engine
from engines.weights.other_formats import find_mlx_weights
from tests import media, speech
from tests.conftest import ROOT, Sample
from tests.weights import random_model
from tests.windows import Samples, window
from worker.models.remedies import with_remedy

pytestmark = pytest.mark.slow  # on a CPU


@pytest.fixture(scope="module")
def weights(tiny_en_model: Path) -> Path:
    return random_model("mlx-whisper", tiny_en_model)


@pytest.fixture(scope="module")
def engine(weights: Path) -> Iterator[MLXWhisper]:
    made = MLXWhisper(EngineOptions(model=str(weights), device="cpu"))
    made.load()
    yield made
    made.close()


@pytest.fixture(scope="module")
def voice(sample: Sample) -> Samples:
    return media.read(sample.path)


def run(program: str, weights: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program, str(weights)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


_START = """
import sys, threading
import numpy as np
from engines.registry import EngineOptions, create_engine
from tests.windows import window

silence = window(np.zeros(16_000, np.float32), words=True)
engine = create_engine("mlx-whisper", EngineOptions(model=sys.argv[1], device="cpu"))

def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


def test_the_library_alone_may_end_the_process_after_a_thread_of_it_has_ended(weights: Path) -> None:
    """A race, lost two times of three on one machine, one of sixty on another, there on a single core one of eight: the
    bug that the engine closes its streams for. If this fails, MLX has mended it."""
    program = (
        "import os, threading\nimport mlx.core as mx\n"
        "if hasattr(os, 'sched_setaffinity'):\n    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "def work():\n    numbers = mx.random.normal((300, 300))\n    mx.eval(numbers @ numbers)\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()"
    )
    assert any(run(program, weights).returncode < 0 for _ in range(200))


def test_the_library_alone_cannot_compute_on_another_thread_what_one_has_left(weights: Path) -> None:
    ended = run(
        _START
        + "import mlx.core as mx\nfrom mlx_whisper.load_models import load_model\nmodel = load_model(sys.argv[1])\n"
        "def work():\n    try:\n        mx.eval(model.encoder(mx.zeros((1, 3000, 80))))\n"
        "    except RuntimeError as error:\n        print(error)\n    mx.synchronize(); mx.clear_streams()\n"
        "in_a_thread(work)",
        weights,
    )
    assert "no Stream" in ended.stdout, ended.stderr[-1000:]


def test_loading_decoding_and_closing_may_be_asked_for_from_any_thread_and_again(weights: Path) -> None:
    program = _START + "def work():\n    print(len(engine.decode([silence])))\n"
    again = "in_a_thread(engine.load)\nin_a_thread(work)\nwork()\nengine.close()\n"
    ended = run(program + again + again, weights)
    assert (ended.returncode, ended.stdout) == (0, "1\n" * 4), ended.stderr[-1000:]


def test_a_process_may_end_without_closing_it(weights: Path) -> None:
    ended = run(_START + "engine.load()\nprint(len(engine.decode([silence])))", weights)
    assert (ended.returncode, ended.stdout) == (0, "1\n"), ended.stderr[-1000:]


def test_a_process_in_which_loading_failed_may_end(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "config.json").write_bytes((weights / "config.json").read_bytes())
    (tmp_path / "weights.npz").write_bytes((weights / "weights.npz").read_bytes()[:100_000])
    program = _START + (
        "from engines.errors import ModelNotFound\n"
        "def work():\n    try:\n        engine.load()\n    except ModelNotFound as error:\n        print('refused')\n"
    )
    ended = run(program + "in_a_thread(work)", tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "refused\n"), ended.stderr[-1000:]


def test_the_batcher_keeps_to_one_thread_whoever_asks(weights: Path) -> None:
    program = _START + (
        "from engines.decoding.batcher import Batcher\nfrom engines.decoding.quality import Ladder\n"
        "batcher = Batcher(engine, Ladder(temperatures=(0.0,)))\nbatcher.start()\nstream = batcher.open('batch')\n"
        "in_a_thread(lambda: print(stream.submit(silence).result(60).language))\n"
        "print(stream.submit(silence).result(60).language)\nbatcher.close()\n"
    )
    ended = run(program, weights)
    assert (ended.returncode, ended.stdout) == (0, "en\nen\n"), ended.stderr[-1000:]


def test_every_token_is_drawn_anew(engine: MLXWhisper, voice: Samples) -> None:
    """The library draws every token with the random numbers of the first, and says one word over and over."""
    (result,) = engine.decode([window(voice, temperature=1.0)])
    assert len(set(result.tokens)) > len(result.tokens) / 2


def test_windows_with_prompts_of_their_own_share_a_pass(engine: MLXWhisper, voice: Samples) -> None:
    windows = [window(voice, prompt="red"), window(voice, prompt="blue"), window(speech.tone(3), hotwords="green")]
    assert len({engine.batch_key(each) for each in windows}) == 1
    assert engine.batch_key(window(voice)) != engine.batch_key(windows[0])
    together = engine.decode(windows)
    assert [result.tokens for result in together] == [engine.decode([each])[0].tokens for each in windows]
    assert together[0].tokens != together[1].tokens


def test_samples_of_several_windows_share_a_pass(engine: MLXWhisper, voice: Samples) -> None:
    results = engine.decode([window(voice, temperature=0.8)] * 3)
    assert len({result.tokens for result in results}) == 3


def test_arrays_of_another_shape_are_refused(weights: Path, tmp_path: Path) -> None:
    """The library would keep random numbers where they do not fit."""
    arrays = dict(np.load(weights / "weights.npz"))
    del arrays["decoder.ln.weight"]
    arrays["encoder.ln_post.bias"] = arrays["encoder.ln_post.bias"][:3]
    (tmp_path / "config.json").write_bytes((weights / "config.json").read_bytes())
    np.savez(tmp_path / "weights.npz", **arrays)
    with pytest.raises(ModelNotFound, match=r"encoder\.ln_post\.bias"):
        MLXWhisper(EngineOptions(model=str(tmp_path), device="cpu")).load()


def test_lightning_whisper_mlx_is_the_same_engine_with_larger_passes(weights: Path) -> None:
    made = create_engine("lightning-whisper-mlx", EngineOptions(model=str(weights), device="cpu"))
    assert isinstance(made, LightningWhisperMLX)
    assert (made.name, made.max_batch, made.lanes) == ("lightning-whisper-mlx", 12, 1)
    assert MLXWhisper(EngineOptions(device="cpu")).max_batch == 1
    assert LightningWhisperMLX(EngineOptions(device="cpu", max_batch=3)).max_batch == 3


def test_base_comes_with_the_installation(base_model: Path, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base").symlink_to(base_model)
    found = find_mlx_weights(EngineOptions(model="base", data_dir=tmp_path))
    assert sorted(path.name for path in found.iterdir()) == ["config.json", "weights.npz"]


@pytest.mark.parametrize(("device", "remedy"), [("cuda", "faster-whisper"), ("metal", "WHISPER_DEVICE=cpu")])
def test_a_device_it_has_not_says_what_to_use(device: str, remedy: str) -> None:
    import mlx.core as mx

    if device == "metal" and mx.metal.is_available():
        pytest.skip("this machine has an Apple GPU")
    with pytest.raises(EngineUnavailable) as raised:
        MLXWhisper(EngineOptions(device=device))
    assert remedy in with_remedy(raised.value)


def test_pytorch_is_not_imported() -> None:
    program = "import sys, engines.backends.mlx_whisper; print('torch' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
