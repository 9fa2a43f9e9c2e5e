"""One client's connection: Wyoming's events in and out, bounded in size and time."""

from __future__ import annotations

import asyncio
import contextlib

from wyoming.event import Event, async_read_event, async_write_event

MAX_LINE = 64 * 1024  # bytes of an event's first line
MAX_PART = 1024 * 1024  # bytes of its data, and of its payload; a chunk of sound has 2 kB
WRITE_TIMEOUT = 30.0  # seconds for a client to take an event


class PeerGone(Exception):
    """The client left, fell silent, or does not speak Wyoming."""


class BoundedReader(asyncio.StreamReader):
    """Refuses what is announced as longer than any event is, before memory is taken for it."""

    async def readexactly(self, n: int) -> bytes:
        if not isinstance(n, int) or n > MAX_PART:
            raise ValueError(f"{n} bytes are more than an event may have")
        return await super().readexactly(n)


class Peer:
    """Belongs to one task; close it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._reading: asyncio.Task[Event] | None = None  # never canceled halfway through an event

    async def next(self, timeout: float) -> Event:
        """The next event; raises PeerGone. timeout: in seconds."""
        try:
            async with asyncio.timeout(timeout):
                event = await asyncio.shield(self._read())
        except TimeoutError:
            raise PeerGone(f"nothing came for {timeout:.0f} s") from None
        self._reading = None
        return event

    async def left(self) -> None:
        """Returns once the client has left. An event that comes instead is the next one."""
        reading = self._read()
        await asyncio.wait({reading})
        if reading.exception() is None:
            await asyncio.Future()

    async def say(self, event: Event) -> None:
        """Raises PeerGone."""
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await async_write_event(event, self._writer)
        except (OSError, TimeoutError) as error:
            raise PeerGone(f"it does not take what it is told ({type(error).__name__})") from None

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(WRITE_TIMEOUT):
                await self._writer.wait_closed()

    def _read(self) -> asyncio.Task[Event]:
        if self._reading is None:
            self._reading = asyncio.create_task(_event(self._reader))
        return self._reading


async def _event(reader: asyncio.StreamReader) -> Event:
    """Raises PeerGone, for what is no event too."""
    try:
        event = await async_read_event(reader)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError, asyncio.IncompleteReadError) as error:
        raise PeerGone(f"it sent what is no event ({type(error).__name__})") from None
    except OSError as error:
        raise PeerGone(f"its connection broke ({type(error).__name__})") from None
    if event is None:
        raise PeerGone("it left, or sent what is no event")
    if not isinstance(event.type, str) or not isinstance(event.data or {}, dict):
        raise PeerGone("it sent what is no event")
    return Event(event.type, event.data or {}, event.payload)
