"""Any other server that speaks OpenAI's audio API: a recording goes out, its transcript comes back, without a job."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from whisper_native.errors import Failure
from whisper_native.http.connection import Connection
from whisper_native.http.server import Body
from whisper_native.recordings.content import Recording

FORMATS = {"txt": "text", "json": "verbose_json", "srt": "srt", "vtt": "vtt"}  # what they write
DEFAULT_MODEL = "whisper-1"
PATIENCE = 3600.0  # seconds for an answer: there is no progress to hear of
_KNOWN = ("model", "language", "prompt", "temperature")  # fields that such servers have


class OpenAIServer:
    """Its transcripts come one format a call."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def transcribe(
        self, recording: Recording, fields: Mapping[str, str], name: str, on_sent: Callable[[int], None]
    ) -> bytes:
        """name: the format, as the command calls it. Raises Failure or Stopped."""
        if name not in FORMATS:
            some = ", ".join(FORMATS)
            raise Failure(f"This server is not a whisper-native: it writes {some}, and not {name}.", "format")
        task = "translations" if fields.get("task") == "translate" else "transcriptions"
        known = {key: value for key, value in fields.items() if key in _KNOWN}
        data = {"model": DEFAULT_MODEL, **known, "response_format": FORMATS[name]}
        body = Body(recording, on_sent, self.connection)
        with body:
            return self.connection.call(
                "POST",
                f"/v1/audio/{task}",
                data=data,
                files={"file": (recording.name, body)},
                timeout=PATIENCE,
            ).content
