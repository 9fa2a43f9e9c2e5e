"""What a WAV file's header says of its length, which recorders and pipes often get wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from engines.audio.files.part import Part

MAX_CHUNKS = 1000  # chunks before the sound that are looked at
STREAMED = 0x7FFF0000  # bytes from which a length is no claim: what is written to a pipe says 2 or 4 GiB
LEFT_OUT = 0.2  # seconds of sound behind the declared end from which the length is taken for wrong
_PCM = (0x0001, 0x0003, 0xFFFE)  # formats of plain samples
_BLOCKS = (0x0002, 0x0011, 0x0031)  # Microsoft's and IMA's ADPCM, GSM: as many samples in every block


@dataclass(frozen=True, slots=True)
class WavHeader:
    """byte_rate: bytes a second. claimed: bytes of sound by the header; held: bytes there are from the sound's
    beginning to the file's end. follows: the eight bytes behind the declared end. is_plain: whether it is one channel
    of 16-bit PCM, which can hold nothing else."""

    byte_rate: int
    claimed: int
    held: int
    follows: bytes = b""
    is_plain: bool = False

    @property
    def declared(self) -> float | None:
        """Seconds the header claims, or None if it claims nothing (0, or what a pipe writes)."""
        if not self.byte_rate or not self.claimed or self.is_cut_short:
            return None
        return None if self.claimed >= STREAMED and self.claimed > self.held else self.claimed / self.byte_rate

    @property
    def is_missing_some(self) -> bool:
        """Whether the file ends before the sound does."""
        return self.held + LEFT_OUT * self.byte_rate < self.claimed < STREAMED

    @property
    def is_cut_short(self) -> bool:
        """Whether sound goes on behind the declared end: a recorder that lost power, or more than 4 GiB."""
        left = self.held - self.claimed
        return self.claimed > 0 and left > LEFT_OUT * self.byte_rate and not self._has_a_chunk_after(left)

    def _has_a_chunk_after(self, left: int) -> bool:
        name, size = self.follows[:4], int.from_bytes(self.follows[4:8], "little")
        return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name) and size <= left


def wav_header(part: Part) -> WavHeader | None:
    """The header of a RIFF WAVE file; None for any other file, or one without a `data` chunk."""
    with part.open() as file:
        start = file.read(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            return None
        return _header(file, part.size)


def _header(file: BinaryIO, length: int) -> WavHeader | None:
    byte_rate, is_plain = 0, False
    for _ in range(MAX_CHUNKS):
        header = file.read(8)
        if len(header) < 8:
            return None
        size = int.from_bytes(header[4:], "little")
        if header[:4] == b"data":
            at = file.tell()
            file.seek(at + size + (size & 1))
            return WavHeader(byte_rate, size, length - at, file.read(8), is_plain)
        body = file.read(min(size, 64))
        if header[:4] == b"fmt " and not byte_rate:  # of several FFmpeg goes by the first
            byte_rate, is_plain = _byte_rate(body), body[:4] == b"\1\0\1\0" and body[12:16] == b"\2\0\x10\0"
        file.seek(size + (size & 1) - len(body), 1)
    return None


def _byte_rate(form: bytes) -> int:
    """Bytes a second by a WAV's `fmt ` chunk. For PCM it follows from rate and frame size, which recorders get
    right more often than the field itself."""
    kind, frame = int.from_bytes(form[:2], "little"), int.from_bytes(form[12:14], "little")
    samples = int.from_bytes(form[18:20], "little") if kind in _BLOCKS else int(kind in _PCM)  # of a frame
    if samples:
        return int.from_bytes(form[4:8], "little") * frame // samples
    return int.from_bytes(form[8:12], "little")
