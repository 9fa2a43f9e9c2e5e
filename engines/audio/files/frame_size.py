"""How long a frame is by its own header, in codecs whose streams need no container. A shorter one was cut off."""

from __future__ import annotations

from collections.abc import Callable

_AC3_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)  # kbit/s
_MPEG_RATES = {  # kbit/s by (is MPEG-1, layer)
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_SAMPLE_RATES = (44_100, 48_000, 32_000)  # Hz; half of it in MPEG-2, a quarter in 2.5
HEAD = 16  # bytes of a frame that say its size


def frame_size(codec: str, head: bytes) -> int | None:
    """Bytes of the frame that begins with `head`; None for other codecs and for what is no frame. codec: FFmpeg's
    name of the decoder. Sources: ISO 11172-3 2.4.1.3, ISO 13818-7 6.2, ISO 14496-3 1.7.2, ETSI TS 102 366, ETSI TS 102
    114."""
    read = _SIZES.get(codec)
    return read(head.ljust(HEAD, b"\0")) if read and len(head) >= 4 else None


def knows(codec: str) -> bool:
    """Whether such a codec's frames say how long they are."""
    return codec in _SIZES


def _mpeg(head: bytes) -> int | None:
    version, layer, rate, sample_rate = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] < 0xE0 or version == 1 or layer == 4 or rate in (0, 15) or sample_rate == 3:
        return None
    bits = _MPEG_RATES[version == 3, layer][rate] * 1000
    hertz = _MPEG_SAMPLE_RATES[sample_rate] >> {3: 0, 2: 1, 0: 2}[version]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return (12 * bits // hertz + padding) * 4
    return (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding


def _adts(head: bytes) -> int | None:
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return None
    return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5


def _latm(head: bytes) -> int | None:
    return ((head[1] & 0x1F) << 8 | head[2]) + 3 if head[0] == 0x56 and head[1] & 0xE0 == 0xE0 else None


def _ac3(head: bytes) -> int | None:
    if head[:2] != b"\x0b\x77":
        return None
    if head[5] >> 3 > 10:  # E-AC-3
        return (((head[2] & 7) << 8 | head[3]) + 1) * 2
    sample_rate, code = head[4] >> 6, head[4] & 0x3F
    if sample_rate == 3 or code // 2 >= len(_AC3_RATES):
        return None
    rate = _AC3_RATES[code // 2]
    return (rate * 2, rate * 96_000 // 44_100 + (code & 1), rate * 3)[sample_rate] * 2


def _dts(head: bytes) -> int | None:
    if head[:4] != b"\x7f\xfe\x80\x01":  # the other packings of bits are rare
        return None
    return ((head[5] & 3) << 12 | head[6] << 4 | head[7] >> 4) + 1


_SIZES: dict[str, Callable[[bytes], int | None]] = {
    **dict.fromkeys(("mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float"), _mpeg),
    "aac": _adts,
    "aac_latm": _latm,
    "ac3": _ac3,
    "eac3": _ac3,
    "dca": _dts,
}
