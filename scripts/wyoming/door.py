"""The port: who is let in, and how those who are there are sent away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from wyoming.error import Error

from scripts.wyoming.conversation import Conversation
from scripts.wyoming.peer import MAX_LINE, BoundedReader, Peer, PeerGone
from scripts.wyoming.speech import Speech

MAX_PEERS = 32  # half of the uploads that the service reads at once, unless an operator set another number
_TICK = 0.2  # seconds between two looks whether to stop; on Windows a signal does not wake the loop

log = logging.getLogger(__name__)


class Door:
    """Belongs to one event loop. grace: seconds that those who wait for a transcript have at the end."""

    def __init__(self, speech: Speech, grace: float) -> None:
        self._speech = speech
        self._grace = grace
        self._open: dict[asyncio.Task[None], Conversation] = {}

    async def serve(self, host: str, port: int, should_stop: Callable[[], bool]) -> None:
        """Raises OSError if it cannot listen there."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, host, port)
        for socket in server.sockets:
            shown, number = socket.getsockname()[:2]
            log.info("Wyoming is spoken at %s port %d, with everyone who comes there: it has no keys.", shown, number)
        while not should_stop():
            await asyncio.sleep(_TICK)
        server.close()
        await self._send_away()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        reader = BoundedReader(limit=MAX_LINE)
        return asyncio.StreamReaderProtocol(reader, self._on_connect)

    def _on_connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        conversation = Conversation(peer, self._speech)
        is_full = len(self._open) >= MAX_PEERS
        task = asyncio.create_task(_refuse(peer) if is_full else _talk(peer, conversation))
        self._open[task] = conversation
        task.add_done_callback(self._open.pop)

    async def _send_away(self) -> None:
        """At once, but for those who wait for a transcript."""
        for task, conversation in self._open.items():
            if not conversation.is_busy:
                task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=self._grace)
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


async def _talk(peer: Peer, conversation: Conversation) -> None:
    try:
        await conversation.run()
    except PeerGone as gone:
        log.debug("A client is gone: %s.", gone)
    except Exception:
        log.exception("A client is sent away")
    finally:
        await peer.close()


async def _refuse(peer: Peer) -> None:
    try:
        text = f"There are {MAX_PEERS} other clients here. Try again in a moment."
        await peer.say(Error(text=text, code="too_many_connections").event())
    except PeerGone as gone:
        log.debug("A client too many is gone: %s.", gone)
    finally:
        await peer.close()
