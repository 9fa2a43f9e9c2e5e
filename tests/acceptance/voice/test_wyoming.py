"""Home Assistant's protocol, spoken by the official client: describe, transcribe, and what peers do wrong."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
import wave
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx
import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from scripts.wyoming.door import MAX_PEERS
from scripts.wyoming.peer import MAX_LINE, MAX_PART
from tests import speech
from tests.acceptance.live import LiveService, until
from tests.services import Start

CHUNK = 2048  # bytes, which is what Home Assistant sends
RATE = 16_000
PATIENCE = 60.0  # seconds
FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip
SLOW = "3"  # the model whose passes take 3 s

Result = TypeVar("Result")


@dataclass
class House:
    """A service that speaks Wyoming, and where."""

    service: LiveService
    port: int

    def ask(self, talk: Callable[[AsyncClient], Awaitable[Result]]) -> Result:
        """What a conversation on a connection of its own gives."""

        async def run() -> Result:
            async with AsyncClient.from_uri(f"tcp://127.0.0.1:{self.port}", PATIENCE, PATIENCE) as client:
                return await talk(client)

        return asyncio.run(run())

    def raw(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)


@pytest.fixture(scope="module")
def house(start_service: Start) -> House:
    """One pass at a time. Everyone needs a key, and Wyoming's clients are served in the name of `home`."""
    service = start_service(
        "wyoming",
        key="sk-home-1f0a",
        WHISPER_API_KEYS="home:sk-home-1f0a,anna:sk-anna-77b2",
        WHISPER_WYOMING="0",
        WHISPER_WYOMING_OWNER="home",
        WHISPER_ENGINE="fake",
        WHISPER_MODEL="0",
        WHISPER_MODELS=f"{SLOW},tiny.en",
        WHISPER_MAX_LOADED_MODELS="3",
        WHISPER_LANES="1",
        WHISPER_MAX_BATCH="1",
        WHISPER_TIME_SCALE="0.1",
    )
    said = until(lambda: re.search(r"Wyoming is spoken at 127\.0\.0\.1 port (\d+)", service.log()), "it listens")
    assert said is not None
    return House(service, int(said[1]))


@pytest.fixture(scope="module")
def sound(clip: Path) -> bytes:
    """Three seconds of speech as Home Assistant sends it."""
    with wave.open(str(clip)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)
        return bytes(file.readframes(file.getnframes()))


def events(sound: bytes, asked: Transcribe | None, rate: int = RATE, channels: int = 1) -> Iterator[Event]:
    if asked is not None:
        yield asked.event()
    yield AudioStart(rate=rate, width=2, channels=channels).event()
    for at in range(0, len(sound), CHUNK):
        yield AudioChunk(rate=rate, width=2, channels=channels, audio=sound[at : at + CHUNK]).event()
    yield AudioStop().event()


async def told(client: AsyncClient, sent: Sequence[Event]) -> Event:
    """The answer to these events."""
    for event in sent:
        await client.write_event(event)
    answer = await client.read_event()
    assert answer is not None, "the connection was closed"
    return answer


def heard(house: House, sent: Sequence[Event]) -> Transcript:
    answer = house.ask(lambda client: told(client, sent))
    assert Transcript.is_type(answer.type), answer
    return Transcript.from_event(answer)


def test_it_describes_itself_as_home_assistant_needs_it(house: House) -> None:
    """`installed` at both, and languages, or there is no entity."""
    info = Info.from_event(house.ask(lambda client: told(client, [Describe().event()])))
    [program] = info.asr
    assert program.installed
    assert all(model.installed and model.languages for model in program.models)
    languages = {model.name: model.languages for model in program.models}
    assert {"de", "en", "yue"} <= set(languages["0"])
    assert languages["tiny.en"] == ["en"]
    assert Pong.from_event(house.ask(lambda client: told(client, [Ping(text="a").event()]))).text == "a"


def test_a_command_is_transcribed_in_its_language_and_owned_by_the_named_holder(house: House, sound: bytes) -> None:
    transcript = heard(house, list(events(sound, Transcribe(language="de"))))
    assert (transcript.text, transcript.language) == (FAKE_TEXT, "de")
    [job] = house.service.get("/v1/jobs", limit=1).json()["data"]
    assert (job["status"], job["language"], job["priority"]) == ("finished", "de", "interactive")
    with house.service.http(authorization="Bearer sk-anna-77b2") as anna:
        assert anna.get(f"/v1/jobs/{job['id']}").status_code == 404


