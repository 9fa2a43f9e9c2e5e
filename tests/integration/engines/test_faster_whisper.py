"""faster-whisper on real weights: what it does beyond what every engine promises (test_engines.py runs that for it)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest

from engines.backends.faster_whisper import MAX_PROMPT_TOKENS, FasterWhisper
from engines.base import SAMPLE_RATE, DecodeOptions, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.transcriber import Transcription
from engines.errors import EngineUnavailable
from engines.registry import EngineOptions
from engines.transcript import Transcript
from tests import media, speech
from tests.accuracy import normalised
from tests.conftest import Sample
from tests.windows import SENTENCES, Samples, said, window
from worker.models.remedies import with_remedy


def loaded(directory: Path) -> Iterator[FasterWhisper]:
    engine = FasterWhisper(EngineOptions(model=str(directory), device="cpu", compute_type="int8"))
    engine.load()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def tiny(tiny_en_model: Path) -> Iterator[FasterWhisper]:
    yield from loaded(tiny_en_model)


@pytest.fixture(scope="module")
def base(base_model: Path) -> Iterator[FasterWhisper]:
    yield from loaded(base_model)


@pytest.fixture(scope="module")
def voice(sample: Sample) -> Samples:
    return media.read(sample.path)


@pytest.fixture(scope="module")
def talk() -> speech.Recording:
    """Four sentences with odd names and long pauses."""
    return speech.speak(SENTENCES, (0.5, 4.0, 1.0, 6.0))


def decode_one(engine: FasterWhisper, samples: Samples, **options: Any) -> WindowResult:
    (result,) = engine.decode([window(samples, **options)])
    return result


def test_the_sample_is_written_down_word_for_word(base: FasterWhisper, voice: Samples, sample: Sample) -> None:
    """As by tiny.en, in test_engines.py: the README's first answer depends on it."""
    result = decode_one(base, voice, language="en")
    assert normalised(result.text) == normalised(sample.text)
    assert -1.0 < result.avg_logprob < 0
    assert 0 <= result.no_speech_prob < 0.6
    assert 0.5 < result.compression_ratio < 2.4
    assert result.temperature == 0.0
    assert (result.words, result.word_tokens) == ((), ())


def assert_alike(one: WindowResult, other: WindowResult) -> None:
    assert (one.text, one.tokens, one.language) == (other.text, other.tokens, other.language)
    assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-3)
    assert one.no_speech_prob == pytest.approx(other.no_speech_prob, abs=1e-3)
    assert [word.text for word in one.words] == [word.text for word in other.words]
    for word, twin in zip(one.words, other.words, strict=True):
        assert word.start == pytest.approx(twin.start, abs=0.05)


def test_a_short_window_is_encoded_shorter_with_the_same_words_at_the_same_times(
    base: FasterWhisper, voice: Samples, talk: speech.Recording
) -> None:
    """Takes over 10 s: six windows through real weights."""
    apart: list[float] = []
    for samples in (voice, said(talk, 0), said(talk, 3)):
        short, full = (
            decode_one(base, samples, language="en", words=True, full_padding=padding) for padding in (False, True)
        )
        assert (short.is_shortened, full.is_shortened) == (True, False)
        assert normalised(short.text) == normalised(full.text)
        apart += [abs(word.start - twin.start) for word, twin in zip(short.words, full.words, strict=True)]
    assert max(apart) < 0.5, (
        "seconds: whether a word begins before or after a breath is a close call on some processors"
    )
    assert sum(seconds < 0.1 for seconds in apart) >= 0.95 * len(apart)


def test_windows_of_one_pass_are_encoded_as_long_as_the_longest_needs(tiny: FasterWhisper, voice: Samples) -> None:
    long = np.concatenate([voice, voice, voice[: 5 * SAMPLE_RATE]])
    together = tiny.decode([window(voice), window(long)])
    assert [result.is_shortened for result in together] == [False, False]
    assert [decode_one(tiny, samples).is_shortened for samples in (voice, long)] == [True, False]


@pytest.mark.slow
def test_windows_of_different_languages_and_tasks_are_aligned_in_one_call(
    base: FasterWhisper, voice: Samples, talk: speech.Recording
) -> None:
    """Slow: real weights for six windows."""
    windows = [
        window(voice, language="en", words=True),
        window(said(talk, 0), language="de", words=True),
        window(said(talk, 1), language="en", words=False),
        window(said(talk, 3), task="translate", words=True),
    ]
    results = base.decode(windows)
    assert [result.language for result in results] == ["en", "de", "en", "en"]
    assert [bool(result.words) for result in results] == [True, True, False, True]
    assert_alike(results[1], base.decode([windows[1]])[0])
    assert_alike(results[3], base.decode([windows[3]])[0])


def test_prompts_of_one_length_may_share_a_pass_and_others_not(tiny: FasterWhisper) -> None:
    def key(**options: Any) -> object:
        return tiny.batch_key(window(np.zeros(0, np.float32), **options))

    assert key(prompt="red") == key(prompt="blue") == key(hotwords="green")
    assert len({key(), key(prompt="red"), key(prompt="red and blue")}) == 3
    assert key(prompt="  ") == key(hotwords="") == key()
    assert key(language="de", task="translate", words=True) == key()
    assert key(temperature=0.2) != key()
    long = tiny.batch_key(window(np.zeros(20 * SAMPLE_RATE, np.float32)))
    assert long != key(), "padded to one length, they would be heard otherwise together than alone"


