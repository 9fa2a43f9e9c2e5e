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


Made = dict[str, Path | None]  # output without its ending -> the recording it is of; None once that has been moved


def plans(
    sources: Sequence[Source],
    formats: Sequence[str],
    directory: Path | None,
    *,
    to_stdout: bool,
    made: Made | None = None,
) -> list[Plan]:
    """directory: None for beside each recording. Recordings whose transcripts would have the same name (a.mp3, a.wav)
    keep their endings (a.mp3.srt, a.wav.srt); those of several folders (x/a.mp3, y/a.mp3) come into folders named like
    theirs. made: the outputs of earlier calls, which are no other recording's; with it, transcripts that are older than
    the recording are another's too, or of what it was before."""
    bases = _apart(sources, [_base(source, directory) for source in sources])
    found, ours = {} if made is None else made, () if made is None else formats
    bases = [_free(base, source.path, found, ours) for source, base in zip(sources, bases, strict=True)]
    planned = []
    for source, base in zip(sources, bases, strict=True):
        if to_stdout or (source.beside is None and directory is None):
            planned.append(Plan(source, dict.fromkeys(formats)))
            continue
        planned.append(Plan(source, {name: base.with_name(f"{base.name}.{name}") for name in formats}))
    return planned


def write(path: Path, content: bytes, recording: Path | None = None) -> None:
    """Aside and renamed: a reader finds all of it or nothing. It is no older than its recording, which may be from a
    machine whose clock is ahead. Raises Failure."""
    short = path.name.encode(errors="replace")[:200].decode(errors="ignore")  # most systems take 255 bytes
    aside = path.with_name(f".{short}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        if recording is not None and (recorded_at := _changed_at(recording)) > _changed_at(aside):
            os.utime(aside, ns=(recorded_at, recorded_at))
        os.replace(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise Failure(f"{path} cannot be written: {error.strerror}.", "unwritable") from None


def _base(source: Source, directory: Path | None) -> Path:
    """The output's path without its ending."""
    folder = directory / source.below if directory else source.beside or Path()
    return folder / (Path(source.name).stem or source.name)


def _apart(sources: Sequence[Source], bases: list[Path]) -> list[Path]:
    """The bases, with as much more as it takes that no two are the same."""
    for further in (_with_ending, _in_folder):
        shared = Counter(map(_folded, bases))
        pairs = zip(sources, bases, strict=True)
        bases = [further(source, base) if shared[_folded(base)] > 1 else base for source, base in pairs]
    return bases


def _with_ending(source: Source, base: Path) -> Path:
    return base.with_name(source.name)


def _in_folder(source: Source, base: Path) -> Path:
    """Named like the recording's own, if it has one that is not its transcript's."""
    folder = source.path.absolute().parent
    is_its_own = source.beside is not None and source.beside.absolute() == folder
    return base.parent / folder.name / base.name if is_its_own and base.parent.absolute() != folder else base


def _free(base: Path, recording: Path, made: Made, formats: Sequence[str]) -> Path:
    number, found = 1, base
    while made.get(_folded(found), recording) != recording or _are_earlier(found, formats, recording):
        number += 1
        found = base.with_name(f"{base.name} ({number})")
    made[_folded(found)] = recording
    return found


def _are_earlier(base: Path, formats: Sequence[str], recording: Path) -> bool:
    """Whether there are transcripts, and they were written before the recording was."""
    newest = max((_changed_at(base.with_name(f"{base.name}.{name}")) for name in formats), default=0)
    return 0 < newest < _changed_at(recording)


def _changed_at(path: Path) -> int:
    """In nanoseconds; 0 for what is gone, or not there yet."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _folded(path: Path) -> str:
    return str(path).casefold()
