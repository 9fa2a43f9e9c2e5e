"""From what a user names to recordings: files, folders, patterns, standard input, addresses of the web."""

from __future__ import annotations

import glob
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from whisper_native.errors import Failure

# What is taken of a folder; a file that is named is taken whatever it is called.
_SUFFIXES = (
    ".3gp .aac .ac3 .aif .aiff .amr .ape .asf .au .avi .caf .dts .flac .flv .m2ts .m4a .m4b .m4v .mka .mkv .mov .mp2 "
    ".mp3 .mp4 .mpeg .mpg .mpga .mts .oga .ogg .ogv .opus .ra .ts .tta .wav .webm .weba .wma .wmv .wv"
)
SUFFIXES = frozenset(_SUFFIXES.split(" "))
STANDARD_INPUT = "-"
MAX_SHOWN = 200  # characters of a name that cannot be read


class NotFound(Failure):
    """What the user named is not there."""


@dataclass(frozen=True, slots=True)
class Source:
    """path: where its bytes are. beside: the directory its transcripts go to if no other is named; None for those of
    standard input, which go to standard output. below: where in that other directory, for files of a folder."""

    path: Path
    name: str
    beside: Path | None
    below: Path = Path()


class Scratch:
    """A directory for what has no file of its own; gone when the block ends."""

    def __enter__(self) -> Path:
        self._directory = tempfile.TemporaryDirectory(prefix="whisper-native-")
        return Path(self._directory.name)

    def __exit__(self, *_: object) -> None:
        self._directory.cleanup()


def sources(arguments: tuple[str, ...], *, recursive: bool, scratch: Path) -> list[Source]:
    """Each recording once, in order. Raises Failure for what is not there."""
    found: dict[Path, Source] = {}
    for argument in arguments:
        try:
            for source in _of(argument, recursive, scratch):
                found.setdefault(source.path.absolute(), source)
        except (OSError, ValueError) as error:  # too long, a zero byte, a folder that may not be read
            reason = getattr(error, "strerror", None) or str(error)
            raise NotFound(f"'{argument[:MAX_SHOWN]}' cannot be read: {reason}.", "not_found") from None
    return list(found.values())


def _of(argument: str, recursive: bool, scratch: Path) -> Iterator[Source]:
    path = Path(argument)
    if argument == STANDARD_INPUT:
        yield _standard_input(scratch)
    elif argument.startswith(("http://", "https://")):
        yield _downloaded(argument, scratch)
    elif path.is_dir():
        yield from in_folder(path, recursive=recursive)
    elif path.exists():
        yield Source(path, path.name, path.parent)
    elif matches := sorted(glob.glob(argument, recursive=True)):
        for match in map(Path, matches):
            if match.is_file() and is_recording(match):
                yield Source(match, match.name, match.parent)
    else:
        raise NotFound(f"There is no file, folder or match of '{argument}'.", "not_found")


def in_folder(folder: Path, *, recursive: bool) -> Iterator[Source]:
    """Its recordings by name; hidden ones are left out."""
    for path in sorted(folder.rglob("*") if recursive else folder.iterdir()):
        below = path.relative_to(folder)
        if path.is_file() and is_recording(path) and not any(part.startswith(".") for part in below.parts):
            yield Source(path, path.name, path.parent, below.parent)


def is_recording(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES


def _standard_input(scratch: Path) -> Source:
    if sys.stdin.isatty():
        raise Failure("'-' reads a recording from standard input, which is a terminal. Pipe one into it.", "terminal")
    path = scratch / "stdin"
    with open(path, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return Source(path, "stdin", None)


def _downloaded(url: str, scratch: Path) -> Source:
    """By yt-dlp, on this machine: it knows video sites, and reaches what the server may not."""
    program = shutil.which("yt-dlp")
    if program is None:
        raise Failure(f"{url} can only be fetched with yt-dlp, which is not installed (pipx install yt-dlp).", "yt_dlp")
    target = Path(tempfile.mkdtemp(dir=scratch))
    pattern = str(target / "%(title).150B.%(ext)s")
    command = [program, "--no-playlist", "--quiet", "--format", "bestaudio/best", "--output", pattern, "--", url]
    ended = subprocess.run(command, stdout=sys.stderr, check=False)
    files = list(target.iterdir())
    if ended.returncode or not files:
        raise Failure(f"yt-dlp could not fetch {url}; what it says stands above.", "yt_dlp")
    return Source(files[0], files[0].name, Path())
