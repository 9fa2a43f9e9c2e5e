"""`whisper-native watch`."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from whisper_native.cli import options
from whisper_native.errors import SOME_FAILED

if TYPE_CHECKING:
    from whisper_native.recordings.arrivals import Arrivals
    from whisper_native.recordings.outputs import Made
    from whisper_native.recordings.sources import Source
    from whisper_native.running.batch import Batch
    from whisper_native.running.display import Display


@click.command(cls=options.Spelled)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-f",
    "--format",
    "--output-format",
    "formats",
    multiple=True,
    default=("txt",),
    show_default=True,
    callback=options.formats,
    help="txt, srt, vtt, json, tsv, csv, md, docx, several with commas, or all.",
)
@click.option(
    "-o",
    "--output",
    "--output-dir",
    "output",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where to write; default: beside each recording.",
)
@click.option(
    "--move",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where recordings go once their transcripts are written.",
)
@options.spoken
@options.laid_out
@click.option("-r", "--recursive", is_flag=True, help="With all folders in it.")
@click.option("-j", "--uploads", type=click.IntRange(1, 16), default=2, show_default=True, help="Uploads at once.")
@click.option(
    "--interval",
    type=click.FloatRange(0.01),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks. A file counts once it did not change between two.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each recording.")
@options.noisy
@options.connected
def watch(folder: Path, output: Path | None, move: Path | None, **given: Any) -> int:
    """Transcribes what is in a folder and what comes into it, until Ctrl-C.

    Recordings whose transcripts exist are left alone, so it can be stopped and started at any time. One that is newer
    than the transcript of its name is another recording, or has changed: it gets a transcript of its own.
    """
    from whisper_native.cli.transcribe import Report, find_service, interrupted, wishes
    from whisper_native.recordings.arrivals import Arrivals
    from whisper_native.recordings.outputs import plans
    from whisper_native.running.batch import Batch
    from whisper_native.running.display import choose

    service = find_service(options.connect(given, threading.Event()))
    display = choose(quiet=given["quiet"], verbose=given["verbose"])
    batch = Batch(service, wishes(given), display, tell=lambda text: None)
    report = Report([], display, as_json=given["as_json"])
    arrivals = Arrivals(folder, recursive=given["recursive"], without=tuple(filter(None, (output, move))))
    made: Made = {}
    arriving, moves = _Folder(arrivals, folder, display), _Moves(move, made, display)
    display.message(f"Watching {folder}; Ctrl-C ends it.")
    try:
        while report.exit_code in (0, SOME_FAILED):
            for plan in plans(arriving.look(), given["formats"], output, to_stdout=False, made=made):
                if plan.missing:
                    batch.add(plan)
                else:
                    moves.take(plan.source)
            _take(batch, report, given["interval"], moves)
    except KeyboardInterrupt:
        display.close()
        return interrupted(batch, display)
    display.close()
    return report.exit_code


class _Folder:
    """What comes into it. One that cannot be read, as of a share that is away, is looked at again, and named once."""

    def __init__(self, arrivals: Arrivals, path: Path, display: Display) -> None:
        self._arrivals = arrivals
        self._path = path
        self._display = display
        self._is_away = False

    def look(self) -> list[Source]:
        try:
            found = self._arrivals.look()
        except OSError as error:
            if not self._is_away:
                why = error.strerror or error
                self._display.message(f"{self._path} cannot be read: {why}. It is tried again.", important=True)
            self._is_away = True
            return []
        self._is_away = False
        return found


class _Moves:
    """Takes recordings to another folder, if there is one, once their transcripts are written."""

    def __init__(self, folder: Path | None, made: Made, display: Display) -> None:
        self._folder = folder
        self._made = made
        self._display = display

    def take(self, source: Source) -> None:
        """Says so if it cannot be. The next one of that name is another recording."""
        if self._folder is None:
            return
        try:
            _moved(source.path, self._folder / source.below)
        except OSError as error:
            why = error.strerror or error
            self._display.message(f"{source.path} cannot be moved to {self._folder}: {why}.", important=True)
        else:
            self._made.update({name: None for name, path in self._made.items() if path == source.path})


def _take(batch: Batch, report: Any, seconds: float, moves: _Moves) -> None:
    """What ends until the next look."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        ending = batch.poll(left)
        if ending is not None:
            report.add(ending)
            if ending.status == "finished":
                moves.take(ending.plan.source)


def _moved(path: Path, folder: Path) -> None:
    """Under a name that is free there."""
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / path.name, 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem} ({number}){path.suffix}"
    try:
        os.rename(path, target)
    except OSError:  # to another file system
        shutil.move(path, target)
