"""A file cut off anywhere says so, whatever it is, and a whole one doesn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from engines.audio.files.avi_pauses import avi_pauses
from engines.audio.files.file_end import ends_early
from engines.audio.files.frame_size import frame_size
from engines.audio.files.part import Part
from engines.audio.files.parts import parts_of
from engines.audio.reader import AudioReader
from engines.errors import UnsupportedMedia
from tests import fuzz, odd_media
from tests.odd_media import Kind

SECONDS = 3.0
WRITTEN: dict[str, bytes] = {}


FRAGMENTED = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "200000"}
KINDS = {
    "wav": Kind("wav", "pcm_s16le"),
    "wav, mu-law": Kind("wav", "pcm_mulaw", 8_000),
    "wav, adpcm": Kind("wav", "adpcm_ima_wav", 8_000, "s16p"),
    "rf64": Kind("wav", "pcm_s16le", options={"rf64": "always"}),
    "w64": Kind("w64", "pcm_s16le"),
    "aiff": Kind("aiff", "pcm_s16be"),
    "caf": Kind("caf", "pcm_s16be"),
    "au": Kind("au", "pcm_s16be"),
    "sox": Kind("sox", "pcm_s32le", form="s32"),
    "voc": Kind("voc", "pcm_s16le"),
    "flac": Kind("flac", "flac"),
    "ogg, opus": Kind("ogg", "libopus", form="flt"),
    "ogg, flac": Kind("ogg", "flac"),
    "mp3": Kind("mp3", "libmp3lame", form="fltp"),
    "mp3 without a header": Kind("mp3", "libmp3lame", form="fltp", options={"write_xing": "0"}),
    "mp2": Kind("mp2", "mp2"),
    "aac": Kind("adts", "aac", form="fltp"),
    "aac in latm": Kind("latm", "aac", form="fltp"),
    "amr": Kind("amr", "libopencore_amrnb", 8_000),
    "ac3": Kind("ac3", "ac3", form="fltp"),
    "eac3": Kind("eac3", "eac3", form="fltp"),
    "tta": Kind("tta", "tta"),
    "wavpack": Kind("wv", "wavpack", form="s16p"),
    "mkv": Kind("matroska", "flac"),
    "webm": Kind("webm", "libopus", form="flt"),
    "webm, live": Kind("webm", "libopus", form="flt", options={"live": "1"}),
    "mov": Kind("mov", "pcm_s16le", options={"movflags": "faststart"}),
    "m4a": Kind("ipod", "aac", form="fltp", options={"movflags": "faststart"}),
    "mp4 in fragments": Kind("mp4", "aac", form="fltp", options=FRAGMENTED),
    "avi": Kind("avi", "pcm_s16le"),
    "avi, mp3": Kind("avi", "libmp3lame", form="fltp"),
    "flv": Kind("flv", "aac", form="fltp"),
    "asf": Kind("asf", "libmp3lame", form="fltp"),
    "mpeg-ts": Kind("mpegts", "aac", form="fltp"),
    "mpeg film": Kind("mpeg", "mp2"),
}


def written(path: Path, kind: Kind) -> bytes:
    """Noise, so that no frame is small. Each kind is encoded once."""
    if str(kind) not in WRITTEN:
        noise = np.random.default_rng(0).normal(0, 0.1, round(SECONDS * 16_000)).astype(np.float32)
        WRITTEN[str(kind)] = odd_media.encoded(path, noise, kind)
    path.write_bytes(WRITTEN[str(kind)])
    return WRITTEN[str(kind)]


def warnings(path: Path) -> tuple[float, list[str]]:
    """Seconds read, and the codes."""
    with AudioReader(path) as reader:
        for _ in reader:
            pass
        return reader.decoded, [warning.code for warning in reader.warnings()]


@pytest.mark.parametrize("name", KINDS)
def test_half_a_file_says_that_it_was_cut_off(name: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    data = written(path, KINDS[name])
    assert warnings(path)[1] == []
    path.write_bytes(data[: len(data) // 2 + 37])  # not by chance between two frames
    seconds, codes = warnings(path)
    assert 0.8 < seconds < 2.2
    assert codes == ["truncated_input"]


@pytest.mark.parametrize("name", ["ogg, opus", "webm, live", "mp3 without a header", "aac", "mp4 in fragments", "avi"])
def test_so_does_one_cut_anywhere_in_its_last_part(name: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    data = written(path, KINDS[name])
    end = data.rindex(b"mfra") - 4 if name == "mp4 in fragments" else len(data)
    end = data.rindex(b"idx1") if name == "avi" else end
    for cut in (end - 5, end - 40, end - len(data) // 3):
        path.write_bytes(data[:cut])
        assert warnings(path)[1] == ["truncated_input"], cut


def test_a_file_without_the_table_of_its_packets_says_why_it_is_refused(tmp_path: Path) -> None:
    data = written(tmp_path / "source", Kind("caf", "alac", form="s16p"))
    (tmp_path / "source").write_bytes(data[: len(data) // 2])
    with pytest.raises(UnsupportedMedia, match="cut off"):
        AudioReader(tmp_path / "source")


@pytest.mark.parametrize("name", ["aac", "aac in latm", "ac3", "mp2", "mp3 without a header", "mpeg-ts"])
def test_a_stream_joined_on_its_way_is_not_damaged(name: str, tmp_path: Path) -> None:
    data = written(tmp_path / "source", KINDS[name])
    (tmp_path / "source").write_bytes(data[len(data) // 3 + 11 :])
    seconds, codes = warnings(tmp_path / "source")
    assert seconds > 1.5
    assert codes == []


def test_tags_behind_the_last_frame_are_no_cut_one(tmp_path: Path) -> None:
    path = tmp_path / "source"
    for name in ("mp3", "mp3 without a header", "aac", "mp2", "flac"):
        data = written(path, KINDS[name])
        path.write_bytes(data + b"TAG" + b"title".ljust(125, b"\0"))
        assert "truncated_input" not in warnings(path)[1], name


@pytest.mark.parametrize("name", ["ogg, opus", "webm, live", "m4a", "flac", "mp3"])
def test_nor_are_zeros_that_fill_a_disc(name: str, tmp_path: Path) -> None:
    data = written(tmp_path / "source", KINDS[name])
    (tmp_path / "source").write_bytes(data + bytes(50_000))
    assert "truncated_input" not in warnings(tmp_path / "source")[1]


@pytest.mark.parametrize("muxer", ["mp3", "flac"])
def test_a_cover_is_no_further_track(muxer: str, tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a"), "w", format=muxer) as container:
        sound: Any = container.add_stream("libmp3lame" if muxer == "mp3" else "flac", rate=16_000, layout="mono")
        cover: Any = container.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 16, 16, "rgb24"
        cover.disposition = Disposition.attached_pic
        for packet in odd_media._packets(sound, np.zeros(3 * 16_000, np.float32)):
            container.mux(packet)
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(cover.encode(None))
    with AudioReader(tmp_path / "a") as reader:
        assert reader.declared == pytest.approx(3, abs=0.1)


def test_no_mutation_is_more_than_they_can_bear(tmp_path: Path) -> None:
    for name in KINDS:
        data = written(tmp_path / "a", KINDS[name])
        for seed in range(2):
            (tmp_path / "a").write_bytes(fuzz.mutated(data, seed))
            for part in parts_of(tmp_path / "a", lambda: None):
                assert ends_early(part) in (True, False)
                assert len(avi_pauses(part, 0)) < 1000


@pytest.mark.parametrize("size", [0, 3, 11, 12, 13, 27, 40, 45])
@pytest.mark.parametrize(
    "start",
    [b"OggS\0", b"\x1a\x45\xdf\xa3", b"\0\0\0\0ftyp", b"RIFF\xff\xff\xff\xffAVI ", b"riff", b"caff\0\1\0\0data"],
)
def test_a_few_bytes_have_no_end_to_speak_of(start: bytes, size: int, tmp_path: Path) -> None:
    for fill in (b"\0", b"\xff", b"\x1a"):
        (tmp_path / "a").write_bytes((start + fill * 64)[:size])
        assert ends_early(Part(tmp_path / "a")) in (True, False)


@pytest.mark.parametrize(
    "head",
    [
        b"riff\x2e\x91\xcf\x11"
        + bytes(8)
        + b"\xff" * 7
        + b"\x3f"
        + bytes(16)
        + b"fmt ".ljust(16)
        + b"\xff" * 7
        + b"\x3f",
        b"caff\0\1\0\0desc\x3f" + b"\xff" * 7,
        b"\0\0\0\1ftyp\x7f" + b"\xff" * 7,
        b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0" + b"\xff" * 28,
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x01" + b"\xff" * 6 + b"\xfe",
    ],
)
def test_a_place_beyond_any_file_is_no_place(head: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(head + bytes(100))
    assert parts_of(tmp_path / "a", lambda: None) == [Part(tmp_path / "a")]
    assert ends_early(Part(tmp_path / "a")) in (True, False)


@pytest.mark.parametrize(
    ("codec", "head", "size"),
    [
        ("mp3float", "fffb9064", 417),  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz
        ("mp3", "fff342c4", 105),  # MPEG-2 layer III, 32 kbit/s, 22.05 kHz, padded
        ("mp2", "fff5e2c4", 1045),
        ("mp1", "fffff800", None),
        ("aac", "fff15c405efffc01", 759),
        ("ac3", "0b7777d48c402f84", 576),  # 44.1 kHz would be 557
        ("eac3", "0b77011fb287c000", 576),
        ("dca", "7ffe8001fc3c75b0", 1884),
        ("aac_latm", "56e2f4ff", 759),
        ("mp3", "54414700", None),
        ("flac", "fff84608", None),
        ("aac", "ff", None),
    ],
)
def test_the_size_of_a_frame_is_in_its_head(codec: str, head: str, size: int | None) -> None:
    assert frame_size(codec, bytes.fromhex(head)) == size
