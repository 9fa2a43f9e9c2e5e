"""`whisper-native jobs`, `get`, `cancel` and `retry`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from whisper_native.cli import options
from whisper_native.errors import SOME_FAILED, Failure

if TYPE_CHECKING:
    from whisper_native.http.server import Server

STATES = ["queued", "started", "finished", "failed", "canceled"]
IDS = click.argument("job_ids", nargs=-1, required=True, metavar="ID...")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print each job as a JSON object.")


@click.command()
@click.option("-n", "--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, newest first.")
@click.option("--status", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--search", metavar="WORDS", help="Only those whose name, title, metadata or transcript has them.")
@AS_JSON
@options.connected
def jobs(limit: int, status: str | None, search: str | None, as_json: bool, **given: Any) -> int:
    """Lists your jobs, the newest first."""
    for job in _server(given).jobs(limit, status, search):
        _print(job, as_json=as_json)
    return 0


@click.command(cls=options.Spelled)
@IDS
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
    default="-",
    callback=options.writable_folder,
    help="Where to write; default: standard output.",
)
@options.laid_out
@click.option("--no-wait", is_flag=True, help="Fail for a job that has not ended instead of waiting for it.")
@options.connected
def get(job_ids: tuple[str, ...], output: Path | str, **given: Any) -> int:
    """Fetches the transcripts of jobs, and waits for those that have not ended."""
    from whisper_native.recordings.outputs import BINARY, FORMATS, write

    if output == "-" and set(given["formats"]) & set(BINARY) and sys.stdout.isatty():
        raise click.UsageError("docx is nothing for a terminal: name a directory with -o.")
    server, layout = _server(given), options.layout_fields(given)
    taken: dict[str, str] = {}  # names of files -> whose they are

    def named(job: dict[str, Any]) -> str:
        """As the recording; if another's transcripts have that name, with the job's id."""
        stem = Path(job["file"]["name"]).stem or job["id"]
        is_free = taken.setdefault(stem.casefold(), job["id"]) == job["id"]
        return stem if is_free else f"{stem} {job['id']}"

    def fetch(job_id: str) -> None:
        job = server.job(job_id)
        while job["status"] in ("queued", "started") and not given["no_wait"]:
            job = server.job(job_id, wait=30)
        for name in given["formats"]:
            body = server.transcript(job_id, FORMATS[name], layout)
            if isinstance(output, Path):
                path = output / f"{named(job)}.{name}"
                write(path, body)
                click.echo(path)
            else:
                sys.stdout.buffer.write(body)
                sys.stdout.buffer.flush()

    return _each(job_ids, fetch)


@click.command()
@IDS
@AS_JSON
@options.connected
def cancel(job_ids: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Cancels jobs that wait or run."""
    server = _server(given)
    return _each(job_ids, lambda job_id: _print(server.cancel(job_id), as_json=as_json))


@click.command(cls=options.Spelled)
@IDS
@options.spoken
@AS_JSON
@options.connected
def retry(job_ids: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Runs failed and canceled jobs again; with options, or of a finished one, a new job of the same recording."""
    server, fields = _server(given), options.request_fields(given)
    return _each(job_ids, lambda job_id: _print(server.retry(job_id, fields), as_json=as_json))


def _server(given: dict[str, Any]) -> Server:
    """Raises Failure for a server without jobs."""
    from whisper_native.http.server import required

    return required(options.connect(given))


def _each(job_ids: tuple[str, ...], call: Any) -> int:
    """All of them, whatever becomes of one; returns the exit code."""
    code = 0
    for job_id in job_ids:
        try:
            call(job_id)
        except Failure as failure:
            if failure.is_everybodys:
                raise
            print(f"{job_id}: {failure}", file=sys.stderr)
            code = SOME_FAILED
    return code


def _print(job: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(job, ensure_ascii=False))
        return
    created = time.strftime("%Y-%m-%d %H:%M", time.localtime(job["created_at"]))
    share = f"{job['progress']:4.0%}" if job["status"] in ("started", "finished") else "    "
    name = "".join(sign if sign.isprintable() else "?" for sign in job["file"]["name"])
    error = f"  ({job['error']['message']})" if job["error"] else ""
    until = job.get("expires_at")  # earlier servers do not say
    kept = f"  (kept until {time.strftime('%Y-%m-%d %H:%M', time.localtime(until))})" if until else ""
    click.echo(f"{job['id']}  {job['status']:8}  {share}  {created}  {name}{error}{kept}")
