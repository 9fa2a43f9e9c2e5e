"""The network with its convolutions as products says what the library's own says."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from faster_whisper.vad import get_vad_model

from engines.audio import speech_network
from engines.audio.speech_network import CONTEXT, FRAME, STATE, as_products, speech_session
from tests import media
from tests.conftest import Sample

NOTHING = np.zeros((1, 1, STATE), np.float32)


def test_it_hears_what_the_librarys_network_hears(sample: Sample) -> None:
    samples = media.read(sample.path)
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    before = np.concatenate([np.zeros((1, CONTEXT), np.float32), frames[:-1, -CONTEXT:]])
    given = {"input": np.concatenate([before, frames], axis=1), "h": NOTHING, "c": NOTHING}
    theirs = get_vad_model().session.run(None, given)
    ours = speech_session().run(None, given)
    assert np.ptp(theirs[0]) > 0.9, "the recording must move the network for this to mean anything"
    for one, other in zip(ours, theirs, strict=True):
        assert np.allclose(one.reshape(-1), other.reshape(-1), atol=1e-4)


def test_another_network_is_left_to_the_library(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(speech_network, "constants_of", lambda model: {})
    with caplog.at_level(logging.WARNING):
        assert speech_session.__wrapped__() is get_vad_model().session
    assert "slower" in caplog.text
    with pytest.raises(ValueError, match="version 6"):
        as_products({"decoder.conv1d.bias": np.zeros(2, np.float32)})
