"""The runs of one job, each with a file of its own in the job's directory.

checkpoint.<n>.jsonl        what attempt n has decoded so far
checkpoint.<n>.ended.jsonl  … once it left in good order
checkpoint.<n>.crashed      its worker died of its own, as its supervisor saw
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from worker.store.files import private

_CHECKPOINT = re.compile(r"checkpoint\.(\d+)(\.ended)?\.jsonl")


@dataclass(frozen=True, slots=True)
class Attempt:
    """What one run of a job has written down. has_ended: it left in good order; else its worker died, or goes on.
    is_noted: somebody saw that its worker died of its own; a machine that goes down leaves no witness."""

    number: int
    has_ended: bool
    content: bytes
    is_noted: bool = False


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


def begin(directory: Path) -> tuple[int, BinaryIO]:
    """The number of a new attempt and its file; raises FileNotFoundError for a job that is gone."""
    number = newest(directory)
    while True:
        number += 1
        try:
            return number, open(directory / f"checkpoint.{number}.jsonl", "xb", opener=private)
        except FileExistsError:
            continue


def end(directory: Path, number: int) -> None:
    """Notes that an attempt left in good order; a name needs no room on a full disk."""
    path = directory / f"checkpoint.{number}.jsonl"
    with contextlib.suppress(FileNotFoundError):  # the job is deleted, or has its outcome
        os.rename(path, path.with_name(f"checkpoint.{number}.ended.jsonl"))


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
