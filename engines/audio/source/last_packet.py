"""Whether the end of a track's last packet is missing, as in a file whose upload or recording broke off."""

from __future__ import annotations

from av.audio.stream import AudioStream
from av.packet import Packet

from engines.audio.files.frame_size import HEAD, frame_size, knows

# Demuxers that flag a packet of which they read less than its size. Those of plain samples read whatever is left.
_FLAGGING = ("amr", "asf", "avi", "flv", "matroska", "mov", "mpeg", "mpegts", "nut", "ogg", "rm", "tta", "voc", "wv")
_SILENT = ("mlp", "truehd")  # those that drop a frame without an end


class LastPacket:
    """damaged: packets that could not be decoded since the last one that could."""

    def __init__(self, container: str, codec: str) -> None:
        name = container.partition(",")[0]
        self._is_flagging, self._is_silent = name in _FLAGGING, name in _SILENT
        self._codec = codec
        self._packet: Packet[AudioStream] | None = None
        self._is_unreadable = False
        self.damaged = 0

    def read(self, packet: Packet[AudioStream]) -> None:
        """What was read; may be empty."""
        if packet.size:
            self._packet = packet
            self._is_unreadable = False

    def was_decoded(self) -> None:
        """The last packet was sound."""
        self.damaged = 0

    def was_damaged(self, *, is_unreadable: bool) -> None:
        """The last packet could not be decoded, or not even read."""
        self.damaged += 1
        self._is_unreadable = is_unreadable

    def is_cut(self, size: int) -> bool:
        """Once all are read. size: bytes of the file."""
        last = self._packet
        if last is None:
            return False
        if knows(self._codec):  # what follows their last frame may be tags
            whole = frame_size(self._codec, bytes(last)[:HEAD])
            return last.is_corrupt and self._is_flagging if whole is None else whole > last.size
        end = (last.pos or 0) + last.size
        if (last.is_corrupt and self._is_flagging) or (self._is_silent and end < size):
            return True
        rest = size - end  # bytes behind it, of which at most a packet's beginning belongs to the sound
        return bool(self.damaged) and rest < (last.size if self._is_unreadable else 1)
