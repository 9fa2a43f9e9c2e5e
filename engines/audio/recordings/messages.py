"""What a process that reads recordings and its owner say to one another, over two pipes.

The process begins with HELLO: whatever else comes first, another version or a line that something printed, it cannot be
used. Each message is a pickle; the samples of a window follow it as they are, so that nothing copies them.
"""

from __future__ import annotations

import pickle
import struct
import threading
import traceback
from dataclasses import dataclass
from typing import BinaryIO

from engines.audio.windows import PLAN, Speech
from engines.transcript import TranscriptWarning

HELLO = f"whisper-native reads recordings, format 1, windows by plan {PLAN}\n".encode()

_SIZE = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class GoOn:
    """Said by the owner after each message, until the recording has ended: until then the process waits, but for the
    blocks that it reads ahead."""


@dataclass(frozen=True, slots=True)
class Begun:
    """The recording is open. track: the one that is read."""

    track: int
    expected: float


@dataclass(frozen=True, slots=True)
class StillReading:
    """So that the owner can look now and then whether anybody wants the recording still, and give others a turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """One window. decoded, expected: seconds of the recording."""

    speech: Speech
    decoded: float
    expected: float


@dataclass(frozen=True, slots=True)
class Ended:
    """No more windows: what Recording knows at the end."""

    decoded: float
    expected: float
    peaks: tuple[int, ...]
    is_silent: bool
    warnings: tuple[TranscriptWarning, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """The recording cannot be read, or not any further. error: with where it arose as a note."""

    error: BaseException

    @classmethod
    def of(cls, error: Exception) -> Failed:
        where = "".join(traceback.format_exception(error)).rstrip()
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - it was made in this line
        except Exception:  # noqa: BLE001 - whatever a library's error lacks for that
            error = RuntimeError(f"{type(error).__name__}: {error}")
        error.add_note(f"In the process that read the recording:\n{where}")
        return cls(error.with_traceback(None))  # which would keep what it was reading


Message = Begun | StillReading | Heard | Ended | Failed


class Sender:
    """May be used by several threads."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe
        self._turn = threading.Lock()

    def greet(self) -> None:
        self._pipe.write(HELLO)
        self._pipe.flush()

    def send(self, message: object) -> None:
        """Waits until the other side takes it. Raises OSError if there is none."""
        arrays: list[pickle.PickleBuffer] = []
        told = pickle.dumps(message, protocol=5, buffer_callback=arrays.append)
        parts = [memoryview(told), *(array.raw() for array in arrays)]
        with self._turn:
            self._pipe.write(b"".join(map(_SIZE.pack, [len(arrays), *map(len, parts)])))
            for part in parts:
                self._pipe.write(part)
            self._pipe.flush()

    def close(self) -> None:
        self._pipe.close()


def is_greeting(pipe: BinaryIO) -> bool:
    """Whether what comes first is HELLO. Raises EOFError if less comes."""
    return bytes(_exactly(pipe, len(HELLO))) == HELLO


def receive(pipe: BinaryIO) -> object:
    """The next message of our own program. Raises EOFError if there is none."""
    arrays = _number(pipe)
    sizes = [_number(pipe) for _ in range(arrays + 1)]
    told, *buffers = [_exactly(pipe, size) for size in sizes]
    return pickle.loads(told, buffers=buffers)  # noqa: S301 - the other end of the pipe is ours


def _number(pipe: BinaryIO) -> int:
    number: int = _SIZE.unpack(_exactly(pipe, _SIZE.size))[0]
    return number


def _exactly(pipe: BinaryIO, size: int) -> bytearray:
    """Raises EOFError."""
    content = bytearray(size)
    view, filled = memoryview(content), 0
    while filled < size:
        count = pipe.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        filled += count
    return content
