"""What a client says, from its first chunk of sound to its last, as a file that is written while it is said."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

from wyoming.audio import AudioChunk, AudioStop
from wyoming.event import Event

from scripts.wyoming.peer import Peer, PeerGone

STALL = 60.0  # seconds between two events of a recording
MAX_SILENT = 1000  # events in a row without any sound
MAX_SKIPPED = 64 * 1024 * 1024  # bytes of a recording that is refused already, until its client is left alone
MAX_RATE, MAX_CHANNELS, WIDTHS = 384_000, 8, (2, 3, 4)


class NoSound(Exception):
    """What a client calls sound cannot be; says why."""


@dataclass(frozen=True, slots=True)
class Pcm:
    """rate: samples a second. width: bytes of a sample, signed and little-endian."""

    rate: int
    width: int
    channels: int

    @classmethod
    def of(cls, event: Event) -> Pcm:
        """Of the start of a recording, or a chunk. Raises NoSound."""
        rate, width, channels = (event.data.get(name) for name in ("rate", "width", "channels"))
        if not (isinstance(rate, int) and isinstance(width, int) and isinstance(channels, int)):
            raise NoSound(f"'{event.type}' needs 'rate', 'width' and 'channels', as whole numbers.")
        if not (0 < rate <= MAX_RATE and width in WIDTHS and 0 < channels <= MAX_CHANNELS):
            raise NoSound(
                f"Sound of {rate} Hz, {width} bytes a sample and {channels} channels is not taken; send up to "
                f"{MAX_RATE} Hz, 2, 3 or 4 bytes and up to {MAX_CHANNELS} channels."
            )
        return cls(rate, width, channels)

    def head(self) -> bytes:
        """The beginning of a file of Apple's Core Audio Format, whose length may be unknown: -1 stands for it."""
        frame = self.width * self.channels
        desc = struct.pack(">d4sIIIII", self.rate, b"lpcm", 2, frame, 1, self.channels, self.width * 8)
        data = struct.pack(">4sqI", b"data", -1, 0)
        return struct.pack(">4sHH4sq", b"caff", 1, 0, b"desc", len(desc)) + desc + data


class Recording:
    """Pulls what the client says, no faster than it is taken. first: `audio-start`, or a chunk without one."""

    def __init__(self, peer: Peer, first: Event) -> None:
        self._peer = peer
        self._pcm = Pcm.of(first)
        self._held = _sound(first)
        self._silent = 0
        self.ended = asyncio.Event()

    async def has_sound(self) -> bool:
        """Whether there is any before its end. Raises PeerGone and NoSound, as everything here."""
        while not self._held and not self.ended.is_set():
            self._held = await self._next()
        return bool(self._held)

    async def blocks(self) -> AsyncIterator[bytes]:
        yield self._pcm.head() + self._held
        while not self.ended.is_set():
            if block := await self._next():
                yield block

    async def skip(self) -> None:
        """What is left of it."""
        skipped = 0
        while not self.ended.is_set():
            skipped += len(await self._next())
            if skipped > MAX_SKIPPED:
                raise PeerGone("it goes on with a recording that is refused")

    async def _next(self) -> bytes:
        event = await self._peer.next(STALL)
        if AudioStop.is_type(event.type):
            self.ended.set()
        elif AudioChunk.is_type(event.type) and Pcm.of(event) != self._pcm:
            raise NoSound("The format of the sound changes in the middle of a recording.")
        sound = _sound(event)
        self._silent = 0 if sound else self._silent + 1
        if self._silent > MAX_SILENT:
            raise PeerGone("it goes on and says nothing")
        return sound


def _sound(event: Event) -> bytes:
    return event.payload or b"" if AudioChunk.is_type(event.type) else b""
