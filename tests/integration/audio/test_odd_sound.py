"""Sound as the world records it comes out as what a person hears: in range, at its time, from the right track."""

from __future__ import annotations

import itertools
import struct
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.audio.reader import AudioReader
from engines.errors import EmptyAudio, NoAudioStream, TrackNotFound, UnsupportedMedia
from tests import fuzz, media, odd_media, speech
from tests.conftest import Sample

Samples = NDArray[np.float32]
RATE = 16_000


def sweep(seconds: float = 3.0) -> Samples:
    at = np.arange(round(seconds * RATE)) / RATE
    return (0.5 * np.sin(2 * np.pi * (300 + 200 * at) * at)).astype(np.float32)


def read(path: Path, track: int | None = None) -> tuple[Samples, list[str], AudioReader]:
    with AudioReader(path, track) as reader:
        samples = np.concatenate(list(reader))
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1.1
        return samples, [warning.code for warning in reader.warnings()], reader


def likeness(decoded: Samples, source: Samples, slack: int = 0) -> float:
    """The correlation of the two, at the best shift within `slack` samples (codecs delay a little)."""
    length = min(len(decoded), len(source)) - 2 * slack
    middle = source[slack : slack + length].astype(np.float64)
    heard = decoded[: length + 2 * slack].astype(np.float64)
    products = np.fft.irfft(np.fft.rfft(heard) * np.fft.rfft(middle - middle.mean(), len(heard)).conj(), len(heard))
    deviations = [heard[at : at + length].std() for at in range(2 * slack + 1)]
    return float((products[: 2 * slack + 1] / length / deviations / middle.std()).max())


SLACK = 200  # samples, 12 ms: what a packet's stamp may differ from the sound in it


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e9, -1e30])
def test_a_number_that_is_no_sound_becomes_silence(tmp_path: Path, value: float) -> None:
    sound = sweep()
    sound[[5, 20_000]] = value
    samples, warnings, _ = read(odd_media.wav(tmp_path / "a", sound))
    assert likeness(samples, sweep()) > 0.99
    assert warnings == ["damaged_input"]


@pytest.mark.parametrize("scale", [2.0**15, 2.0**23, 2.0**31])
@pytest.mark.parametrize("quiet", [0.0, 5.0])
def test_floats_in_integer_range_are_rescaled(tmp_path: Path, scale: float, quiet: float) -> None:
    room = np.random.default_rng(0).normal(0, scale * 1e-5, round(quiet * RATE)).astype(np.float32)
    sound = np.concatenate([room, sweep() * np.float32(scale)])
    samples, warnings, _ = read(odd_media.wav(tmp_path / "a", sound))
    assert likeness(samples[len(room) :], sweep()) > 0.99
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)
    assert warnings == ["rescaled_input"]


@pytest.mark.parametrize("offset", [3.0, 0.06, -0.5])
def test_a_constant_offset_is_taken_off(tmp_path: Path, offset: float) -> None:
    samples, warnings, _ = read(odd_media.wav(tmp_path / "a", sweep() + np.float32(offset)))
    assert abs(samples.mean()) < 1e-3
    assert likeness(samples, sweep()) > 0.99
    assert warnings == []


def test_an_offset_that_begins_later_is_taken_off_at_once(tmp_path: Path) -> None:
    """Somebody joins a call with a cheap microphone: it was followed over seconds, and drowned the first sentence."""
    quiet = sweep() * np.float32(0.04)
    samples, _, _ = read(odd_media.wav(tmp_path / "a", np.concatenate([sweep(), quiet + np.float32(0.06)])))
    later = samples[round(3.6 * RATE) :]  # the offset is found half a second at a time
    assert abs(later.mean()) < 1e-3
    assert likeness(later, quiet[round(0.6 * RATE) :]) > 0.99


def test_sound_without_an_offset_is_passed_on_as_it_is(tmp_path: Path, sample: Sample) -> None:
    spoken = odd_media.as_int16(media.read(sample.path))
    samples, _, _ = read(odd_media.wav(tmp_path / "a", spoken))
    assert np.array_equal(samples, spoken.astype(np.float32) / 32_768)


def test_a_float_file_somewhat_too_loud_is_made_quieter_and_not_cut(tmp_path: Path) -> None:
    samples, warnings, _ = read(odd_media.wav(tmp_path / "a", sweep() * 5))
    assert likeness(samples[RATE:], sweep()[RATE:]) > 0.999
    assert warnings == []


