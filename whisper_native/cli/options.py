"""Options that several commands have, and what they mean for a request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from whisper_native.cli.configuration import address
from whisper_native.recordings.outputs import FORMATS

Command = TypeVar("Command", bound=Callable[..., Any])

PATIENCE = 60.0  # seconds
# Whisper's own command gives these a value.
SWITCHES = ("--word-timestamps", "--highlight-words")


class Spelled(click.Command):
    """Takes Whisper's spellings too: `--highlight_words True`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _without_values(args))


def _without_values(args: list[str]) -> list[str]:
    kept: list[str] = []
    for at, word in enumerate(args):
        before = args[at - 1].replace("_", "-") if at else ""
        if before in SWITCHES and word.lower() in ("true", "false"):
            if word.lower() == "false":
                kept.pop()
            continue
        kept.append(word)
    return kept


def addressed(command: Command) -> Command:
    """--url and --key."""
    for option in (
        click.option("--key", help="API key [WHISPER_KEY, OPENAI_API_KEY, or what `login` stored]."),
        click.option("--url", help="Server [WHISPER_URL, OPENAI_BASE_URL, what `login` stored, or localhost]."),
    ):
        command = option(command)
    return command


def connected(command: Command) -> Command:
    """--url, --key and --patience."""
    patience = click.option("--patience", type=click.FloatRange(0), default=PATIENCE, show_default=True,
                            metavar="SECONDS",
                            help="How long to try again while the server is away or its queue is full.")  # fmt: skip
    return addressed(patience(command))


def spoken(command: Command) -> Command:
    """What decides the words: model, language and the like."""
    for option in (
        click.option("--temperature", type=click.FloatRange(0, 1), help="0: beam search; above, sampling."),
        click.option("--hotwords", help="Phrases to expect, with commas."),
        click.option("--prompt", "--initial-prompt", "prompt", help="Text before the speech, for names and spelling."),
        click.option("--task", type=click.Choice(["transcribe", "translate"]), help="`translate`: into English."),
        click.option("--language", help="Spoken language: a code or an English name; else it is detected."),
        click.option("--model", help="One of `whisper-native models`."),
        click.option("--priority", type=click.Choice(["batch", "interactive"]), help="`interactive` goes first."),
        click.option("--webhook", metavar="URL", help="Address that is told of each job's end."),
    ):
        command = option(command)
    return command


def laid_out(command: Command) -> Command:
    """How transcripts are written; the server does that."""
    count = click.IntRange(1, 100)
    for option in (
        click.option("--word-timestamps", is_flag=True, help="Of json: words with their times too."),
        click.option("--paragraphs", is_flag=True, help="Of txt: a new paragraph after each pause."),
        click.option("--timestamps", is_flag=True, help="Of txt: times before each segment or paragraph."),
        click.option("--highlight-words", is_flag=True, help="Of srt, vtt: underline each word while it is said."),
        click.option("--max-words-per-line", type=count, help="Of srt, vtt: instead of a width."),
        click.option("--max-line-count", type=count, help="Of srt, vtt: lines of a subtitle (2)."),
        click.option("--max-line-width", type=click.IntRange(1, 1000), help="Of srt, vtt: columns of a line (42)."),
    ):
        command = option(command)
    return command


def noisy(command: Command) -> Command:
    """-q and -v."""
    command = click.option("-v", "--verbose", is_flag=True, help="Say more on standard error.")(command)
    return click.option("-q", "--quiet", is_flag=True, help="No bars and no messages but errors.")(command)


def formats(_context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """`-f srt,docx -f txt`, each once; `all` means all of them."""
    names = [name.strip().lower() for part in value for name in part.split(",") if name.strip()]
    if "all" in names:
        return tuple(FORMATS)
    for name in names:
        if name not in FORMATS:
            raise click.BadParameter(f"'{name}' is none of {', '.join(FORMATS)}, all.")
    return tuple(dict.fromkeys(names))


def request_fields(given: Mapping[str, Any]) -> dict[str, str]:
    """Of the request that sends a recording: what was given of `spoken`."""
    names = {"webhook": "webhook_url"}
    wanted = ("model", "language", "task", "prompt", "hotwords", "temperature", "priority", "webhook")
    return {names.get(name, name): str(given[name]) for name in wanted if given.get(name) is not None}


def layout_fields(given: Mapping[str, Any]) -> dict[str, str]:
    """Of the request for a transcript: what was given of `laid_out`."""
    wanted = ("max_line_width", "max_line_count", "max_words_per_line")
    fields = {name: str(given[name]) for name in wanted if given.get(name) is not None}
    fields |= {name: "true" for name in ("highlight_words", "timestamps", "paragraphs") if given.get(name)}
    return fields | ({"timestamp_granularities": "segment,word"} if given.get("word_timestamps") else {})


def connect(given: Mapping[str, Any], stop: threading.Event | None = None) -> Any:
    """A `Connection` to the server that is meant."""
    from whisper_native.http.connection import Connection  # not before: its library takes a while to load

    found = address(given["url"], given["key"])
    return Connection(found.url, found.key, given["patience"], stop)


def writable_folder(_context: click.Context, _parameter: click.Parameter, value: str | None) -> Path | str | None:
    """`-` for standard output, else a directory that is there or will be made."""
    if value is None or value == "-":
        return value
    path = Path(value)
    if path.exists() and not path.is_dir():
        raise click.BadParameter(f"{value} is a file; name a directory, or - for standard output.")
    return path
