"""The engine on real weights: right words and times, whatever shares a pass, and no words where nobody speaks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import pytest
from numpy.typing import NDArray

from engines.backends.faster_whisper import MAX_PROMPT_TOKENS, FasterWhisper
from engines.base import SAMPLE_RATE, DecodeOptions, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.transcriber import Transcription
from engines.errors import EngineUnavailable, ModelNotFound
from engines.registry import EngineOptions
from engines.transcript import Transcript
from tests import media, speech
from tests.accuracy import normalised, sentence_starts, word_error_rate
from tests.conftest import Sample
from tests.windows import said, window
from worker.models.remedies import with_remedy

Samples = NDArray[np.float32]


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
    sentences = (
        "The first train leaves at seven.",
        "Nobody was waiting on the platform.",
        "The Zephyrex server belongs to Kaitlynn.",
        "We walked home along the river because the weather was fine.",
    )
    return speech.speak(sentences, (0.5, 4.0, 1.0, 6.0))


def decode_one(engine: FasterWhisper, samples: Samples, **options: Any) -> WindowResult:
    (result,) = engine.decode([window(samples, **options)])
    return result


@pytest.mark.parametrize("name", ["tiny", "base"])
def test_the_sample_is_written_down_word_for_word(
    name: str, voice: Samples, sample: Sample, request: pytest.FixtureRequest
) -> None:
    result = decode_one(request.getfixturevalue(name), voice, language="en")
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


def test_a_batch_gives_what_its_windows_give_alone(tiny: FasterWhisper, voice: Samples, talk: speech.Recording) -> None:
    windows = [
        window(voice, words=True),
        window(said(talk, 0), words=False),
        window(said(talk, 1), words=True),
        window(np.zeros(SAMPLE_RATE, np.float32), words=True),
    ]
    for together, alone in zip(tiny.decode(windows), (tiny.decode([one])[0] for one in windows), strict=True):
        assert_alike(together, alone)


def test_words_are_the_text_with_times_inside_the_window(tiny: FasterWhisper, voice: Samples, sample: Sample) -> None:
    result = decode_one(tiny, voice, words=True)
    assert "".join(word.text for word in result.words) == result.text
    assert tuple(token for tokens in result.word_tokens for token in tokens) == result.tokens
    assert len(result.words) == len(sample.text.split())
    edges = [edge for word in result.words for edge in (word.start, word.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= len(voice) / SAMPLE_RATE
    for word in result.words:
        assert {type(word.start), type(word.end), type(word.probability)} == {float}
        assert 0 <= word.probability <= 1
        assert word.end - word.start < 2


def test_a_short_window_is_encoded_shorter_with_the_same_words_at_the_same_times(
    base: FasterWhisper, voice: Samples, talk: speech.Recording
) -> None:
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


def test_a_full_window_and_a_very_short_one_are_decoded(tiny: FasterWhisper) -> None:
    talk = speech.recording(1.25)  # which others need too
    full, short = talk.samples[: 30 * SAMPLE_RATE], talk.samples[SAMPLE_RATE : SAMPLE_RATE + 1600]
    long, brief = tiny.decode([window(full, words=True), window(short, words=True)])
    said_by_then = " ".join(row.text for row in talk.sentences if row.end < 30)
    assert word_error_rate(said_by_then, long.text) < 0.2
    assert all(word.end <= 30.0 for word in long.words)
    assert all(word.end <= 0.1 for word in brief.words)


def test_the_language_is_found_in_the_same_pass(base: FasterWhisper, voice: Samples) -> None:
    result = decode_one(base, voice)
    assert result.language == "en"
    assert result.language_probability > 0.8
    assert result.text == decode_one(base, voice, language="en").text


def test_the_language_is_looked_for_among_the_candidates(base: FasterWhisper, voice: Samples) -> None:
    result = decode_one(base, voice, languages=("de", "fr"))
    assert result.language in ("de", "fr")
    assert result.language_probability < 0.2
    assert decode_one(base, voice, languages=("de", "en")).language == "en"


def test_a_language_asked_for_is_not_questioned(base: FasterWhisper, voice: Samples) -> None:
    result = decode_one(base, voice, language="de")
    assert (result.language, result.language_probability) == ("de", 1.0)


@pytest.mark.parametrize("language", [None, "en", "de"])
def test_a_model_for_english_hears_english(tiny: FasterWhisper, voice: Samples, language: str | None) -> None:
    result = decode_one(tiny, voice, language=language)
    assert (result.language, result.language_probability) == ("en", 1.0)


def test_a_translation_into_english_is_english(base: FasterWhisper, voice: Samples, sample: Sample) -> None:
    result = decode_one(base, voice, task="translate", words=True)
    assert word_error_rate(sample.text, result.text) < 0.3
    assert result.words


def test_windows_of_different_languages_and_tasks_are_aligned_in_one_call(
    base: FasterWhisper, voice: Samples, talk: speech.Recording
) -> None:
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


@pytest.mark.parametrize("name", ["tiny", "base"])
@pytest.mark.parametrize("option", ["prompt", "hotwords"])
def test_a_prompt_and_hotwords_settle_how_a_name_is_spelled(
    name: str, option: str, talk: speech.Recording, request: pytest.FixtureRequest
) -> None:
    engine = request.getfixturevalue(name)
    names = said(talk, 2)
    assert "Kaitlynn" not in decode_one(engine, names, language="en").text
    told = decode_one(engine, names, language="en", **{option: "Kaitlynn, Zephyrex"}).text
    assert "Zephyrex server belongs to Kaitlynn" in told


def test_prompts_of_one_length_may_share_a_pass_and_others_not(tiny: FasterWhisper) -> None:
    def key(**options: Any) -> object:
        return tiny.batch_key(window(np.zeros(0, np.float32), **options))

    assert key(prompt="red") == key(prompt="blue") == key(hotwords="green")
    assert len({key(), key(prompt="red"), key(prompt="red and blue")}) == 3
    assert key(prompt="  ") == key(hotwords="") == key()
    assert key(language="de", task="translate", words=True) == key()
    assert key(temperature=0.2) != key()


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


def test_a_prompt_longer_than_whisper_takes_is_cut(tiny: FasterWhisper, voice: Samples, sample: Sample) -> None:
    long = "A meeting about customers in London. " * 100
    assert decode_one(tiny, voice, prompt=long, hotwords="Anna").text.strip()
    keys = [tiny.batch_key(window(voice, prompt=long)), tiny.batch_key(window(voice, hotwords=long))]
    assert keys[0] == keys[1] == (1 + MAX_PROMPT_TOKENS, 0.0)


def test_above_temperature_zero_it_samples(tiny: FasterWhisper, voice: Samples) -> None:
    unclear = voice + speech.noise(len(voice) / SAMPLE_RATE, 0.1)
    results = tiny.decode([window(unclear, temperature=1.0)] * 12)
    assert len({result.text for result in results}) > 1
    assert {result.temperature for result in results} == {1.0}
    assert len({result.text for result in tiny.decode([window(unclear)] * 2)}) == 1


def test_lanes_decode_at_once_without_disturbing_each_other(
    tiny: FasterWhisper, voice: Samples, talk: speech.Recording
) -> None:
    windows = [window(voice, words=True), window(said(talk, 0), words=True), window(said(talk, 3), words=True)]
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


NOBODY = {
    "silence": speech.silence(30),
    "a tune": speech.tone(20),
    "noise": speech.noise(20),
    "faint noise": speech.noise(20, 0.003),
    "clicks": np.where(np.arange(20 * SAMPLE_RATE) % 9000 == 0, 0.9, 0).astype(np.float32),
}


@pytest.mark.parametrize("kind", NOBODY)
def test_where_nobody_speaks_there_is_no_text(batcher: Batcher, kind: str, tmp_path: Path) -> None:
    transcript = transcribe(batcher, media.write(tmp_path / "nobody.flac", NOBODY[kind]))
    assert (transcript.text, transcript.segments) == ("", ())
    assert transcript.duration == pytest.approx(len(NOBODY[kind]) / SAMPLE_RATE)


def test_sentences_are_found_at_their_times(batcher: Batcher, talk: speech.Recording, tmp_path: Path) -> None:
    transcript = transcribe(batcher, media.write(tmp_path / "talk.flac", talk.samples))
    assert word_error_rate(talk.text, transcript.text) < 0.2
    assert sentence_starts(talk.sentences, [(word.text, word.start) for word in transcript.words]) == 1.0
    for segment, sentence in zip(transcript.segments, talk.sentences, strict=True):
        assert segment.start == pytest.approx(sentence.start, abs=0.3)
        assert segment.end == pytest.approx(sentence.end, abs=0.3)


def test_the_numbers_of_a_segment_are_its_own(batcher: Batcher, talk: speech.Recording, tmp_path: Path) -> None:
    samples = np.concatenate([talk.samples, np.zeros(SAMPLE_RATE, np.float32)] * 3)  # two windows
    segments = transcribe(batcher, media.write(tmp_path / "talk.flac", samples)).segments
    assert len({segment.seek for segment in segments}) >= 2
    assert len({segment.avg_logprob for segment in segments}) >= 2
    assert len({segment.no_speech_prob for segment in segments}) >= 2
    assert len({segment.compression_ratio for segment in segments}) >= 4
    assert len({segment.tokens for segment in segments}) >= 4


def test_a_model_that_is_not_there_says_so(tmp_path: Path) -> None:
    engine = FasterWhisper(EngineOptions(model=str(tmp_path / "nothing"), device="cpu"))
    with pytest.raises(ModelNotFound, match="holds no CTranslate2 Whisper model"):
        engine.load()


def test_weights_that_are_damaged_fail_at_the_start(tiny_en_model: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_en_model / name).read_bytes())
    (tmp_path / "model.bin").write_bytes((tiny_en_model / "model.bin").read_bytes()[:1_000_000])
    with pytest.raises(ModelNotFound, match=rf"{tmp_path.name}.*If they are damaged"):
        FasterWhisper(EngineOptions(model=str(tmp_path), device="cpu")).load()


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
    assert FasterWhisper(EngineOptions(device="cpu")).max_batch == 1


def test_an_engine_that_is_not_loaded_says_so(tiny_en_model: Path, voice: Samples) -> None:
    engine = FasterWhisper(EngineOptions(model=str(tiny_en_model), device="cpu"))
    engine.close()
    with pytest.raises(EngineUnavailable, match="not loaded"):
        engine.decode([window(voice)])
