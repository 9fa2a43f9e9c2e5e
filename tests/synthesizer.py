"""Speech in languages for which no package has a natural voice: eSpeak NG reads them, as far as it goes. Piper's
package carries it for its phonemes, with all that it needs to speak by itself."""

from __future__ import annotations

import ctypes
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 22_050  # Hz
WORDS_A_MINUTE = 130

# Of speak_lib.h.
_SYNCHRONOUS, _POSITION_CHARACTER, _UTF8, _RATE = 2, 1, 1, 1
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


def speak(text: str, voice: str) -> NDArray[np.float32]:
    """float32, shape (n,), mono at SAMPLE_RATE. voice: a name of eSpeak's, as "cmn"; raises ValueError without it."""
    library, pieces = _library(), []

    def take(samples: Any, count: int, _: Any) -> int:
        if samples:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0  # go on

    callback = _Callback(take)
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(voice.encode()):
        raise ValueError(f"eSpeak has no voice {voice!r}")
    library.espeak_SetParameter(_RATE, WORDS_A_MINUTE, 0)
    said = text.encode()
    library.espeak_Synth(said, ctypes.c_size_t(len(said) + 1), 0, _POSITION_CHARACTER, 0, _UTF8, None, None)
    return np.concatenate(pieces).astype(np.float32) / np.float32(32768)


@cache
def _library() -> Any:
    import piper.espeakbridge

    library = ctypes.CDLL(piper.espeakbridge.__file__)
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(files("piper")).encode(), 0)
    if rate != SAMPLE_RATE:
        raise RuntimeError(f"eSpeak could not be started: {rate}")
    return library
