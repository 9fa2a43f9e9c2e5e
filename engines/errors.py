"""What can go wrong between a file and its transcript.

An error says what happened. Which setting or command of the service mends it is for the floors above to say: they go by
its `reason` and its `facts`.
"""

from __future__ import annotations


class EngineError(Exception):
    """The recording could not be transcribed; see the server's log."""

    code = "server_error"  # stable: clients know it
    is_final = False  # whether it is the recording's or the request's fault, so that another try would end the same

    def __init__(self, message: str | None = None, *, reason: str = "", **facts: str) -> None:
        """reason: what the remedy goes by, if that is more than the code says. facts: what it has to name."""
        super().__init__(message or (self.__doc__ or "").strip())
        self.reason = reason or self.code
        self.facts = facts


class UnsupportedMedia(EngineError):
    """The file cannot be decoded as audio or video. Send flac, m4a, mp3, mp4, mpeg, mpga, oga, ogg, wav or webm."""

    code = "unsupported_media"
    is_final = True


class NoAudioStream(EngineError):
    """The file has no audio track. Send a recording with sound."""

    code = "no_audio_stream"
    is_final = True


class TrackNotFound(EngineError):
    """The recording has no sound track of that number. Leave 'track' out to have one chosen."""

    code = "track_not_found"
    is_final = True


class EmptyAudio(EngineError):
    """The file holds no audio at all (zero seconds). Check that the recording worked."""

    code = "empty_audio"
    is_final = True


class AudioTooLong(EngineError):
    """The recording is longer than is accepted here."""

    code = "audio_too_long"
    is_final = True


class InvalidReference(EngineError):
    """The reference of a known speaker cannot be used."""

    code = "invalid_speaker_reference"
    is_final = True


class NoVoice(InvalidReference):
    """There is too little speech in the reference to know a voice by. Send 2 to 10 seconds of one person."""


class SeveralVoices(InvalidReference):
    """More than one person speaks in the reference. Send 2 to 10 seconds of one person."""


class ModelNotFound(EngineError):
    """The model is not known to this engine, or its weights could not be found."""

    code = "model_not_found"


class EngineUnavailable(EngineError):
    """The engine cannot run on this machine."""

    code = "engine_unavailable"


class OutOfMemory(EngineError):
    """The device has too little memory for this model."""

    code = "out_of_memory"


class UnsupportedOption(EngineError):
    """The engine cannot do what was asked."""

    code = "unsupported_option"
    is_final = True


class Canceled(EngineError):
    """The transcription was canceled."""

    code = "canceled"
