"""Measures the running service against plain faster-whisper, and against other servers you name.

    python scripts/benchmark_whisper.py --quick
    python scripts/benchmark_whisper.py --compare speaches=http://127.0.0.1:8000

Give it the machine for itself: those compared take turns, and nothing else should compute meanwhile.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import psutil
from tqdm import tqdm

ROOT = Path(__file__).parent.parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(ROOT)

from engines.weights.ctranslate2 import find_ctranslate2_weights  # noqa: E402 - the path comes first
from scripts.benchmarking.bench import QUICK, Bench, Sizes  # noqa: E402
from scripts.benchmarking.report import Report  # noqa: E402
from scripts.benchmarking.steps.catalog import DEFAULT, STEPS  # noqa: E402
from scripts.benchmarking.targets import Native, Target, TargetError  # noqa: E402
from worker.settings import WorkerSettings  # noqa: E402

RESULTS = ROOT / "scripts" / "benchmark_results"


def main() -> int:
    options = _options()
    native = Native("whisper-native", f"http://127.0.0.1:{options.native_port}", options.model, options.api_key)
    others = [Target(name, url, options.compare_model) for name, url in options.compare]
    try:
        for target in [native, *others]:
            target.check()
    except TargetError as error:
        print(error, file=sys.stderr)
        return 2
    weights = options.weights or find_ctranslate2_weights(options.model, WorkerSettings().data_dir)
    sizes = _sizes(options)
    report = Report("Benchmark", _remarks(options.model, sizes))
    bench = Bench(native, others, weights, options.model, sizes, report, tqdm.write, options.audio)
    return _run(bench, options)


def _run(bench: Bench, options: argparse.Namespace) -> int:
    progress = tqdm(options.steps, unit="step")
    try:
        for name in progress:
            progress.set_description(name)
            STEPS[name](bench)
            bench.report.write(options.output, options.name)  # an interrupted run keeps what it has
    except TargetError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"Stopped. What was measured lies in {options.output}.", file=sys.stderr)
        return 130
    print(bench.report.markdown())
    return 0 if bench.report.is_met else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    port = int(os.environ.get("NATIVE_WHISPER_PORT") or 9001)
    parser.add_argument("--native-port", type=int, default=port, help="where this service listens (%(default)s)")
    parser.add_argument("--compare", type=_named_url, action="append", default=[], metavar="NAME=URL")
    parser.add_argument("--compare-model", default="whisper-1", help="the model's name at those servers")
    parser.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY"))
    parser.add_argument("--model", default="base", help="must be what the service runs (%(default)s)")
    parser.add_argument("--weights", type=Path, help="directory the control reads; default: the service's own")
    parser.add_argument("--audio", type=Path, help="your own recording, for the clip and the long file")
    parser.add_argument("--concurrency", type=int, nargs="+", help="callers at once (1 8 32; 8 is always among them)")
    parser.add_argument("--rounds", type=int, help="runs of which the median counts (3)")
    parser.add_argument("--long-minutes", type=float, help="length of the long file (42)")
    parser.add_argument("--quick", action="store_true", help="everything small: a trial, not a result")
    parser.add_argument(
        "--steps", nargs="+", choices=STEPS, default=list(DEFAULT), help="frontier and soak are left out otherwise"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="a directory (%(default)s)")
    parser.add_argument("--name", default="latest", help="of the files there (%(default)s)")
    return parser.parse_args()


def _named_url(text: str) -> tuple[str, str]:
    name, separator, url = text.partition("=")
    if not separator or not url.startswith(("http://", "https://")):
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=URL, such as speaches=http://127.0.0.1:8000")
    return name, url


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else Sizes()
    concurrency = tuple(sorted({8, *options.concurrency})) if options.concurrency else sizes.concurrency
    return replace(
        sizes,
        concurrency=concurrency,
        rounds=options.rounds or sizes.rounds,
        long=options.long_minutes or sizes.long,
    )


def _remarks(model: str, sizes: Sizes) -> list[str]:
    packages = ("faster-whisper", "ctranslate2", "onnxruntime", "av", "rq", "fastapi")
    settings = {name: value for name, value in os.environ.items() if name.startswith("WHISPER_") and "KEY" not in name}
    return [
        f"{_processor()}, {os.cpu_count()} cores, {psutil.virtual_memory().total / 2**30:.0f} GB, {platform.system()}",
        f"Python {platform.python_version()}, {', '.join(f'{name} {version(name)}' for name in packages)}",
        f"Model {model}, int8, beam 5. Settings: {settings or 'defaults'}",
        f"Load of the machine before: {psutil.getloadavg()[0]:.2f}",
        f"Sizes: {asdict(sizes)}",
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