@pytest.mark.parametrize("channels", [2, 3, 6, 8, 16, 24, 64])
@pytest.mark.parametrize("room", [0.0, 3e-4])
def test_a_voice_on_one_channel_of_many_keeps_its_level(tmp_path: Path, channels: int, room: float) -> None:
    sound = np.random.default_rng(0).normal(0, room, (channels, 3 * RATE)).astype(np.float32)
    sound[min(3, channels - 1)] += sweep()
    samples, _, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sound)))
    assert likeness(samples, sweep()) > 0.99
    assert np.abs(samples[RATE:]).max() > 0.4


@pytest.mark.parametrize("shares", [(1, -1), (1, -0.5), (1, -0.5, -0.5), (1, 1, -1, -1), (0.3, -1, 0.7)])
def test_no_mix_cancels(tmp_path: Path, shares: tuple[float, ...]) -> None:
    sound = np.stack([sweep() * share for share in shares])
    samples, _, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sound)))
    assert abs(likeness(samples[RATE // 4 :], sweep()[RATE // 4 :])) > 0.99
    assert np.abs(samples).max() > 0.25


def test_hum_on_both_wires_does_not_turn_a_voice_against_itself(tmp_path: Path) -> None:
    hum = (0.45 * np.sin(2 * np.pi * 50 * np.arange(3 * RATE) / RATE)).astype(np.float32)
    voice = 0.2 * sweep()
    samples, _, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(np.stack([hum + voice, hum - voice]))))
    assert abs(likeness(samples[RATE // 4 :], sweep()[RATE // 4 :])) > 0.9


def test_two_speakers_on_two_channels_both_come_through(tmp_path: Path) -> None:
    """The one far more quietly than the other, each in their turn and both at once."""
    one, other = sweep(9.0), 0.03 * np.sign(sweep(9.0)[::-1]).astype(np.float32)
    one[3 * RATE : 6 * RATE] = 0
    other[: 3 * RATE] = 0
    samples, _, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(np.stack([one, other]))))
    assert likeness(samples[: 3 * RATE], one[: 3 * RATE]) > 0.99
    assert likeness(samples[4 * RATE : 6 * RATE], other[4 * RATE : 6 * RATE]) > 0.99
    assert np.abs(samples[4 * RATE : 6 * RATE]).max() > 0.02


def hum(seconds: float) -> Samples:
    return np.sin(2 * np.pi * 50 * np.arange(round(seconds * RATE)) / RATE).astype(np.float32)


def rumble(seconds: float) -> Samples:
    """Noise that falls by 6 dB an octave from 5 Hz on."""
    spectrum = np.fft.rfft(speech.noise(seconds))
    sound = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 5 * seconds), round(seconds * RATE))
    return np.asarray(sound / sound.std(), np.float32)


@pytest.mark.parametrize(
    "noise", [lambda seconds: speech.noise(seconds, 1.0), hum, rumble], ids=["hiss", "hum", "rumble"]
)
@pytest.mark.parametrize("level", [0.01, 0.2])  # the voice's is 0.03
def test_a_voice_is_heard_beside_a_channel_of_noise(tmp_path: Path, sample: Sample, noise: Any, level: float) -> None:
    """A microphone that is off, or broken: it was the louder one, so the voice was turned down."""
    voice = 0.3 * media.read(sample.path)
    voice = np.tile(np.concatenate([voice, speech.silence(4)]), 3)
    sound = np.stack([level * noise(len(voice) / RATE), voice]).astype(np.float32)
    samples, _, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sound)))
    spoken = np.abs(voice) > 0.01
    assert likeness(samples[RATE:][spoken[RATE:]], voice[RATE:][spoken[RATE:]]) > 0.9


def test_both_channels_alike_are_the_channel(tmp_path: Path) -> None:
    mono, _, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sweep())))
    stereo, _, _ = read(odd_media.wav(tmp_path / "b", odd_media.as_int16(np.stack([sweep(), sweep()]))))
    assert np.allclose(mono, stereo, atol=1e-4)


