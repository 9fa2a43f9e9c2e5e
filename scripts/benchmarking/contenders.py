"""One engine over one recording in a process of its own: text, time, memory.

`python -m scripts.benchmarking.contenders <name> <weights> <recording> <batch>` prints it as JSON. Besides our engines
there are two other MLX programs by name: vayu-whisper and lightning-whisper-mlx's own (`original-lightning`).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_WINDOW = 30.0  # seconds a window of the other programs, which know no pauses


@dataclass(frozen=True, slots=True)
class Measured:
    """seconds: by the clock, and of processor time, for decoding alone; windows: how many were decoded."""

    text: str
    seconds: float
    processor_seconds: float
    windows: int
    peak_mb: float


def measure(name: str, weights: Path, recording: Path, batch: int | None = None) -> Measured:
    command = [
        sys.executable,
        "-m",
        "scripts.benchmarking.contenders",
        name,
        str(weights),
        str(recording),
        str(batch or 0),
    ]
    others = os.pathsep.join(filter(None, [str(ROOT / ".cache" / "compare"), os.environ.get("PYTHONPATH")]))
    env = {
        **os.environ,
        "PYTHONPATH": others,
        "WHISPER_MLX_MODEL_DIRS": str(weights.parent),
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    ended = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise RuntimeError(f"{name} failed: {ended.stderr[-2000:]}")
    return Measured(**json.loads(ended.stdout.splitlines()[-1]))


def _run(name: str, weights: str, recording: str, batch: int) -> Measured:
    text, seconds, processor, windows = _CONTENDERS.get(name, _own)(name, weights, Path(recording), batch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return Measured(text, round(seconds, 2), round(processor, 2), windows, round(peak))


def _own(name: str, weights: str, recording: Path, batch: int) -> tuple[str, float, float, int]:
    from engines.base import DecodeOptions
    from engines.decoding.batcher import Batcher
    from engines.decoding.transcriber import Transcription
    from engines.registry import EngineOptions, create_engine

    engine = create_engine(name, EngineOptions(model=weights, device="cpu", max_batch=batch or None))
    batcher = Batcher(engine)
    batcher.start()
    windows: set[int] = set()
    decode = engine.decode

    def counted(given: Any) -> Any:
        windows.update(window.index for window in given)
        return decode(given)

    engine.decode = counted  # type: ignore[method-assign,assignment]
    transcription = Transcription(batcher, recording, DecodeOptions(language="en", words=False), "batch", 24 * 3600)
    seconds, processor = _timed(lambda: list(transcription))
    batcher.close()
    return transcription.transcript().text, seconds, processor, len(windows)


def _vayu(name: str, weights: str, recording: Path, batch: int) -> tuple[str, float, float, int]:
    from whisper_mlx import transcribe  # type: ignore[import-not-found]

    samples = _samples(recording)
    found: dict[str, Any] = {}
    options = {"path_or_hf_repo": weights, "batch_size": batch, "language": "en", "fp16": False, "verbose": None}
    transcribe(samples[:16_000], **options)  # warm-up, as ours has
    seconds, processor = _timed(lambda: found.update(transcribe(samples, **options)))
    return str(found["text"]), seconds, processor, _windows(samples)


def _lightning(name: str, weights: str, recording: Path, batch: int) -> tuple[str, float, float, int]:
    from lightning_whisper_mlx.transcribe import transcribe_audio  # type: ignore[import-not-found]

    samples = _samples(recording)
    found: dict[str, Any] = {}
    options = {"path_or_hf_repo": weights, "batch_size": batch, "language": "en", "fp16": False}
    transcribe_audio(samples[:16_000], **options)
    seconds, processor = _timed(lambda: found.update(transcribe_audio(samples, **options)))
    return str(found["text"]), seconds, processor, _windows(samples)


def _samples(recording: Path) -> Any:
    from tests import media

    return media.read(recording)


def _windows(samples: Any) -> int:
    return int(-(-len(samples) // (_WINDOW * 16_000)))


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    started, processor = time.monotonic(), time.process_time()
    work()
    return time.monotonic() - started, time.process_time() - processor


_CONTENDERS: dict[str, Callable[[str, str, Path, int], tuple[str, float, float, int]]] = {
    "vayu-whisper": _vayu,
    "original-lightning": _lightning,
}

if __name__ == "__main__":
    import dataclasses

    print(json.dumps(dataclasses.asdict(_run(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))))
