"""`whisper-native transcribe`."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from whisper_native.cli import options
from whisper_native.errors import INTERRUPTED, SOME_FAILED, Failure

if TYPE_CHECKING:
    from whisper_native.recordings.outputs import Plan
    from whisper_native.running.batch import Batch, Service
    from whisper_native.running.display import Display
    from whisper_native.running.ending import Ending

SECOND_THOUGHTS = 3.0  # seconds in which a second Ctrl-C cancels the jobs
TO_BE_ANSWERED = 2.0  # seconds for what was sent when the first one came


@click.command(cls=options.Spelled)
@click.argument("recordings", nargs=-1, required=True, metavar="FILE|FOLDER|GLOB|URL|-...")
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
    callback=options.writable_folder,
    help="Where to write; - for standard output. Default: beside each recording.",
)
@options.spoken
@options.laid_out
@click.option("-r", "--recursive", is_flag=True, help="Folders with all that is in them.")
@click.option("-j", "--uploads", type=click.IntRange(1, 16), default=2, show_default=True, help="Uploads at once.")
@click.option("--overwrite", is_flag=True, help="Write outputs anew; by default what exists is skipped.")
@click.option("--follow", is_flag=True, help="Print the text as it comes.")
@click.option("--no-wait", is_flag=True, help="Hand recordings in and print the ids of their jobs.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each recording.")
@options.noisy
@options.connected
def transcribe(recordings: tuple[str, ...], output: Path | str | None, **given: Any) -> int:
    """Transcribes recordings: files, folders, patterns, addresses for yt-dlp, or - for standard input.

    A second run with the same recordings gets the same jobs: after a crash nothing is done twice.
    """
    from whisper_native.http.server import Server
    from whisper_native.recordings.outputs import BINARY, plans
    from whisper_native.recordings.sources import NotFound, Scratch, sources
    from whisper_native.running.batch import Batch
    from whisper_native.running.display import choose

    to_stdout = output == "-" or (given["follow"] and output is None)
    if to_stdout and (set(given["formats"]) & set(BINARY)) and sys.stdout.isatty():
        raise click.UsageError("docx is nothing for a terminal: name a directory with -o.")
    with Scratch() as scratch:
        try:
            found = sources(recordings, recursive=given["recursive"], scratch=scratch)
        except NotFound as error:
            raise click.UsageError(str(error)) from None
        planned = plans(found, given["formats"], output if isinstance(output, Path) else None, to_stdout=to_stdout)
        service = find_service(options.connect(given, threading.Event()))
        shares_terminal = sys.stdout.isatty() and given["follow"]
        display = choose(quiet=given["quiet"], verbose=given["verbose"], may_show_bars=not shares_terminal)
        if not planned:
            more = "" if given["recursive"] else " With --recursive, folders are searched with all that is in them."
            display.message(f"No recordings were found: {', '.join(recordings)}.{more}")
        batch = Batch(service, wishes(given), display, _tell)
        told = given["follow"] and isinstance(service, Server)  # others have nothing to tell before the end
        report = Report(planned, display, as_json=given["as_json"], told=told)
        return run(batch, planned, report, display)


def wishes(given: dict[str, Any]) -> Any:
    """The options as `Wishes`."""
    from whisper_native.running.wishes import Wishes

    fields = options.request_fields(given)
    layout = options.layout_fields(given)
    return Wishes(
        formats=given["formats"],
        fields=fields,
        layout=layout,
        waits=not given.get("no_wait"),
        overwrites=bool(given.get("overwrite")),
        uploads=given["uploads"],
        tells=bool(given.get("follow")),
    )


def find_service(connection: Any) -> Service:
    """The service, or whatever else speaks OpenAI's API there. Raises Failure."""
    from whisper_native.http.openai_server import OpenAIServer
    from whisper_native.http.server import find

    return find(connection) or OpenAIServer(connection)


def run(batch: Batch, planned: Sequence[Plan], report: Report, display: Display) -> int:
    """Until all have ended, one failure is everybody's, or Ctrl-C; returns the exit code."""
    try:
        for plan in planned:
            batch.add(plan)
        while not batch.is_done and report.exit_code in (0, SOME_FAILED):
            if ending := batch.poll(0.5):
                report.add(ending)
    except KeyboardInterrupt:
        display.close()
        return interrupted(batch, display)
    display.close()
    report.close()
    return report.exit_code


def interrupted(batch: Batch, display: Display) -> int:
    """The jobs that were accepted go on, unless there is a second Ctrl-C."""
    try:
        jobs = batch.stop(TO_BE_ANSWERED)
        if jobs:
            display.message(f"Stopped. These jobs go on: {' '.join(jobs)}", important=True)
            display.message("Run the same command again to get their transcripts; Ctrl-C now cancels them.")
            time.sleep(SECOND_THOUGHTS)
    except KeyboardInterrupt:
        canceled = batch.cancel()
        display.message(f"Canceled: {' '.join(canceled) or 'none'}", important=True)
    return INTERRUPTED


class Report:
    """Results go to standard output, in the order of the recordings if they are texts; the rest to standard error.

    told: text was printed as it came.
    """

    def __init__(self, planned: Sequence[Plan], display: Display, *, as_json: bool, told: bool = False) -> None:
        self._order = [id(plan) for plan in planned]
        self._display = display
        self._as_json = as_json
        self._told = told
        self._texts: dict[int, Ending] = {}
        self._held: list[bytes] = []
        self._counts: dict[str, int] = {}
        self.exit_code = 0

    def add(self, ending: Ending) -> None:
        self._counts[ending.status] = self._counts.get(ending.status, 0) + 1
        if ending.failure:
            self._fail(ending, ending.failure)
        if self._as_json:
            self._put_line(json.dumps(ending.as_json(), ensure_ascii=False))
            return
        self._texts[id(ending.plan)] = ending
        while self._order and self._order[0] in self._texts:
            self._show(self._texts.pop(self._order.pop(0)))
        if not self._order:
            for each in list(self._texts):
                self._show(self._texts.pop(each))

    def close(self) -> None:
        """Prints what was held back for the bars, and the sum."""
        for ending in self._texts.values():
            self._show(ending)
        for held in self._held:
            _write(held)
        counted = ", ".join(f"{count} {status}" for status, count in self._counts.items())
        if sum(self._counts.values()) > 1 or "skipped" in self._counts:
            there = " (their outputs exist; --overwrite writes them anew)" if "skipped" in self._counts else ""
            self._display.message(f"{counted}{there}")

    def _fail(self, ending: Ending, failure: Failure) -> None:
        self.exit_code = failure.exit_code if failure.is_everybodys else self.exit_code or SOME_FAILED
        self._display.message(f"{ending.plan.source.name}: {failure}", important=True)

    def _show(self, ending: Ending) -> None:
        if ending.status == "queued":
            self._put_line(str(ending.job_id))
        for path in ending.written:
            self._put_line(str(path))
        for name, text in ending.texts.items():
            if not (self._told and name == "txt"):
                self._put(text)

    def _put_line(self, line: str) -> None:
        """On a terminal with bars it is printed above them."""
        if self._shares_terminal:
            self._display.message(line, important=True)
        else:
            _write(f"{line}\n".encode(errors="surrogateescape"))

    def _put(self, data: bytes) -> None:
        """Bars on the same terminal would be torn: what comes meanwhile is printed after them."""
        if self._shares_terminal:
            self._held.append(data)
        else:
            _write(data)

    @property
    def _shares_terminal(self) -> bool:
        return self._display.shows_bars and sys.stdout.isatty()


def _tell(text: str) -> None:
    _write(f"{text}\n".encode())


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