@pytest.mark.parametrize("suffix", ["webm", "mkv", "mka", "mp4"])
@pytest.mark.parametrize("late", [0.7, 4.9])
def test_sound_that_begins_late_is_late(tmp_path: Path, suffix: str, late: float) -> None:
    path = odd_media.restamped(tmp_path / f"a.{suffix}", sweep(), lambda at: at + late)
    samples, warnings, reader = read(path)
    assert likeness(samples[round(late * RATE) :], sweep(), SLACK) > 0.98
    assert not samples[: round((late - 0.05) * RATE)].any()
    assert reader.decoded == pytest.approx(3 + late, abs=0.03)
    assert warnings == []


@pytest.mark.parametrize(
    ("suffix", "gap"), [*itertools.product(["webm", "mkv", "ogg", "mp4"], [0.3, 20.0]), ("mkv", 3000.0)]
)
def test_a_gap_is_silence(tmp_path: Path, suffix: str, gap: float) -> None:
    path = odd_media.restamped(
        tmp_path / f"a.{suffix}", sweep(), lambda at: at if at < 1 else at + gap
    )  # Ogg stamps a second at a time
    samples, warnings, reader = read(path)
    assert likeness(samples[: round(0.9 * RATE)], sweep(), SLACK) > 0.98
    after = samples[round((1.1 + gap) * RATE) :]
    assert likeness(after, sweep()[round(1.1 * RATE) :], SLACK) > 0.98
    assert reader.decoded == pytest.approx(3 + gap, abs=0.03)
    assert warnings == []


@pytest.mark.parametrize(("begins", "late"), [(0.0, 4.9), (1.0, 0.7), (2.0, 20.0)])
def test_an_avi_begins_late_or_pauses_by_frames_that_are_not_there(tmp_path: Path, begins: float, late: float) -> None:
    """FFmpeg leaves them out. The first packet is there in any case."""
    path = odd_media.restamped(tmp_path / "a.avi", sweep(), lambda at: at if at < begins else at + late, "aac")
    samples, warnings, reader = read(path)
    after = begins + 0.1
    assert likeness(samples[round((after + late) * RATE) :], sweep()[round(after * RATE) :], 2000) > 0.95
    assert reader.decoded == pytest.approx(3 + late, abs=0.15)
    assert warnings == []


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_an_avi_says_where_a_track_begins(tmp_path: Path, codec: str) -> None:
    path = odd_media.restamped(tmp_path / "a.avi", sweep(), lambda at: at, codec)
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 28  # dwScale, dwRate, dwStart
    scale, rate = struct.unpack("<II", data[at : at + 8])
    data[at + 8 : at + 12] = struct.pack("<I", round(4.9 * rate / scale))
    path.write_bytes(data)
    samples, warnings, _ = read(path)
    assert likeness(samples[round(4.9 * RATE) :], sweep(), 2000) > 0.95
    assert not samples[: round(4.8 * RATE)].any()
    assert warnings == []


def test_a_film_of_windows_is_not_called_cut_off_for_sound_that_begins_late(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "film.asf"), "w") as container:
        film = media._film(container)
        sound = container.add_stream("libmp3lame", rate=16_000, layout="mono")
        media._write_film(container, film, 6.0)
        for packet in odd_media._packets(sound, sweep()):
            packet.pts = packet.dts = packet.pts + round(2.5 / packet.time_base)
            container.mux(packet)
    samples, warnings, _ = read(tmp_path / "film.asf")
    assert likeness(samples[round(2.5 * RATE) :], sweep(), 1200) > 0.95
    assert warnings == []


def test_sound_that_nothing_announces_is_found_however_late(tmp_path: Path) -> None:
    """In an MPEG film a track is there when it begins, and FFmpeg looks 5 MB ahead."""
    with av.open(str(tmp_path / "film.mpg"), "w") as container:
        film: Any = container.add_stream("mpeg1video", rate=25)
        film.width, film.height, film.pix_fmt, film.bit_rate = 256, 192, "yuv420p", 50_000_000
        noise = np.random.default_rng(0).integers(0, 255, (192, 256, 3), np.uint8)
        sound = container.add_stream("mp2", rate=RATE, layout="mono")
        packets = odd_media._packets(sound, sweep())
        container.start_encoding()
        late = 12
        for number in range(25 * (late + 4)):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(film.encode(frame))
        for packet in packets:
            packet.pts = packet.dts = packet.pts + round(late / packet.time_base)
            container.mux(packet)
    samples, warnings, _ = read(tmp_path / "film.mpg")
    assert len(samples) / RATE == pytest.approx(late + 3, abs=0.2)
    assert np.abs(samples[-2 * RATE :]).max() > 0.3
    assert warnings == []


