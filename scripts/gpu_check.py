"""Tries this machine's GPU: every engine and number format, passes of one window up to what its memory holds, and the
words against those a CPU hears. Writes what it finds to scripts/benchmark_results/.

    python scripts/gpu_check.py                        # the models base and large-v3-turbo, on cuda
    python scripts/gpu_check.py --models large-v3      # another model
    python scripts/gpu_check.py --device cpu           # the same steps without a GPU: a trial of this script, no result

It needs what `make whisper-native` installs, on an NVIDIA GPU also `make engine EXTRA=cuda`. Stop the service first: it
would share the GPU.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parent.parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(ROOT)

import numpy as np  # noqa: E402 - the path comes first

from engines.audio.reader import AudioReader  # noqa: E402
from engines.audio.voice_activity import speech_frames  # noqa: E402
from engines.audio.windows import pack_speech  # noqa: E402
from engines.base import DecodeOptions, Engine, Window, WindowResult  # noqa: E402
from engines.decoding.batcher import Batcher  # noqa: E402
from engines.decoding.transcriber import Transcription  # noqa: E402
from engines.devices.nvidia import find_driver  # noqa: E402
from engines.errors import EngineError, OutOfMemory  # noqa: E402
from engines.registry import EngineOptions, create_engine  # noqa: E402
from scripts.benchmarking.report import Figure, Report  # noqa: E402
from worker.models.remedies import with_remedy  # noqa: E402

SAMPLE = ROOT / "samples" / "meeting.mp3"
RESULTS = ROOT / "scripts" / "benchmark_results"
FORMATS = ("float16", "bfloat16", "int8_float16", "int8_float32", "float32", "int8")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
CPU_WORDS = 0.05  # share of words in which a number format may differ from the CPU's
SAME_WORDS = 0.02  # share in which a larger pass may differ from a pass of one: sums are rounded in another order
OPTIONS = DecodeOptions(language="en", words=True)


@dataclass(frozen=True, slots=True)
class Trial:
    """One engine and model in one number format."""

    engine: str
    model: str
    compute_type: str
    device: str
    data_dir: Path

    def create(self) -> Engine:
        options = EngineOptions(self.model, self.device, self.compute_type, max_batch=1, data_dir=self.data_dir)
        return create_engine(self.engine, options)

    def __str__(self) -> str:
        return f"{self.engine}, {self.model}, {self.compute_type}"


def main() -> int:
    options = _options()
    is_trial = options.device == "cpu"
    title = "A trial of the GPU check on a CPU: no result" if is_trial else "GPU check"
    report = Report(title, _remarks(is_trial=is_trial))
    window = full_window()
    for model in options.models:
        words = _heard_on_cpu(model, window, options.data_dir)
        for engine in options.engines:
            for compute_type in options.formats if engine == "faster-whisper" else ["auto"]:
                trial = Trial(engine, model, compute_type, options.device, options.data_dir)
                print(f"{trial} ...", flush=True)
                report.figures[str(trial)] = list(examine(trial, window, words, options.batches))
                report.write(options.output, options.name)  # an interrupted run keeps what it has
    print(report.markdown())
    print(f"Written to {options.output / options.name}.md and .json")
    return 0 if report.is_met else 1


def examine(trial: Trial, window: Window, words: Sequence[str], batches: Sequence[int]) -> Iterator[Figure]:
    """Loads the engine, compares its words with the CPU's, and times passes until the memory is full."""
    began = time.monotonic()
    try:
        engine = trial.create()
        batcher = Batcher(engine)
        batcher.start()
    except EngineError as error:
        yield Figure("load", with_remedy(error))
        return
    try:
        yield Figure("load, with its first pass", f"{time.monotonic() - began:.1f} s")
        yield from _passes(engine, window, words, batches)
        yield _recording(batcher)
    except (EngineError, RuntimeError) as error:
        yield Figure("stopped by", str(error), "no error", met=False)
    finally:
        batcher.close()


