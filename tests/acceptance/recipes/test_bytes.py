"""docs/CLIENTS.md, where it says *bytes*: what clients send that no test can start, as their sources write it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import wire
from tests.acceptance.live import LiveService
from tests.services import Start

FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip
KEY = "sk-of-a-client"
BOUNDARY = "----WebKitFormBoundary7MA4YWxkTrZu0gW"


@pytest.fixture(scope="module")
def host(start_service: Start) -> LiveService:
    """As the document has it: with a key, aliases, and an app's origin."""
    return start_service(
        "recipes",
        key=KEY,
        WHISPER_ENGINE="fake",
        WHISPER_API_KEYS=f"client:{KEY}",
        WHISPER_MODEL_ALIASES="whisper-small:base",
        WHISPER_CORS_ORIGINS="app://obsidian.md",
    )


@dataclass(frozen=True)
class Recipe:
    """fields: in their order. file: its field, name and type. key: how it is sent; None for HTTP Basic."""

    path: str
    fields: dict[str, str] = field(default_factory=dict)
    files: tuple[tuple[str, str, str], ...] = (("file", "audio.wav", "audio/wav"),)
    headers: dict[str, str] = field(default_factory=dict)
    has_key: bool = True
    is_text: bool = False


OPENAI = "/v1/audio/transcriptions"
NODE = {"user-agent": "OpenAI/JS 4.95.1", "x-stainless-lang": "js", "accept": "application/json"}
PHONE = "encode=true&task=transcribe&language=en&word_timestamps=false&output=txt"
RECIPES = {
    "Open WebUI": Recipe(OPENAI, {"model": "whisper-1"}, headers={"user-agent": "python-requests/2.32.4"}),
    "LibreChat": Recipe(
        OPENAI,
        {"model": "whisper-1", "language": "en"},
        (("file", "audio.webm", "audio/webm"),),
        {"user-agent": "axios/1.12.1"},
    ),
    "AnythingLLM": Recipe(OPENAI, {"model": "whisper-small", "temperature": "0"}, headers=NODE),
    "Obsidian": Recipe(
        OPENAI,
        {"model": "whisper-1", "language": "", "prompt": "Notes"},
        (("file", "2026-11-29T08-00-00.webm", "audio/webm"),),
        {"origin": "app://obsidian.md", "sec-fetch-site": "cross-site"},
    ),
    "Whispering": Recipe(
        OPENAI,
        {"model": "whisper-1", "language": "en", "prompt": "", "temperature": "0.0", "response_format": "json"},
        (("file", "recording.webm", "audio/webm"),),
        has_key=False,
    ),
    "whisper-to-input, OpenAI": Recipe(
        f"{OPENAI}?{PHONE}",
        {"model": "whisper-1", "response_format": "text"},
        (("audio_file", "@audio.m4a", "audio/mp4"), ("file", "@audio.m4a", "audio/mp4")),
        {"user-agent": "okhttp/4.11.0"},
        is_text=True,
    ),
    "whisper-to-input, ASR": Recipe(
        f"/asr?{PHONE}", files=(("audio_file", "@audio.m4a", "audio/mp4"),), has_key=False, is_text=True
    ),
    "openai_stt_ha": Recipe(
        OPENAI,
        {"model": "whisper-1", "language": "en", "prompt": "", "temperature": "0", "response_format": "json"},
        (("file", "whisper_audio.wav", "audio/wav"),),
        {"user-agent": "HomeAssistant/2026.11.1 httpx/0.28.1 Python/3.13"},
    ),
    "iOS Shortcuts": Recipe(
        OPENAI,
        {"model": "whisper-1", "response_format": "text"},
        (("file", "Recording.m4a", "audio/m4a"),),
        {"user-agent": "BackgroundShortcutRunner/3607 CFNetwork/3826 Darwin/25.0"},
        is_text=True,
    ),
    "Speakr": Recipe(
        "/asr?encode=true&task=transcribe&output=txt&diarize=true&enable_diarization=true&min_speakers=1&max_speakers=6",
        files=(("audio_file", "meeting.webm", "audio/webm"),),
        headers={"user-agent": "python-httpx/0.28.1"},
        has_key=False,
        is_text=True,
    ),
    "whisper.cpp": Recipe(
        "/inference",
        {"temperature": "0.0", "temperature_inc": "0.2", "response_format": "json"},
        has_key=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_request_as_the_client_sends_it_has_its_words(host: LiveService, clip: Path, name: str) -> None:
    recipe = RECIPES[name]
    parts = [wire.file(clip.read_bytes(), file.encode(), part, kind) for part, file, kind in recipe.files]
    parts += [wire.field(*pair) for pair in recipe.fields.items()]
    request: dict[str, Any] = {
        "content": wire.form(*parts, boundary=BOUNDARY),
        "headers": {"content-type": f"multipart/form-data; boundary={BOUNDARY}", **recipe.headers},
    }
    with host.http() as client:
        if not recipe.has_key:  # http://x:KEY@host:9001
            client.headers.pop("authorization")
            request["auth"] = ("x", KEY)
        answer = client.post(recipe.path, **request)
    assert answer.status_code == 200, answer.text
    assert (answer.text if recipe.is_text else answer.json()["text"]).strip() == FAKE_TEXT
    if origin := recipe.headers.get("origin"):
        assert answer.headers["access-control-allow-origin"] == origin