def test_lost_packets_do_not_add_up(tmp_path: Path) -> None:
    """Every tenth of 20 ms: each too short to be filled by itself."""
    path = odd_media.restamped(tmp_path / "a.webm", sweep(20.0), lambda at: None if round(at * 50) % 10 == 9 else at)
    _, _, reader = read(path)
    assert reader.decoded == pytest.approx(20, abs=0.06)


@pytest.mark.parametrize("jump", [1e5, 1e9])
def test_a_stamp_that_cannot_be_true_does_not_make_days_of_silence(tmp_path: Path, jump: float) -> None:
    path = odd_media.restamped(tmp_path / "a.mkv", sweep(), lambda at: at if at < 1.5 else at + jump)
    _, warnings, reader = read(path)
    assert reader.decoded == pytest.approx(3, abs=0.03)
    assert "damaged_input" in warnings


STREAMED = (0x7FFFFFFF, 0x7FFFFFFF - 36, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0)


@pytest.mark.parametrize("claimed", STREAMED)
def test_a_wav_from_a_pipe_is_not_called_cut_off(tmp_path: Path, claimed: int) -> None:
    samples, warnings, reader = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sweep()), claimed=claimed))
    assert (len(samples), warnings) == (3 * RATE, [])
    assert reader.expected == pytest.approx(3)


@pytest.mark.parametrize("claimed", [RATE, RATE * 3])
def test_a_wav_whose_length_is_too_small_is_read_to_its_end(tmp_path: Path, claimed: int) -> None:
    samples, warnings, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sweep()), claimed=claimed))
    assert (len(samples), warnings) == (3 * RATE, [])


def test_what_follows_the_sound_in_a_wav_is_no_sound(tmp_path: Path) -> None:
    after = b"LIST" + (40_000).to_bytes(4, "little") + b"INFO" + b"\x55" * 39_996
    samples, warnings, _ = read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sweep()), after=after))
    assert (len(samples), warnings) == (3 * RATE, [])


def test_an_mp3_of_changing_bit_rate_without_a_header_is_not_called_cut_off(tmp_path: Path) -> None:
    """Ten loud seconds at a low bit rate, then silence at a high one: the first frame promises far more."""
    parts = []
    for name, rate, sound in (("a", 32_000, sweep(2.0)), ("b", 320_000, sweep(8.0))):
        path = media.write(tmp_path / f"{name}.mp3", sound, bit_rate=rate)
        data = path.read_bytes()
        parts.append(data[data.index(b"\xff\xfb", 500) :])  # without the frame that counts
    (tmp_path / "source").write_bytes(b"".join(parts))
    _, warnings, reader = read(tmp_path / "source")
    assert "truncated_input" not in warnings
    assert reader.declared is None


@pytest.mark.parametrize("rate", [1, 100, 3_999, 768_001, 4_000_000])
def test_a_rate_nobody_records_at_is_refused(tmp_path: Path, rate: int) -> None:
    with pytest.raises(UnsupportedMedia):
        read(odd_media.wav(tmp_path / "a", odd_media.as_int16(sweep()), rate=rate))


@pytest.mark.parametrize("muxer", ["aiff", "caf", "wv"])
def test_a_bomb_by_rate_is_refused_in_every_container(tmp_path: Path, muxer: str) -> None:
    """At 1 Hz a few bytes are hours, and a gigabyte once resampled."""
    codec = {"aiff": "pcm_s16be", "caf": "pcm_s16le", "wv": "wavpack"}[muxer]
    with av.open(str(tmp_path / "a"), "w", format=muxer) as container:
        stream: Any = container.add_stream(codec, rate=1, layout="mono")
        kind = stream.codec_context.format.name
        empty = np.zeros((1, 100_000), {"u8": np.uint8, "s16": np.int16, "s32": np.int32}[kind.removesuffix("p")])
        frame = av.AudioFrame.from_ndarray(empty, format=kind, layout="mono")
        frame.sample_rate = 1
        for part in (frame, None):
            container.mux(stream.encode(part))
    with pytest.raises(UnsupportedMedia):
        read(tmp_path / "a")


