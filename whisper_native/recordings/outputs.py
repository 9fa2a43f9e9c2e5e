"""The files that transcripts are written to: beside their recordings or in a folder, whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from whisper_native.errors import Failure
from whisper_native.recordings.sources import Source

# The command's formats, each with the server's name for it. `json` is Whisper's own, with segments.
FORMATS = {
    "txt": "text",
    "srt": "srt",
    "vtt": "vtt",
    "json": "verbose_json",
    "tsv": "tsv",
    "csv": "csv",
    "md": "md",
    "docx": "docx",
}
BINARY = ("docx",)  # nothing for a terminal


@dataclass(frozen=True, slots=True)
class Plan:
    """A recording and where its transcripts go. outputs: format -> file; None for standard output."""

    source: Source
    outputs: dict[str, Path | None] = field(default_factory=dict)

    @property
    def missing(self) -> dict[str, Path | None]:
        """Without those that are there already."""
        return {name: path for name, path in self.outputs.items() if path is None or not path.exists()}


def plans(sources: Sequence[Source], formats: Sequence[str], directory: Path | None, *, to_stdout: bool) -> list[Plan]:
    """directory: None for beside each recording. Recordings whose transcripts would have the same name (a.mp3, a.wav)
    keep their endings (a.mp3.srt, a.wav.srt)."""
    bases = [_base(source, directory) for source in sources]
    shared = Counter(map(_folded, bases))
    planned = []
    for source, base in zip(sources, bases, strict=True):
        if to_stdout or (source.beside is None and directory is None):
            planned.append(Plan(source, dict.fromkeys(formats)))
            continue
        whole = base.with_name(source.name) if shared[_folded(base)] > 1 else base
        planned.append(Plan(source, {name: whole.with_name(f"{whole.name}.{name}") for name in formats}))
    return planned


def write(path: Path, content: bytes) -> None:
    """Aside and renamed: a reader finds all of it or nothing. Raises Failure."""
    aside = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        os.replace(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise Failure(f"{path} cannot be written: {error.strerror}.", "unwritable") from None


def _base(source: Source, directory: Path | None) -> Path:
    """The output's path without its ending."""
    folder = directory / source.below if directory else source.beside or Path()
    return folder / (Path(source.name).stem or source.name)


def _folded(path: Path) -> str:
    return str(path).casefold()
