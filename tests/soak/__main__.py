"""Breaks a running service at random for a while and says what did not hold. Exit code 1 where something did not."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.fleet.run import CALLS as FLEET_CALLS
from tests.soak.fleet.run import FAULTS as FLEET_FAULTS
from tests.soak.fleet.run import soak_fleet
from tests.soak.plan import FAULTS_PER_MINUTE, Pace
from tests.soak.run import ENGINES, soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="repeats the faults of a run")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--engine", choices=sorted(ENGINES), default="base", help="`fake` needs no processor time")
    parser.add_argument("--calls", type=float, help="a minute; fewer for a machine that has other work as well")
    parser.add_argument("--faults", type=float, default=FAULTS_PER_MINUTE, help="a minute")
    parser.add_argument("--patience", type=float, default=300.0, help="seconds a client goes on trying")
    parser.add_argument("--fleet", action="store_true", help="two API boxes and three workers, each with its network")
    arguments = parser.parse_args()
    if arguments.fleet:
        return _fleet(arguments)
    calls = arguments.calls or ENGINES[arguments.engine].calls_per_minute
    pace = Pace(arguments.minutes * 60, arguments.faults, calls, arguments.patience)
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as directory:
        report = soak(Path(directory), arguments.seed, pace, arguments.engine)
        print(report)
        if report.problems:
            print((Path(directory) / "service.log").read_text(encoding="utf-8", errors="replace")[-20_000:])
    return 1 if report.problems else 0


def _fleet(arguments: argparse.Namespace) -> int:
    faults = FLEET_FAULTS if arguments.faults == FAULTS_PER_MINUTE else arguments.faults
    pace = Pace(arguments.minutes * 60, faults, arguments.calls or FLEET_CALLS, arguments.patience)
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as directory:
        report = soak_fleet(Path(directory), arguments.seed, pace)
        print(report)
        if report.problems:
            for log in sorted(Path(directory).glob("*/service.log")):
                print(f"{log}:\n{log.read_text(encoding='utf-8', errors='replace')[-20_000:]}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