def test_several_commands_on_one_connection_with_and_without_a_request(house: House, sound: bytes) -> None:
    """Also from chunks without a start, in stereo, at another rate, and for words to expect."""

    async def talk(client: AsyncClient) -> list[Event]:
        asked = Transcribe(name="tiny.en", transcript_names=["Küche"], transcript_terms=["Licht"])
        stereo = np.repeat(np.frombuffer(sound, dtype="<i2"), 4).tobytes()  # each frame twice
        return [
            await told(client, list(events(sound, asked))),
            await told(client, list(events(sound, None))[1:]),
            await told(client, list(events(stereo, Transcribe(language="en-GB"), 32_000, 2))),
        ]

    assert [Transcript.from_event(answer).text for answer in house.ask(talk)] == [FAKE_TEXT] * 3
    models = [job["model"] for job in house.service.get("/v1/jobs", limit=3).json()["data"]]
    assert models == ["0", "0", "tiny.en"]


@pytest.mark.parametrize("length", [0, 2, RATE], ids=["nothing", "one sample", "half a second of silence"])
def test_no_words_are_an_empty_transcript(house: House, length: int) -> None:
    """Anything else is an error to Home Assistant."""
    assert heard(house, list(events(bytes(length), Transcribe(language="en")))).text == ""


def test_many_clients_at_once(house: House, sound: bytes) -> None:
    async def one() -> str:
        async with AsyncClient.from_uri(f"tcp://127.0.0.1:{house.port}", PATIENCE, PATIENCE) as client:
            return Transcript.from_event(await told(client, list(events(sound, Transcribe())))).text

    async def all_of_them() -> list[str]:
        return await asyncio.gather(*(one() for _ in range(6)))

    assert asyncio.run(all_of_them()) == [FAKE_TEXT] * 6


@pytest.mark.parametrize(
    ("asked", "code"),
    [(Transcribe(name="no-such-model"), "model_not_found"), (Transcribe(language="xx"), "invalid_value")],
)
def test_what_the_service_refuses_is_an_error_after_the_recording_and_the_next_one_works(
    house: House, sound: bytes, asked: Transcribe, code: str
) -> None:
    async def talk(client: AsyncClient) -> tuple[Event, Event]:
        return await told(client, list(events(sound * 8, asked))), await told(client, list(events(sound, None)))

    refused, transcribed = house.ask(talk)
    assert Error.is_type(refused.type)
    assert Error.from_event(refused).code == code
    assert Transcript.from_event(transcribed).text == FAKE_TEXT


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"transcript_names": 5, "transcript_terms": {"a": 1}}, None),
        ({"transcript_names": [None, 5, ["x"]]}, None),
        ({"language": ["en"]}, "invalid_value"),
        ({"name": 'a\r\n\r\n--x\r\nContent-Disposition: form-data; name="url"\r\n\r\nhttp://x'}, "model_not_found"),
    ],
    ids=["no lists", "no texts", "a list", "a form"],
)  # fmt: skip
def test_a_request_that_holds_anything_is_answered(
    house: House, sound: bytes, asked: dict[str, object], code: str | None
) -> None:
    answer = house.ask(lambda client: told(client, [Event("transcribe", asked), *events(sound, None)]))
    assert (Error.from_event(answer).code if code else Transcript.from_event(answer).text) == (code or FAKE_TEXT)
    assert "Traceback" not in house.service.log()


def test_a_language_that_is_half_a_letter_is_an_error_and_no_crash(house: House, sound: bytes) -> None:
    """Which no library would send."""
    form = {"rate": RATE, "width": 2, "channels": 1}
    asked = line(type="transcribe", data={"language": "\ud800"})
    chunk = line(type="audio-chunk", data=form, payload_length=CHUNK) + sound[:CHUNK]
    with closing(house.raw()) as peer:
        peer.sendall(asked + line(type="audio-start", data=form) + chunk + line(type="audio-stop"))
        assert json.loads(peer.makefile().readline())["type"] == "error"
    assert "Traceback" not in house.service.log()


