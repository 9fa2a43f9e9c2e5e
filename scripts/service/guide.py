"""What is printed once the service is ready."""

from __future__ import annotations

import os
from pathlib import Path

from scripts.setup_environment import is_checkout

_PYTHON = "python" if os.name == "nt" else "python3"
SCRIPT = f"{_PYTHON} scripts/whisper-native.py" if is_checkout() else "whisper-native serve"  # as one types it
START = "make whisper-native" if is_checkout() else "whisper-native serve"
SAMPLE = Path("samples/meeting.mp3")


def usage(url: str, *, needs_key: bool, stop: str, log: str | None, parts: str = "") -> str:
    """url: empty without an API. stop: how to stop it, in words to type. parts: that run here."""
    end = [*([f"  Log                      {log}"] if log else []), f"  Stop it                  {stop}"]
    if not url:
        return "\n".join([f"whisper-native ({parts}) is ready.", "", *end])
    curl = "curl.exe" if os.name == "nt" else "curl"  # `curl` is something else in Windows' own PowerShell
    sample = SAMPLE.as_posix() if SAMPLE.exists() else "recording.mp3"
    key = ' -H "Authorization: Bearer YOUR_KEY"' if needs_key else ""
    lines = [
        f"whisper-native is ready: {url}",
        "",
        f"  Transcribe a recording   {curl} {url}/v1/audio/transcriptions{key} -F file=@{sample} -F model=whisper-1",
        f"  OpenAI clients           base_url={url}/v1" + (", your key as api_key" if needs_key else ""),
        f"  Web page                 {url}/",
        f"  Queue dashboard          {url}/rq",
        *end,
    ]
    return "\n".join(lines)
