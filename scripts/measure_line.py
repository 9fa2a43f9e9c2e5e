"""Measures a running service against plain faster-whisper on the same weights and the same machine.

    python -m scripts.measure_line --output measured.md

Give it the machine for itself: the service and the control never compute at the same time, and nothing else should.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
if __package__ in (None, ""):  # run as a file
    sys.path[0] = str(ROOT)

from engines.models import find_ctranslate2_weights  # noqa: E402 - the path comes first
from scripts.measuring.report import markdown  # noqa: E402
from scripts.measuring.service import ServiceClient, ServiceError, service_processes  # noqa: E402
from scripts.measuring.steps import STEPS, Measurement, say  # noqa: E402
from tests import speech  # noqa: E402
from worker.settings import WorkerSettings  # noqa: E402


def main() -> int:
    options = _options()
    client = ServiceClient(options.url, options.model, options.api_key)
    try:
        client.check_ready()
        processes = service_processes(options.url, options.api_pid, options.worker_pid)
    except ServiceError as error:
        return _refuse(error)
    weights = options.weights or find_ctranslate2_weights(options.model, WorkerSettings().data_dir)
    short = min(5.0, options.minutes / 3)
    line = Measurement(client, weights, processes, options.minutes, options.rounds, short, options.control_words)
    say("making the recordings, where they are not there yet")
    remarks = [*_machine(), f"Load of the machine before: {psutil.getloadavg()[0]:.2f}"]
    for minutes in (short, options.minutes):
        speech.recording_file(minutes)
    try:
        for name in options.steps:
            STEPS[name](line)
    except ServiceError as error:
        return _refuse(error)
    _write(options.output, line, remarks)
    return 0 if all(figure.met is not False for figure in line.figures) else 1


def _refuse(error: ServiceError) -> int:
    print(error, file=sys.stderr)
    return 2


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:9001")
    parser.add_argument("--api-key")
    parser.add_argument("--model", default="base", help="must be what the service runs")
    parser.add_argument("--weights", type=Path, help="directory the control reads; default: the service's own")
    parser.add_argument("--minutes", type=float, help="length of the long recording; default 45")
    parser.add_argument("--rounds", type=int, help="how often the clip is sent; default 20")
    parser.add_argument("--quick", action="store_true", help="3 minutes and 5 rounds: a trial, not a result")
    parser.add_argument("--control-words", action="store_true", help="run the control a second time, with word times")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--api-pid", type=int)
    parser.add_argument("--worker-pid", type=int)
    parser.add_argument("--output", type=Path, help="a Markdown file; the raw values lie beside it as JSON")
    options = parser.parse_args()
    options.minutes = options.minutes or (3 if options.quick else 45)
    options.rounds = options.rounds or (5 if options.quick else 20)
    return options


def _machine() -> list[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("faster-whisper", "ctranslate2", "onnxruntime", "av"))
    cores = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return [cores, f"Python {platform.python_version()}, {packages}"]


def _write(output: Path | None, line: Measurement, remarks: list[str]) -> None:
    table = markdown("The line, measured", remarks, line.figures)
    print(table)
    if output:
        output.write_text(table, encoding="utf-8")
        raw = {"remarks": remarks, "figures": [asdict(figure) for figure in line.figures], **line.raw}
        output.with_suffix(".json").write_text(json.dumps(raw, indent=1), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