@pytest.mark.parametrize(
    "start",
    [{"rate": 0, "width": 2, "channels": 1}, {"rate": 16000, "width": 1, "channels": 1}, {"rate": "16k"}, {}],
    ids=["no rate", "eight bits", "a word", "nothing"],
)
def test_sound_that_cannot_be_is_refused(house: House, start: dict[str, object]) -> None:
    answer = house.ask(lambda client: told(client, [Event("audio-start", start)]))
    assert Error.from_event(answer).code == "invalid_audio"


def line(**head: object) -> bytes:
    return json.dumps(head).encode() + b"\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"[1, 2]\n",
        b"[" * (MAX_LINE - 1) + b"\n",
        b"x" * (3 * MAX_LINE),
        struct.pack("<IIII", 0, 2**31, 2**32 - 1, 10),
        line(type=5),
        line(type="describe", data=7),
        line(type="describe", data_length="many"),
        line(type="describe", data_length=3) + b"{]]",
        line(type="audio-chunk", payload_length=MAX_PART + 1),
        line(type="audio-chunk", payload_length=1e300),
    ],
    ids=["http", "a list", "deep", "long", "bytes", "type", "data", "length", "json", "payload", "float"],
)
def test_a_peer_that_speaks_something_else_is_sent_away(house: House, sent: bytes) -> None:
    with closing(house.raw()) as peer:
        peer.sendall(sent)
        with suppress(ConnectionResetError):  # it had more to say
            assert peer.recv(1024) == b""


def test_more_peers_than_there_are_places_are_told_so_and_hold_nobody_up_for_long(house: House, sound: bytes) -> None:
    with ExitStack() as stack:
        peers = [stack.enter_context(closing(house.raw())) for _ in range(MAX_PEERS)]
        for peer in peers:
            peer.sendall(b'{"type": "au')  # half of an event
        until(lambda: refused(house), "all places are taken")
    until(lambda: not refused(house), "they are free again")
    assert heard(house, list(events(sound, Transcribe()))).text == FAKE_TEXT


def refused(house: House) -> bool:
    with closing(house.raw()) as peer:
        with suppress(ConnectionError):  # its end may come before it is asked, or before the reason is read
            peer.sendall(line(type="ping"))
            return b"pong" not in peer.recv(65536)
        return True


def test_a_client_that_leaves_gives_its_recording_up(house: House, talk: speech.Recording) -> None:
    """In the middle of it nothing becomes of it; after it its job is canceled."""
    pcm = (talk.samples * 32767).astype("<i2").tobytes()
    sent = list(events(pcm, Transcribe(name=SLOW)))

    async def leave(client: AsyncClient, count: int) -> None:
        for event in sent[:count]:
            await client.write_event(event)
        if count == len(sent):
            await asyncio.to_thread(until, lambda: newest(house)["status"] == "started", "it is decoded")

    before = newest(house)["id"]
    house.ask(lambda client: leave(client, len(sent) // 2))
    house.ask(lambda client: leave(client, len(sent)))
    left = newest(house)["id"]
    # looked at without waiting for it, which would keep it going
    until(lambda: house.service.job(left)["status"] == "canceled", "nobody waits for it any more")
    listed = [job["id"] for job in house.service.get("/v1/jobs", limit=2).json()["data"]]
    assert listed == [left, before]


def newest(house: House) -> dict[str, str]:
    [job] = house.service.get("/v1/jobs", limit=1).json()["data"]
    found: dict[str, str] = job
    return found


def test_it_stops_with_the_service_whoever_is_there(house: House, talk: speech.Recording) -> None:
    pcm = (talk.samples * 32767).astype("<i2").tobytes()

    async def wait(client: AsyncClient) -> Event | None:
        for event in events(pcm, Transcribe(name=SLOW)):
            await client.write_event(event)
        await asyncio.to_thread(until, lambda: newest(house)["status"] == "started", "it is decoded")
        stopping = asyncio.create_task(asyncio.to_thread(house.service.stop))
        answer = await client.read_event()
        await stopping
        return answer

    with closing(house.raw()):  # one that says nothing
        answer = house.ask(wait)
    assert answer is None or Error.is_type(answer.type)
    assert "does not stop" not in house.service.log()
    assert "Traceback" not in house.service.log()
    with pytest.raises(httpx.ConnectError):
        house.service.get("/health")
