"""A copy of a recording that browsers play and jump about in: `python -m engines.audio.playable SOURCE TARGET TRACK`.

  plays well as it is       an empty target
  wrong container           the same sound in another one: with a length, an index, and this track alone
  codec no browser knows    AAC
  several recordings, or    AAC of what was transcribed
  an AVI with pauses

A program of its own, as FFmpeg reads what strangers send; bounded in processor time and in what it writes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container.input import InputContainer
from av.container.output import OutputContainer

from engines.audio.files.avi_pauses import avi_pauses
from engines.audio.files.part import Part
from engines.audio.files.parts import parts_of
from engines.audio.recorded_track import RecordedTrack
from engines.audio.source.container import open_container
from engines.audio.source.tracks import sound_tracks
from engines.base import SAMPLE_RATE
from engines.errors import EngineError

MAX_SECONDS = 600  # of processor time: some ten hours of sound in a codec that no browser knows
NICE = 10
UNFIT = 65  # the exit status if nothing can be made of the recording; Python's own for any other failure is 1
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOENT)  # no fault of the recording
BIT_RATE = 96_000
MAX_RATE = 48_000  # Hz
_IN_BROWSERS = {  # what they play, by demuxer
    "wav": ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_f32le"),
    "mp3": ("mp3", "mp3float"),
    "flac": ("flac",),
    "ogg": ("opus", "vorbis", "libopus", "libvorbis"),
    "mov": ("aac", "mp3", "mp3float", "opus", "libopus"),
    "matroska": ("opus", "vorbis", "libopus", "libvorbis"),
}
_CONTAINERS = {  # into which muxer sound is put as it is, by codec
    "aac": "ipod",
    "mp3": "mp3",
    "mp3float": "mp3",
    "opus": "webm",
    "libopus": "webm",
    "vorbis": "webm",
    "libvorbis": "webm",
    "flac": "flac",
}


def write_playable(source: Path, target: Path, track: int) -> None:
    """target: a new file, empty if the source plays as it is. track: the one that is wanted, from 1. Raises
    UnsupportedMedia, FFmpegError, IndexError or OSError."""
    parts = parts_of(source, lambda: None)
    with open_container(parts[0]) as container:
        stream = container.streams.audio[track - 1]
        is_plain = parts == [Part(source)] and not avi_pauses(parts[0], stream.index)
        if is_plain and track == 1 and _plays(container, stream, source):
            target.touch()
            return
        kind = _CONTAINERS.get(stream.codec_context.name) if is_plain else None
        with av.open(str(target), "w", format=kind or "ipod") as copy:
            if kind:
                _copy(container, stream, copy)
            elif is_plain:
                _encode(container, stream, copy)
            else:
                _encode_heard(RecordedTrack(container, parts, sound_tracks(container)[track - 1]), copy)


def _plays(container: InputContainer, stream: AudioStream, source: Path) -> bool:
    demuxer = container.format.name.partition(",")[0]
    if container.duration is None or stream.codec_context.name not in _IN_BROWSERS.get(demuxer, ()):
        return False
    return demuxer != "mp3" or _has_table(source)


def _has_table(source: Path) -> bool:
    """Whether an MP3 says how long it is and where what lies; browsers guess otherwise."""
    with open(source, "rb") as file:
        start = file.read(10)
        if start[:3] == b"ID3":
            size = sum((byte & 0x7F) << shift for byte, shift in zip(start[6:10], (21, 14, 7, 0), strict=True))
            file.seek(10 + size)
        else:
            file.seek(0)
        frame = file.read(4096)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _copy(container: InputContainer, stream: AudioStream, copy: OutputContainer) -> None:
    out = copy.add_stream_from_template(stream)
    with contextlib.suppress(av.error.InvalidDataError, av.error.EOFError):  # what follows is damaged
        for packet in container.demux(stream):
            if packet.dts is not None:
                packet.stream = out
                copy.mux(packet)


def _encode(container: InputContainer, stream: AudioStream, copy: OutputContainer) -> None:
    rate = min(stream.codec_context.sample_rate or MAX_RATE, MAX_RATE)
    layout = "mono" if stream.codec_context.channels == 1 else "stereo"
    out = copy.add_stream("aac", rate=rate, layout=layout)
    out.bit_rate = BIT_RATE
    resampler = AudioResampler("fltp", layout, rate)
    for frame in _decoded(container, stream):
        for resampled in resampler.resample(frame):
            copy.mux(out.encode(resampled))
    for resampled in resampler.resample(None):
        copy.mux(out.encode(resampled))
    copy.mux(out.encode(None))


def _encode_heard(recorded: RecordedTrack, copy: OutputContainer) -> None:
    """As it was transcribed: one recording after the other, with the pauses that FFmpeg leaves out."""
    out = copy.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
    out.bit_rate = BIT_RATE
    at = 0
    with recorded:
        for block in recorded:
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block[None]), format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, at, Fraction(1, SAMPLE_RATE)
            copy.mux(out.encode(frame))
            at += len(block)
    copy.mux(out.encode(None))


def _decoded(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    with contextlib.suppress(av.error.EOFError):
        for packet in container.demux(stream):
            with contextlib.suppress(av.error.InvalidDataError):  # a damaged piece
                yield from stream.codec_context.decode(packet)


def _bound(source: Path) -> None:
    """So that whatever a file makes of FFmpeg comes to an end."""
    if sys.platform == "win32":
        return
    import resource

    os.nice(NICE)
    most = 2 * source.stat().st_size + 1024 * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def main(source: Path, target: Path, track: int) -> int:
    aside = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        write_playable(source, aside, track)
        os.replace(aside, target)
        if not source.exists():  # it was deleted meanwhile, and whoever did so may not have seen the copy
            target.unlink(missing_ok=True)
        return 0
    except (EngineError, av.error.FFmpegError, ValueError, IndexError) as error:
        if isinstance(error, OSError) and error.errno in PASSING:
            raise
        print(error, file=sys.stderr)
        return UNFIT
    finally:
        aside.unlink(missing_ok=True)


if __name__ == "__main__":
    _bound(Path(sys.argv[1]))
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
