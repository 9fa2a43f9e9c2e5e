"""Voices over a telephone: what CAM++ hears in all of them alike, taken off.

Without anything above 4 kHz every voice sounds a little like every other, and more so if there is nothing below 300 Hz,
either: different people's embeddings of 2 s have a cosine of 0.22 and 0.39 in the mean, against 0.07 in full sound, and
three people come out as one. Most of that is one direction, the same for all in one band. They were measured on
voices of LibriSpeech (train-clean-100): 251 in four bands, and 110 in four without low sounds (300 Hz to 3.4 kHz alone,
through G.711 with and without noise, and 300 Hz to 4 kHz). On others the cosine of different people comes down to 0.07
and 0.02, and that of one person from 0.68 to 0.62 and 0.50.
"""

from __future__ import annotations

import base64
from enum import Enum

import numpy as np

from engines.speakers.networks.filter_banks import Floats
from engines.speakers.voice_piece import Embedding, normalised

_LOW, _SPEECH, _HIGH = slice(0, 8), slice(20, 55), slice(62, 80)  # up to 280 Hz; 760 Hz to 3.2 kHz; above 4.2 kHz
_NO_HIGH = 10**-2.5  # energies by those of speech, below which there is next to nothing: in full sound 0.015 and more
_NO_LOW = 10**-3.9  # … over a telephone 0.00003 and less, else 0.0008 and more


class Band(Enum):
    """What a recording carries."""

    FULL = "all of a voice"
    NARROW = "nothing above 4 kHz"
    TELEPHONE = "nothing above 4 kHz, nor below 300 Hz"


_SHARED = {  # 192 numbers each, float16
    Band.NARROW: (
        "TKg7pVmisqegprag7qiBJo8b6qQbrLeTC6lArNyinSgWpHYqhiuMqIcs+iveol0qPSMSoYSrFyjdGy8sk5AyHfgkCqX5IQgtrahEq7U"
        "pwaCOLDEoF6yNJ1UhoR+qqSEcVCnwJZamipmqrCQm9yJMKyouwaTVqnaqth00pIgkjhVHJUSjYaHEqhai1KgiKvQkC6GxoE2sYSTIIf"
        "YoU6rUqG+oRypWrGQlPSKdICMpeJPpqF6sGKWfiNCj3CxcnXopYCbepiuoFyGTpDms9igBpG8p8yEOIoUggqVjpMsgs6oZoFSqTaFzK"
        "N0nVClVJ7Ot96zJJi0l1aTrqAIoAalRIvYLmylzmP4o9Ci2pgileaExpFKrG6W5IICbuRo4LNMtVZiyqeUnTCawJyOrg6lerWsk2iZq"
        "pE4lY6RIqyys26EXI6yglCS7J+8oxB/doQoYnKUTKLMp1agepRwp/hmDGAUpPSbeHAysIqQwKnekVixwHs2iOBj1qZgimaQaq1cr"
    ),
    Band.TELEPHONE: (
        "gaqIptyel6iWpMij4qqDJyemlKUyrIUpSqRuq7GfLR0IpBwqeyyPo1ktpSyoGOcs+CZIpe6pqRs1JZYtRhEvHsglAqhOGhYtn6v1q7c"
        "suJ58LdQmt6yxKVwi6CH1qiIkESjuIiaZeyECrFchoJwJLEYtDKX7qH+sVB0lpFgolCMMHWWiOKgHqs+RaqS3Joop0aTAoSGtYyhsKK"
        "AoVKzLqP6qUyxKrFkkDKQ+G/8toCi3q+qsMKoGoL2mWi11paMosSe/iNWorSDyoRKsbiQaqPArLKbrI9Mib6kGnzmQ9ap3H8eq/6O9J"
        "G8oaSn1JP2qRa1Fk+kfDqPpqv4kxZfrprIhgCoEoR8qKii8pCGoOB3xpWCsgqaioZYiVaZMK64umhUCrRQqbCanH06mvKlmrYUmkZ6M"
        "pzAnuKhEqGKr26QaKLollSmHLDwoJynEqPSPhSASKDMqDa3dpZomASSWIZAqsSh2GSGpgqVOKsuqVS3bILeg2J1cqtkoL6ViqR8s"
    ),
}


def band_of(features: Floats) -> Band:
    """features: filter banks of some 10 s."""
    energies = np.exp(features)
    speech = energies[:, _SPEECH].sum()
    if energies[:, _HIGH].sum() >= _NO_HIGH * speech:
        return Band.FULL
    return Band.NARROW if energies[:, _LOW].sum() >= _NO_LOW * speech else Band.TELEPHONE


def without_shared(embedding: Embedding, band: Band) -> Embedding:
    """Without what all voices in that band share. At length 1."""
    if band is Band.FULL:
        return embedding
    shared = np.frombuffer(base64.b64decode("".join(_SHARED[band])), "<f2").astype(np.float32)
    return normalised(embedding - shared)
