"""The runs of one job as files in its directory.

checkpoint.<n>.jsonl        what attempt n has decoded so far
checkpoint.<n>.ended.jsonl  … once it left in good order
checkpoint.<n>.crashed      its worker died of its own, as its supervisor saw
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import BinaryIO

from worker.store.attempts import Attempt
from worker.store.files import private

_CHECKPOINT = re.compile(r"checkpoint\.(\d+)(\.ended)?\.jsonl")


def read_all(directory: Path) -> list[Attempt]:
    """All runs of the job so far, the first one first."""
    while True:
        try:
            return [
                Attempt(number, has_ended, path.read_bytes(), _note(directory, number).exists())
                for number, has_ended, path in _files(directory)
            ]
        except FileNotFoundError:  # one was ended, and so renamed, since they were listed
            continue


def newest(directory: Path) -> int:
    """The number of the latest attempt, 0 for none."""
    return max((number for number, _, _ in _files(directory)), default=0)


class LocalAttemptLog:
    """See AttemptLog. Raises FileNotFoundError for a job that is gone."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number, self._file = _begin(directory)

    @property
    def number(self) -> int:
        return self._number

    def append(self, lines: bytes) -> None:
        """Reaches the system at once, so no crash of the process loses it; a loss of power may."""
        if not self._file.closed:
            self._file.write(lines)
            self._file.flush()

    def close(self) -> None:
        self._file.close()

    def end(self) -> None:
        """Also on a full disk: a name needs no room."""
        self._file.close()
        path = self._directory / f"checkpoint.{self._number}.jsonl"
        with contextlib.suppress(FileNotFoundError):  # the job is deleted, or has its outcome
            os.rename(path, path.with_name(f"checkpoint.{self._number}.ended.jsonl"))


def _begin(directory: Path) -> tuple[int, BinaryIO]:
    number = newest(directory)
    while True:
        number += 1
        try:
            return number, open(directory / f"checkpoint.{number}.jsonl", "xb", opener=private)
        except FileExistsError:
            continue


def note_crash(directory: Path) -> None:
    """Notes that the newest attempt's worker died of its own. Means nothing if the attempt has ended."""
    if number := newest(directory):
        with contextlib.suppress(FileNotFoundError):  # the job is deleted
            _note(directory, number).touch(mode=0o600)


def _note(directory: Path, number: int) -> Path:
    return directory / f"checkpoint.{number}.crashed"


def _files(directory: Path) -> list[tuple[int, bool, Path]]:
    names = ((_CHECKPOINT.fullmatch(path.name), path) for path in directory.glob("checkpoint.*"))
    return sorted((int(found[1]), found[2] is not None, path) for found, path in names if found)