def test_samples_of_24_bits_in_32_are_integers(tmp_path: Path) -> None:
    """As Windows writes them for many devices; FFmpeg takes them for floats of another program."""
    samples = (sweep() * (2**23 - 1)).astype("<i4") << 8
    form = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, RATE, 4 * RATE, 4, 32, 22, 24, 4, 1)
    form += bytes.fromhex("000000001000800000aa00389b71")
    data = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", 4 * len(samples))
    (tmp_path / "a").write_bytes(b"RIFF" + struct.pack("<I", len(data) + 4 * len(samples)) + data + samples.tobytes())
    decoded, warnings, _ = read(tmp_path / "a")
    assert np.abs(decoded - sweep()).max() < 1e-4
    assert warnings == []


def test_a_packet_for_every_sample_is_refused(tmp_path: Path) -> None:
    """FFmpeg reads a CAF sample by sample if its header says that packets hold two."""
    data = bytearray(odd_media.encoded(tmp_path / "a", sweep(), odd_media.Kind("caf", "pcm_s16be", RATE)))
    at = data.index(b"desc") + 12 + 20  # frames in a packet
    data[at : at + 4] = struct.pack(">I", 2)
    (tmp_path / "a").write_bytes(data)
    started = time.process_time()
    with pytest.raises(UnsupportedMedia, match="pieces"):
        read(tmp_path / "a")
    assert time.process_time() - started < 5


def test_a_wav_of_nothing_but_empty_chunks_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"RIFF\xff\xff\xff\x7fWAVE" + b"junk\0\0\0\0" * 200_000)
    begun = time.process_time()
    with pytest.raises(UnsupportedMedia):
        read(tmp_path / "a")
    assert time.process_time() - begun < 2


def test_two_mp3s_that_were_joined_are_not_called_cut_off(tmp_path: Path) -> None:
    kinds = (("a.mp3", 16_000, 24_000), ("b.mp3", 44_100, 192_000))
    one, other = (media.write(tmp_path / name, sweep(), rate, bit_rate) for name, rate, bit_rate in kinds)
    (tmp_path / "source").write_bytes(one.read_bytes() + other.read_bytes())
    assert "truncated_input" not in read(tmp_path / "source")[1]
    assert read(media.truncated(tmp_path / "half", one))[1] == ["truncated_input"]


def test_a_film_of_several_tracks_is_cut_off_only_if_its_own_sound_is(tmp_path: Path) -> None:
    """Matroska tells of each track how long it is; an MPEG stream of none, and the longest is not the one."""
    sounds = [sweep(2.0), sweep(4.0)]
    film = odd_media.tracks(tmp_path / "a.mkv", sounds)
    assert read(film, 1)[1] == ["other_tracks"]
    assert "truncated_input" in read(media.truncated(tmp_path / "half", film), 2)[1]
    assert read(odd_media.tracks(tmp_path / "a.mpg", sounds, codec="mp2"), 1)[1] == ["other_tracks"]


@pytest.fixture(scope="module")
def talk() -> Samples:
    return speech.speak(["Good morning everyone, and thank you for joining on such short notice."]).samples


def test_a_silent_first_track_gives_way_to_one_that_speaks(tmp_path: Path, talk: Samples) -> None:
    samples, warnings, reader = read(odd_media.tracks(tmp_path / "a.mp4", [np.zeros_like(talk), talk]))
    assert reader.track == 2
    assert np.abs(samples).max() > 0.2
    assert warnings == ["other_tracks"]


def test_a_tune_gives_way_to_one_that_speaks(tmp_path: Path, talk: Samples) -> None:
    tune = speech.tone(len(talk) / RATE)[: len(talk)]
    assert read(odd_media.tracks(tmp_path / "a.mkv", [tune, talk]))[2].track == 2


@pytest.mark.parametrize("default", [0, 1, 2])
def test_of_several_that_speak_the_default_is_taken(tmp_path: Path, talk: Samples, default: int) -> None:
    assert read(odd_media.tracks(tmp_path / "a.mkv", [talk] * 3, default))[2].track == default + 1


def test_a_track_can_be_chosen(tmp_path: Path, talk: Samples) -> None:
    path = odd_media.tracks(tmp_path / "a.mkv", [talk, np.zeros_like(talk)])
    samples, _, reader = read(path, track=2)
    assert reader.track == 2
    assert np.abs(samples).max() < 0.01
    with pytest.raises(TrackNotFound, match="has 2"):
        read(path, track=3)