def _passes(engine: Engine, window: Window, words: Sequence[str], batches: Sequence[int]) -> Iterator[Figure]:
    alone = _words(engine.decode([window])[0])
    apart = difference(words, alone)
    yield Figure("words other than the CPU's", f"{apart:.1%}", f"{CPU_WORDS:.0%} at most", met=apart <= CPU_WORDS)
    for size in batches:
        try:
            engine.decode([window] * size)  # the first of a size chooses its kernels
            began = time.monotonic()
            results = engine.decode([window] * size)
        except OutOfMemory:
            yield Figure(f"a pass of {size}", "does not fit into the memory")
            return
        seconds = time.monotonic() - began
        apart = max(difference(alone, _words(result)) for result in results)
        speed = f"{seconds:.2f} s, {window.seconds * size / seconds:.0f} x real time"
        wanted = f"{SAME_WORDS:.0%} of words at most other than alone"
        yield Figure(f"a pass of {size}", f"{speed}; words other than alone {apart:.1%}", wanted, apart <= SAME_WORDS)


def _recording(batcher: Batcher) -> Figure:
    """The sample as a job decodes it: audio, voice activity, language and word times included."""
    began = time.monotonic()
    transcription = Transcription(batcher, SAMPLE, DecodeOptions(words=True), "interactive", 3600.0)
    for _ in transcription:
        pass
    seconds = time.monotonic() - began
    return Figure("the sample of 11.6 s, whole", f"{seconds:.2f} s")


def full_window() -> Window:
    """Nearly 30 s of speech: the sample over and over."""
    with AudioReader(SAMPLE) as reader:
        samples = np.tile(np.concatenate(list(reader)), 4)
    speech = next(pack_speech(speech_frames([samples])))
    return Window(0, speech.samples, speech.pieces, OPTIONS, speech.spans)


def _heard_on_cpu(model: str, window: Window, data_dir: Path) -> list[str]:
    engine = Trial("faster-whisper", model, "float32", "cpu", data_dir).create()
    engine.load()
    try:
        return _words(engine.decode([window])[0])
    finally:
        engine.close()


def _words(result: WindowResult) -> list[str]:
    return ["".join(filter(str.isalnum, word)).lower() for word in result.text.split()]


def difference(expected: Sequence[str], heard: Sequence[str]) -> float:
    """The share of words that are not the same in both, in order."""
    same = sum(block.size for block in SequenceMatcher(None, expected, heard, autojunk=False).get_matching_blocks())
    return 1 - same / max(len(expected), len(heard), 1)


def _remarks(*, is_trial: bool) -> list[str]:
    driver = find_driver()
    gpus = [f"GPU {index}: {gpu}" for index, gpu in enumerate(driver.gpus)] if driver else []
    cuda = [f"Driver for CUDA {driver.cuda[0]}.{driver.cuda[1]}"] if driver else []
    packages = ", ".join(f"{name} {version(name)}" for name in ("ctranslate2", "faster-whisper", "numpy"))
    trial = ["No GPU took part. These figures are a CPU's: they show that the script runs, and nothing of any GPU."]
    return [
        *(trial if is_trial else []),
        *gpus,
        *cuda,
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {packages}",
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 ..., or cpu for a trial (%(default)s)")
    parser.add_argument("--models", nargs="+", default=["base", "large-v3-turbo"])
    parser.add_argument("--engines", nargs="+", default=["faster-whisper"], help="(%(default)s)")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), help="number formats of faster-whisper")
    parser.add_argument("--max-batch", type=int, default=BATCHES[-1], help="windows in a pass at most (%(default)s)")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS, help="a directory (%(default)s)")
    parser.add_argument("--name", help="of the files there (gpu, or gpu-trial)")
    options = parser.parse_args()
    options.batches = list(takewhile(lambda size: size <= options.max_batch, BATCHES))
    options.name = options.name or ("gpu-trial" if options.device == "cpu" else "gpu")
    return options


if __name__ == "__main__":
    sys.exit(main())
