"""What kind of file a recording is, by its first bytes. Names and claimed types are not trusted.

The package `filetype` does not do: it has no CAF, and other names for WAV and FLAC (audio/x-wav, audio/x-flac).
"""

from __future__ import annotations

from typing import BinaryIO

UNKNOWN = "application/octet-stream"
_STARTS = {
    b"fLaC": "audio/flac",
    b"OggS": "audio/ogg",
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\xff\xf2": "audio/mpeg",
    b"\xff\xf1": "audio/aac",
    b"\xff\xf9": "audio/aac",
    b"#!AMR": "audio/amr",
    b"caff": "audio/x-caf",
    b"\x1a\x45\xdf\xa3": "video/webm",
}


def content_type(file: BinaryIO) -> str:
    """The MIME type a player needs, or application/octet-stream. The file is at its beginning again afterwards."""
    start = file.read(16)
    file.seek(0)
    if start[:4] == b"RIFF" and start[8:12] == b"WAVE":
        return "audio/wav"
    if start[4:8] == b"ftyp":
        return "audio/mp4" if start[8:11] == b"M4A" else "video/mp4"
    return next((kind for magic, kind in _STARTS.items() if start.startswith(magic)), UNKNOWN)
