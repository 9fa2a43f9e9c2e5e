"""What a client asks for, and what it is told: describe -> info; transcribe, audio-start, chunks, audio-stop ->
transcript."""

from __future__ import annotations

import asyncio

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong

from scripts.wyoming.peer import Peer, PeerGone
from scripts.wyoming.recording import NoSound, Recording
from scripts.wyoming.speech import Speech

IDLE = 300.0  # seconds between two requests
MAX_HOTWORDS = 800  # characters of names and terms, which is what the service takes


class Conversation:
    """Until the client leaves."""

    def __init__(self, peer: Peer, speech: Speech) -> None:
        self._peer = peer
        self._speech = speech
        self._fields: dict[str, str] = {}  # of the recording to come
        self.is_busy = False  # a recording comes in, or its transcript is waited for

    async def run(self) -> None:
        """Raises PeerGone in the end."""
        try:
            while True:
                await self._answer(await self._peer.next(IDLE))
        except NoSound as error:
            await self._peer.say(Error(text=str(error), code="invalid_audio").event())
            raise PeerGone("it sent what is no sound") from None

    async def _answer(self, event: Event) -> None:
        """Events that are none of these are left alone, as the protocol wants."""
        if Describe.is_type(event.type):
            await self._peer.say(await self._speech.info())
        elif Ping.is_type(event.type):
            await self._peer.say(Pong(text=str(event.data.get("text") or "")).event())
        elif Transcribe.is_type(event.type):
            self._fields = _fields(Transcribe.from_event(event))
        elif AudioStart.is_type(event.type) or AudioChunk.is_type(event.type):
            self.is_busy = True
            await self._peer.say(await self._heard(Recording(self._peer, event)))
            self.is_busy = False
            self._fields = {}
        elif AudioStop.is_type(event.type):
            await self._peer.say(Transcript(text="").event())

    async def _heard(self, recording: Recording) -> Event:
        """The transcript, or an error, once the recording has ended. Raises PeerGone if the client leaves before."""
        if not await recording.has_sound():
            return Transcript(text="").event()
        answering = asyncio.create_task(self._speech.transcribe(recording.blocks(), self._fields))
        leaving = asyncio.create_task(self._left_after(recording))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise PeerGone("it did not wait for its transcript")
            answer = answering.result()
        finally:
            for task in (answering, leaving):
                task.cancel()
            await asyncio.gather(answering, leaving, return_exceptions=True)
        await recording.skip()  # what it still says, if it was refused
        return answer

    async def _left_after(self, recording: Recording) -> None:
        await recording.ended.wait()
        await self._peer.left()


def _fields(asked: Transcribe) -> dict[str, str]:
    """As our HTTP has them. A client may have put anything there."""
    lists = [each for each in (asked.transcript_names, asked.transcript_terms) if isinstance(each, list)]
    phrases = ", ".join(str(phrase) for phrases in lists for phrase in phrases)[:MAX_HOTWORDS]
    given = {"model": asked.name, "language": asked.language, "hotwords": phrases}
    return {name: str(value).encode(errors="replace").decode() for name, value in given.items() if value}
