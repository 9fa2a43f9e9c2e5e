"""What is shown on standard error while recordings are on their way: bars on a terminal, else messages alone."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Literal

from whisper_native.recordings.outputs import Plan

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Stage = Literal["reading", "uploading", "waiting", "transcribing"]
MAX_NAME = 32  # columns


class Display:
    """Messages alone. Its calls may come from any thread."""

    shows_bars = False

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose

    def stage(self, plan: Plan, stage: Stage, done: float = 0.0, total: float | None = None) -> None:
        """How far a recording is: bytes or seconds of audio. total: None if it is not known yet."""

    def gone(self, plan: Plan) -> None:
        """The recording's run has ended."""

    def message(self, text: str, *, detail: bool = False, important: bool = False) -> None:
        """detail: only if the user wants to know all; important: even if they want to know nothing."""
        if important or (not self._quiet and (self._verbose or not detail)):
            self._print(text)

    def close(self) -> None:
        """Takes the bars away; messages may follow."""

    def _print(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class Bars(Display):
    """A bar for each recording that is on its way."""

    shows_bars = True

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(quiet=quiet, verbose=verbose)
        self._progress = _progress()
        self._tasks: dict[int, TaskID] = {}
        self._stages: dict[int, Stage] = {}
        self._lock = threading.Lock()
        self._progress.start()

    def stage(self, plan: Plan, stage: Stage, done: float = 0.0, total: float | None = None) -> None:
        with self._lock:
            task = self._tasks.get(id(plan))
            if task is None:
                task = self._tasks[id(plan)] = self._progress.add_task(
                    _short(plan.source.name), total=None, stage=stage
                )
            if self._stages.get(id(plan)) != stage:
                self._progress.reset(task, total=total, stage=stage)
                self._stages[id(plan)] = stage
            self._progress.update(task, completed=done, total=total)

    def gone(self, plan: Plan) -> None:
        with self._lock:
            task = self._tasks.pop(id(plan), None)
            self._stages.pop(id(plan), None)
            if task is not None:
                self._progress.remove_task(task)

    def close(self) -> None:
        self._progress.stop()

    def _print(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)


def choose(*, quiet: bool, verbose: bool, may_show_bars: bool = True) -> Display:
    """Bars on a terminal that can draw them."""
    can_draw = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if quiet or not may_show_bars or not can_draw:
        return Display(quiet=quiet, verbose=verbose)
    return Bars(verbose=verbose)


def _progress() -> Progress:
    from rich.console import Console  # not before there is a terminal: it takes a while to load
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TextColumn("{task.fields[stage]}", markup=False),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,  # results are nobody's but standard output's
        redirect_stderr=False,
        refresh_per_second=5,
    )


def _short(name: str) -> str:
    plain = "".join(sign if sign.isprintable() else "?" for sign in name)
    return plain if len(plain) <= MAX_NAME else f"{plain[: MAX_NAME - 12]}…{plain[-11:]}"