def test_windows_with_different_prompts_of_one_length_do_not_mix_them_up(
    tiny: FasterWhisper, talk: speech.Recording
) -> None:
    names = said(talk, 2)
    prompts = ("Kaitlynn", "Caitlyn", "Kaitlin")
    windows = [window(names, prompt=prompt) for prompt in prompts]
    sharing = [one for one in windows if tiny.batch_key(one) == tiny.batch_key(windows[0])]
    assert len(sharing) >= 2, "the test wants names of as many tokens"
    for together, alone in zip(tiny.decode(sharing), (tiny.decode([one])[0] for one in sharing), strict=True):
        assert_alike(together, alone)


def test_windows_of_other_keys_are_what_the_library_refuses(tiny: FasterWhisper, voice: Samples) -> None:
    with pytest.raises(ValueError, match="same position in all batches"):
        tiny.decode([window(voice, prompt="red"), window(voice, prompt="red and blue")])


def test_a_prompt_longer_than_whisper_takes_is_cut(tiny: FasterWhisper, voice: Samples) -> None:
    long = "A meeting about customers in London. " * 100
    keys = [tiny.batch_key(window(voice, prompt=long)), tiny.batch_key(window(voice, hotwords=long))]
    assert keys[0] == keys[1] == (1 + MAX_PROMPT_TOKENS, 0.0, 1500)


@pytest.mark.slow
def test_lanes_decode_at_once_without_disturbing_each_other(
    tiny: FasterWhisper, voice: Samples, talk: speech.Recording
) -> None:
    """Slow: test_engines.py has recordings at once."""
    windows = [window(samples, words=True) for samples in (voice, said(talk, 0), said(talk, 3))]
    alone = [tiny.decode([one])[0] for one in windows]
    at_once: dict[int, WindowResult] = {}

    def work(number: int) -> None:
        (at_once[number],) = tiny.decode([windows[number]])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(windows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for number, result in enumerate(alone):
        assert_alike(at_once[number], result)


@pytest.fixture(scope="module")
def batcher(tiny_en_model: Path) -> Iterator[Batcher]:
    started = Batcher(FasterWhisper(EngineOptions(model=str(tiny_en_model), device="cpu")))
    started.start()
    yield started
    started.close()


def transcribe(batcher: Batcher, path: Path) -> Transcript:
    transcription = Transcription(batcher, path, DecodeOptions(words=True), "batch", 3600)
    list(transcription)
    return transcription.transcript()


def test_a_segment_has_its_own_times_and_numbers(batcher: Batcher, talk: speech.Recording, tmp_path: Path) -> None:
    """Takes over 10 s: a minute of speech through real weights."""
    samples = np.concatenate([talk.samples, np.zeros(SAMPLE_RATE, np.float32)] * 3)  # two windows
    segments = transcribe(batcher, media.write(tmp_path / "talk.flac", samples)).segments
    for segment, sentence in zip(segments, talk.sentences, strict=False):  # the first time it is said
        assert segment.start == pytest.approx(sentence.start, abs=0.3)
        assert segment.end == pytest.approx(sentence.end, abs=0.3)
    assert len({segment.seek for segment in segments}) >= 2
    assert len({segment.avg_logprob for segment in segments}) >= 2
    assert len({segment.no_speech_prob for segment in segments}) >= 2
    assert len({segment.compression_ratio for segment in segments}) >= 4
    assert len({segment.tokens for segment in segments}) >= 4


@pytest.mark.parametrize("device", ["metal", "cuda:x", "gpu", "", "cpu0"])
def test_a_device_it_cannot_run_on_is_refused(device: str) -> None:
    with pytest.raises(EngineUnavailable, match="auto, cpu, cuda"):
        FasterWhisper(EngineOptions(device=device))


@pytest.mark.skipif(ctranslate2.get_cuda_device_count() > 0, reason="this machine has a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_without_a_gpu_it_says_what_to_set(device: str) -> None:
    with pytest.raises(EngineUnavailable) as raised:
        FasterWhisper(EngineOptions(device=device))
    assert "WHISPER_DEVICE=cpu" in with_remedy(raised.value)


def test_a_number_format_the_device_lacks_lists_those_it_has() -> None:
    with pytest.raises(EngineUnavailable, match="float32"):
        FasterWhisper(EngineOptions(device="cpu", compute_type="float4"))


def test_lanes_batches_and_threads_are_the_operators_if_he_says_so() -> None:
    engine = FasterWhisper(EngineOptions(device="cpu", lanes=3, max_batch=5))
    assert (engine.lanes, engine.max_batch) == (3, 5)
    assert replace(EngineOptions(), device="cpu").lanes is None
    by_itself = FasterWhisper(EngineOptions(device="cpu"))
    assert (by_itself.max_batch, by_itself.window_seconds) == (1, 30.0)
    assert FasterWhisper(EngineOptions(device="cpu", window_seconds=18.0)).window_seconds == 18.0
