"""Opens a recording without trusting it.

The demuxer is chosen from a whitelist, because FFmpeg's playlist formats (HLS, concat, SDP …) open other files
and network addresses.
"""

from __future__ import annotations

import errno
import math
from pathlib import Path

import av
import av.error
from av.container.input import InputContainer

from engines.audio.files.file_end import ends_early
from engines.audio.files.part import Part
from engines.audio.files.wav_header import wav_header
from engines.audio.source.chunk import JOINED
from engines.errors import UnsupportedMedia

FORMATS = ",".join(  # demuxers; none of them opens anything but the file it is given
    (
        *("aac", "ac3", "aiff", "amr", "amrnb", "amrwb", "ape", "asf", "au", "avi", "avr", "bonk", "caf", "dsf", "dss"),
        *("dts", "dtshd", "dv", "eac3", "flac", "flv", "gsm", "gxf", "iff", "ircam", "ivf", "loas", "m4a", "matroska"),
        *("mlp", "mov", "mp3", "mpc", "mpc8", "mpeg", "mpegts", "mxf", "nistsphere", "nut", "oma", "ogg", "osq", "paf"),
        *("pvf", "qcp", "rm", "rka", "shn", "sox", "spdif", "swf", "tak", "truehd", "tta", "voc", "w64", "wav", "webm"),
        *("wsd", "wtv", "wv", "wve", "xwma"),
    )
)
NO_ROOM = (errno.EMFILE, errno.ENFILE)  # errors of the system that no damaged file brings about
PACKET = 4096  # bytes FFmpeg reads of PCM at once
MAX_PACKET = 1 << 20
PROBE = 32 << 10  # bytes of plain PCM it looks at
_UNANNOUNCED = ("mpeg", "mpegts", "flv")  # in which nothing tells of a track before it begins
FAR = {"probesize": str(64 << 20), "analyzeduration": "600000000"}  # bytes (of memory, too) and µs in which it may
OPEN_TIMEOUT = 10.0  # seconds a read may take; the file is local


def open_container(recording: Path | Part) -> InputContainer:
    """Raises UnsupportedMedia for what is no recording, OSError if the system does not give the file."""
    part = Part.of(recording)
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    with part.open():  # FFmpeg's error for a file it may not read is one of those for a damaged file
        pass
    if (header := wav_header(part)) and header.is_cut_short:
        options["ignore_length"] = "1"  # FFmpeg would stop where the header says
    if header and header.is_plain:  # FFmpeg would look all through it for another sound, and read it in bits of 4 KiB
        size = min(math.ceil(JOINED * header.byte_rate / PACKET) * PACKET, MAX_PACKET)
        options |= {"max_size": str(size), "probesize": str(PROBE)}
    try:
        container = _opened(part, options)
        if not container.streams.audio and container.format.name in _UNANNOUNCED:
            container.close()
            container = _opened(part, options | FAR)
        return container
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise OSError(error.errno, error.strerror) from error
        if _lacks_its_index(part):
            raise UnsupportedMedia(
                "The file is cut off: its index (the 'moov' atom at its end) is missing, so nothing can be decoded. "
                "Upload the whole recording."
            ) from error
        if ends_early(part):
            raise UnsupportedMedia(
                "The file is cut off, and what is needed to decode the rest is missing. Upload the whole recording."
            ) from error
        raise UnsupportedMedia() from error


def _opened(part: Part, options: dict[str, str]) -> InputContainer:
    file = part.open() if part.pieces is not None else str(part.path)
    return av.open(file, mode="r", options=options, metadata_errors="ignore", timeout=OPEN_TIMEOUT)


def _lacks_its_index(part: Part) -> bool:
    with part.open() as file:
        return file.read(12)[4:8] == b"ftyp"