def test_of_tracks_without_speech_the_one_with_sound_is_taken(tmp_path: Path) -> None:
    assert read(odd_media.tracks(tmp_path / "a.mkv", [np.zeros_like(sweep()), sweep()]))[2].track == 2
    assert read(odd_media.tracks(tmp_path / "b.mkv", [np.zeros_like(sweep())] * 2))[2].track == 1


@pytest.mark.parametrize("broken", [1, 2])
def test_a_track_nobody_can_decode_gives_way(tmp_path: Path, talk: Samples, broken: int) -> None:
    """As iPhones add one beside the ordinary sound."""
    data = odd_media.tracks(tmp_path / "a.mov", [talk, talk]).read_bytes()
    at = data.index(b"stsd") if broken == 1 else data.rindex(b"stsd")
    end = data.rindex(b"stsd") if broken == 1 else len(data)
    spoiled = data[at:end].replace(b"mp4a", b"apac").replace(b"esds", b"free")
    (tmp_path / "source").write_bytes(data[:at] + spoiled + data[end:])
    _, warnings, reader = read(tmp_path / "source")
    assert reader.track == 3 - broken
    assert warnings == ["other_tracks"]


@pytest.mark.parametrize(
    ("sound", "is_silent"),
    [
        (np.zeros(3 * RATE), True),
        (np.random.default_rng(0).normal(0, 3e-4, 3 * RATE), True),
        (np.round(np.random.default_rng(0).normal(0, 0.5, 3 * RATE)) / 32_768, True),
        (np.full(3 * RATE, 0.2), True),
        (speech.noise(3.0), False),
        (speech.tone(3.0), False),
    ],
)
def test_silence_is_told_from_sound(tmp_path: Path, sound: Samples, is_silent: bool) -> None:
    assert (
        read(odd_media.wav(tmp_path / "a", odd_media.as_int16(np.asarray(sound, np.float32))))[2].is_silent is is_silent
    )


def test_speech_at_minus_seventy_decibel_is_no_silence(tmp_path: Path, sample: Sample) -> None:
    loud = media.read(sample.path)
    quiet = loud / np.abs(loud).max() * np.float32(10**-3.5)
    assert not read(odd_media.wav(tmp_path / "a", odd_media.as_int16(quiet)))[2].is_silent


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A file of each kind, which no codec makes small."""
    folder, sound = tmp_path_factory.mktemp("whole"), speech.noise(4.0, 0.1)
    return {suffix: media.write(folder / f"a{suffix}", sound).read_bytes() for suffix in FUZZED}


FUZZED = (".wav", ".mp3", ".m4a", ".ogg", ".webm", ".flac")


@pytest.mark.parametrize("suffix", FUZZED)
def test_no_mutation_ends_in_anything_but_sound_or_our_own_error(
    whole: dict[str, bytes], tmp_path: Path, suffix: str
) -> None:
    for seed in range(25):
        (tmp_path / "source").write_bytes(fuzz.mutated(whole[suffix], seed))
        begun = time.process_time()
        with suppress(UnsupportedMedia, NoAudioStream, EmptyAudio), AudioReader(tmp_path / "source") as reader:
            assert all(np.isfinite(block).all() and np.abs(block).max() <= 1 for block in reader)
            reader.warnings()
        assert time.process_time() - begun < 5, seed


@pytest.mark.parametrize(("codec", "suffix", "layout"), [("aac", "m4a", "7.1"), ("wavpack", "wv", "64 channels")])
def test_many_channels_that_lie_apart_are_read(tmp_path: Path, codec: str, suffix: str, layout: str) -> None:
    """A damaged m4a of 23 channels crashed the process: PyAV looks for planes beyond those there are."""
    channels = av.AudioLayout(layout).nb_channels
    sound = np.zeros((channels, 3 * RATE), np.float32)
    sound[5] = sweep()
    with av.open(str(tmp_path / "a"), "w", format="ipod" if suffix == "m4a" else suffix) as container:
        stream: Any = container.add_stream(codec, rate=RATE, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T.reshape(1, -1)), format="flt", layout=layout)
        frame.sample_rate = RATE
        resampler = av.AudioResampler(
            stream.codec_context.format.name, layout, RATE, frame_size=stream.codec_context.frame_size or 4096
        )
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            container.mux(stream.encode(part))
    samples, _, _ = read(tmp_path / "a")
    assert len(samples) >= 3 * RATE
    assert np.abs(samples[RATE:]).max() > 0.4
