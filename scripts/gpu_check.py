"""Tries this machine's GPU: every engine and number format, passes of one window up to what its memory holds, the words
against those a CPU hears, one file, 1, 8 and 64 callers, a clip beside a meeting, and what is done if the memory runs
out. Writes what it finds to scripts/benchmark_results/, after each step.

    python scripts/gpu_check.py                        # the models base and large-v3-turbo, on cuda
    python scripts/gpu_check.py --models large-v3      # another model
    python scripts/gpu_check.py --models made:large-v3 # random weights of its shape, made here: no words to tell
    python scripts/gpu_check.py --device cpu           # the same steps without a GPU: a trial of this script, no result
    python scripts/gpu_check.py --pack DIRECTORY       # fills it with what a machine without a network needs for this

It needs what `make whisper-native` installs, on an NVIDIA GPU also `make engine EXTRA=cuda`. Stop the service first: it
would share the GPU. What there is no time for within --minutes is left out, and said to be.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).parent.parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(ROOT)

from engines.base import Window  # noqa: E402 - the path comes first
from engines.decoding.batcher import Batcher  # noqa: E402
from engines.devices.nvidia import find_driver  # noqa: E402
from engines.errors import EngineError  # noqa: E402
from scripts.benchmarking.report import Figure, Report  # noqa: E402
from scripts.gpu.budget import Budget  # noqa: E402
from scripts.gpu.load import Loads, halving, long_file  # noqa: E402
from scripts.gpu.made import is_made  # noqa: E402
from scripts.gpu.memory import used_and_free  # noqa: E402
from scripts.gpu.pack import PYTHONS, PackFailed, Wanted, pack  # noqa: E402
from scripts.gpu.passes import Passes  # noqa: E402
from scripts.gpu.trial import Trial, full_window, heard_on_cpu  # noqa: E402
from worker.models.remedies import with_remedy  # noqa: E402

RESULTS = ROOT / "scripts" / "benchmark_results"
FORMATS = ("float16", "int8_float16", "bfloat16", "float32", "int8_float32", "int8")
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
PASS = 16  # windows at most under load, as the service has it on a GPU
START = 20.0  # seconds without which nothing new is begun


def main() -> int:
    options = _options()
    if options.pack:
        return _pack(options)
    budget = Budget(options.minutes)
    is_trial = options.device == "cpu"
    title = "A trial of the GPU check on a CPU: no result" if is_trial else "GPU check"
    report = Report(title, _remarks(options.models, is_trial=is_trial))
    window = full_window()
    heard = dict(_heard(options.models, window, options.data_dir, report))
    with tempfile.TemporaryDirectory() as folder:
        file = long_file(Path(folder), options.file_minutes)
        for trial, is_first in _trials(options):
            if trial.model not in heard:
                continue
            print(f"{trial} ...", flush=True)
            figures = report.figures.setdefault(str(trial), [])
            if not budget.has(START):
                figures.append(Figure("left out", "no time"))
                continue
            steps = examine(trial, window, heard[trial.model], options.batches, budget, file if is_first else None)
            for figure in steps:
                figures.append(figure)
                report.write(options.output, options.name)  # an interrupted run keeps what it has
    report.write(options.output, options.name)
    print(report.markdown())
    print(f"Written to {options.output / options.name}.md and .json")
    return 0 if report.is_met else 1


def _heard(
    models: Sequence[str], window: Window, data_dir: Path, report: Report
) -> Iterator[tuple[str, Sequence[str]]]:
    """What a CPU hears with each model whose weights can be had."""
    for model in models:
        try:
            yield model, heard_on_cpu(model, window, data_dir)
        except EngineError as error:
            report.figures[model] = [Figure("load", with_remedy(error), "weights", met=False)]


def _trials(options: argparse.Namespace) -> Iterator[tuple[Trial, bool]]:
    """The first format of each model, which is tried under load too, before the second of any."""
    for at in range(len(options.formats)):
        for model in options.models:
            for engine in options.engines:
                if engine == "faster-whisper":
                    yield Trial(engine, model, options.formats[at], options.device, options.data_dir), at == 0
                elif at == 0:
                    yield Trial(engine, model, "auto", options.device, options.data_dir), True


def examine(
    trial: Trial, window: Window, words: Sequence[str], sizes: Sequence[int], budget: Budget, file: Path | None
) -> Iterator[Figure]:
    """Loads the engine, compares its words with the CPU's, times passes until the memory is full, and with a file also
    what the whole line makes of them."""
    began = time.monotonic()
    try:
        engine = trial.create()
        batcher = Batcher(engine)
        batcher.start()
    except EngineError as error:
        yield Figure("load", with_remedy(error))
        return
    loaded = used_and_free(trial.device)
    try:
        yield Figure("load, with its first pass", f"{time.monotonic() - began:.1f} s")
        passes = Passes(engine, trial.device, budget)
        yield from passes.measure(window, words, sizes)
        if file is not None:
            batcher.max_batch = min(PASS, passes.fits)
            yield from Loads(batcher, file, budget).measure()
            used = used_and_free(trial.device)
            yield halving(batcher, window, trial.device, used[0] - loaded[0] if used and loaded else 0)
    except (EngineError, RuntimeError) as error:
        yield Figure("stopped by", str(error), "no error", met=False)
    finally:
        batcher.close()


def _pack(options: argparse.Namespace) -> int:
    below = int(options.below * 1e6) if options.below else None
    wanted = Wanted(options.python, not options.without_cuda, not options.without_weights, below)
    try:
        print(pack(options.pack, wanted))
    except PackFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _remarks(models: Sequence[str], *, is_trial: bool) -> list[str]:
    driver = find_driver()
    gpus = [f"GPU {index}: {gpu}" for index, gpu in enumerate(driver.gpus)] if driver else []
    cuda = [f"Driver for CUDA {driver.cuda[0]}.{driver.cuda[1]}"] if driver else []
    packages = ", ".join(f"{name} {version(name)}" for name in ("ctranslate2", "faster-whisper", "numpy"))
    trial = ["No GPU took part. These figures are a CPU's: they show that the script runs, and nothing of any GPU."]
    made = ["What is made: says the same whatever it hears: its figures are of time and memory, not of words."]
    return [
        *(trial if is_trial else []),
        *(made if any(map(is_made, models)) else []),
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
    parser.add_argument("--minutes", type=float, default=8.0, help="that it may take (%(default)g)")
    parser.add_argument("--file-minutes", type=float, default=10.0, help="length of the one file (%(default)g)")
    parser.add_argument("--data-dir", type=Path, default=ROOT / "data", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=RESULTS, help="a directory (%(default)s)")
    parser.add_argument("--name", help="of the files there (gpu, or gpu-trial)")
    carried = parser.add_argument_group("packing")
    carried.add_argument("--pack", type=Path, metavar="DIRECTORY", help="fill it with what the check needs elsewhere")
    own = ".".join(map(str, sys.version_info[:2]))
    carried.add_argument("--python", choices=PYTHONS, default=own, help="of the other machine (%(default)s)")
    carried.add_argument("--without-cuda", action="store_true", help="leave cuBLAS out: the other machine has it")
    carried.add_argument("--without-weights", action="store_true", help="leave base out: weights are made there")
    carried.add_argument("--below", type=float, metavar="MB", help="as one archive, in parts that are not larger")
    options = parser.parse_args()
    if options.below is not None and options.below < 1:
        parser.error("--below is a number of megabytes, 1 or more")
    options.batches = list(takewhile(lambda size: size <= options.max_batch, BATCHES))
    options.name = options.name or ("gpu-trial" if options.device == "cpu" else "gpu")
    return options


if __name__ == "__main__":
    sys.exit(main())
