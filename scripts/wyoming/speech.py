"""The service, called by HTTP as any client calls it: so admission, limits and owners hold here too."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
from wyoming.asr import Transcript
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info

from engines.languages import LANGUAGES
from engines.weights.names import is_english_only

NAME = "whisper-native"
WITHOUT_WORDS = ("empty_audio",)  # refusals that mean that nobody said anything
_CONNECT = 10.0  # seconds; how long an answer may take is the service's to say
_OPENAI = Attribution("OpenAI", "https://github.com/openai/whisper")
_OURS = Attribution("whisper-native contributors", "")


class Speech:
    """url: of the service. key: to call it with, if it needs one."""

    def __init__(self, url: str, key: str | None) -> None:
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(None, connect=_CONNECT),
            limits=httpx.Limits(max_connections=None),
            trust_env=False,  # a proxy has no business on this machine
            verify=url.startswith("https:"),  # without TLS no certificates are to be read
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def info(self) -> Event:
        """The models and their languages; an error if the service does not answer."""
        try:
            response = await self._client.get("/v1/info")
        except httpx.TransportError as error:
            return _away(error)
        return _info(response.json()).event() if response.is_success else _error(response)

    async def transcribe(self, sound: AsyncIterator[bytes], fields: Mapping[str, str]) -> Event:
        """The transcript, or an error. What `sound` raises is raised."""
        boundary = secrets.token_hex(16)
        try:
            response = await self._client.post(
                "/v1/audio/transcriptions",
                content=_form(boundary, sound, {**fields, "response_format": "json"}),
                headers={"content-type": f"multipart/form-data; boundary={boundary}"},
            )
        except httpx.TransportError as error:
            return _away(error)
        if not response.is_success:
            refusal = _error(response)
            return Transcript(text="").event() if refusal.data.get("code") in WITHOUT_WORDS else refusal
        body = response.json()
        spoken = [each["code"] for each in body.get("languages", ())]
        return Transcript(text=body["text"], language=spoken[0] if spoken else None).event()


async def _form(boundary: str, sound: AsyncIterator[bytes], fields: Mapping[str, str]) -> AsyncIterator[bytes]:
    """A multipart body whose file goes out while it comes in."""
    for name, value in fields.items():
        yield f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="wyoming.caf"\r\n'
    yield f"{head}Content-Type: audio/x-caf\r\n\r\n".encode()
    async for block in sound:
        yield block
    yield f"\r\n--{boundary}--\r\n".encode()


def _info(server: Mapping[str, Any]) -> Info:
    """server: what GET /v1/info says."""
    models = [
        AsrModel(
            name=name,
            attribution=_OPENAI,
            installed=True,
            description=f"Whisper {name}",
            version=None,
            languages=["en"] if is_english_only(name) else sorted(LANGUAGES),
        )
        for name in server["models"]
    ]
    program = AsrProgram(
        name=NAME,
        attribution=_OURS,
        installed=True,
        description="Whisper, on a server of your own",
        version=server["version"],
        models=models,
    )
    return Info(asr=[program])


def _error(response: httpx.Response) -> Event:
    try:
        error = response.json()["error"]
        return Error(text=str(error["message"]), code=str(error["code"])).event()
    except (ValueError, KeyError, TypeError):
        return Error(text=f"The service answered {response.status_code}.", code=str(response.status_code)).event()


def _away(error: Exception) -> Event:
    return Error(text=f"The service does not answer ({type(error).__name__}).", code="unavailable").event()
