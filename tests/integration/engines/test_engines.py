"""What every engine promises, on real weights. Runs for each engine that is installed: faster-whisper alone in the
usual environment, all of them by `make test-engines`."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.base import SAMPLE_RATE, DecodeOptions, Engine, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.quality import Ladder
from engines.decoding.transcriber import Transcription
from engines.errors import Canceled, EngineUnavailable, ModelNotFound
from engines.registry import LIBRARIES, EngineOptions, create_engine, is_installed
from engines.transcript import Transcript
from tests import media, speech
from tests.accuracy import normalised, sentence_starts, word_error_rate
from tests.conftest import ROOT, Sample
from tests.weights import converted, random_model
from tests.windows import SENTENCES, Samples, said, window

ALIAS = "lightning-whisper-mlx"  # the same engine under another name
INSTALLED = [name for name in LIBRARIES if is_installed(name) and name != ALIAS]
SLOW = "mlx-whisper"  # on a CPU: 12 s a window with real weights, so random ones do where words do not matter
DEADLINE = 60.0


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name == SLOW else ()) for name in INSTALLED],
)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def made(name: str, weights: Path, **options: Any) -> Engine:
    return create_engine(name, EngineOptions(model=str(weights), device="cpu", **options))


def loaded(name: str, weights: Path, **options: Any) -> Iterator[Engine]:
    engine = made(name, weights, **options)
    engine.load()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def tiny_weights(name: str, tiny_en_model: Path) -> Path:
    return converted(name, tiny_en_model, "tiny.en")


@pytest.fixture(scope="module")
def quick_weights(name: str, tiny_en_model: Path, tiny_weights: Path) -> Path:
    """Weights for what holds whatever is said."""
    return random_model(name, tiny_en_model) if name == SLOW else tiny_weights


@pytest.fixture(scope="module")
def tiny(name: str, tiny_weights: Path) -> Iterator[Engine]:
    yield from loaded(name, tiny_weights)


@pytest.fixture(scope="module")
def quick(name: str, quick_weights: Path) -> Iterator[Engine]:
    yield from loaded(name, quick_weights, beam_size=1)  # as good as five where only the shape of an answer counts


@pytest.fixture(scope="module")
def base(name: str, base_model: Path) -> Iterator[Engine]:
    if name == SLOW:
        pytest.skip("a window of base takes mlx over a minute on a CPU")
    yield from loaded(name, converted(name, base_model, "base"), beam_size=1)


@pytest.fixture(scope="module")
def voice(sample: Sample) -> Samples:
    return media.read(sample.path)


@pytest.fixture(scope="module")
def talk() -> speech.Recording:
    return speech.speak(SENTENCES, (0.5, 2.0, 1.0, 3.0))


def one(engine: Engine, samples: Samples, **options: Any) -> WindowResult:
    (result,) = engine.decode([window(samples, **options)])
    return result


def assert_alike(one: WindowResult, other: WindowResult) -> None:
    assert (one.text, one.tokens, one.language) == (other.text, other.tokens, other.language)
    assert one.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-2)
    assert one.no_speech_prob == pytest.approx(other.no_speech_prob, abs=1e-2)
    assert [word.text for word in one.words] == [word.text for word in other.words]
    for word, twin in zip(one.words, other.words, strict=True):
        assert word.start == pytest.approx(twin.start, abs=0.05)


def test_the_sample_is_written_down_word_for_word(tiny: Engine, voice: Samples, sample: Sample) -> None:
    result = one(tiny, voice, language="en")
    assert normalised(result.text) == normalised(sample.text)
    assert -1.0 < result.avg_logprob < 0
    assert 0 <= result.no_speech_prob < 0.6
    assert 0.5 < result.compression_ratio < 2.4
    assert (result.temperature, result.language, result.language_probability) == (0.0, "en", 1.0)
    assert (result.words, result.word_tokens) == ((), ())


def test_a_batch_with_words_gives_each_window_its_own(tiny: Engine, voice: Samples, talk: speech.Recording) -> None:
    """Two windows of different lengths in one pass, and the times of both."""
    first, second = tiny.decode([window(voice, words=True), window(said(talk, 0), words=True)])
    assert normalised(second.text) == normalised(SENTENCES[0])
    assert normalised(first.text).startswith("good morning")
    for result, samples in ((first, voice), (second, said(talk, 0))):
        assert "".join(word.text for word in result.words) == result.text
        assert tuple(token for tokens in result.word_tokens for token in tokens) == result.tokens
        assert len(result.words) == len(result.text.split())
        edges = [edge for word in result.words for edge in (word.start, word.end)]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] <= len(samples) / SAMPLE_RATE
        assert {type(value) for word in result.words for value in (word.start, word.probability)} == {float}
        assert all(0 <= word.probability <= 1 for word in result.words)
    assert second.words[-1].start == pytest.approx(talk.sentences[0].end - talk.sentences[0].start, abs=0.6)


def test_each_token_has_its_log_probability_if_it_is_wanted(tiny: Engine, talk: speech.Recording) -> None:
    """Of two windows in a pass, of which one wants them."""
    first, second = tiny.decode([window(said(talk, 2), words=True, logprobs=True), window(said(talk, 0), words=True)])
    assert bytes(byte for each in first.logprobs for byte in each.bytes).decode() == first.text
    assert len(first.logprobs) == len(first.tokens)
    assert all(-20 < each.logprob <= 0 for each in first.logprobs)
    # avg_logprob counts the end of the text too, and beam search adds nothing to a token's own probability
    assert sum(each.logprob for each in first.logprobs) / len(first.tokens) == pytest.approx(first.avg_logprob, abs=0.3)
    assert second.logprobs == ()


def test_a_batch_gives_what_its_windows_give_alone(quick: Engine, voice: Samples, talk: speech.Recording) -> None:
    windows = [
        window(voice, words=True),
        window(said(talk, 0)),
        window(said(talk, 1), words=True),
        window(np.zeros(SAMPLE_RATE, np.float32), words=True),
    ]
    for together, alone in zip(quick.decode(windows), (quick.decode([each])[0] for each in windows), strict=True):
        assert bool(together.words) == bool(alone.words)
        assert_alike(together, dataclasses.replace(alone, is_shortened=together.is_shortened))


def test_the_language_is_found_or_taken_as_it_is_told(base: Engine, voice: Samples) -> None:
    """Five passes, and openai-whisper takes seconds for each."""
    begin = voice[: 5 * SAMPLE_RATE]
    heard = one(base, begin)
    assert heard.language == "en"
    assert heard.language_probability > 0.8
    among = one(base, begin, languages=("de", "fr"))
    assert among.language in ("de", "fr")
    assert among.language_probability < 0.2
    assert one(base, begin, languages=("de", "en")).language == "en"
    told = one(base, begin, language="de")
    assert (told.language, told.language_probability) == ("de", 1.0)
    assert heard.text == one(base, begin, language="en").text


def test_finding_the_language_is_not_disturbed_by_the_window_before(
    base: Engine, voice: Samples, talk: speech.Recording
) -> None:
    """Whole windows of 30 s with speech in the first five: the language is heard in all, and little is decoded."""
    long = np.pad(voice[: 5 * SAMPLE_RATE], (0, 25 * SAMPLE_RATE))
    alone = one(base, long).language_probability
    one(base, said(talk, 0))
    assert one(base, long).language_probability == pytest.approx(alone, abs=1e-3)


def test_a_translation_into_english_is_english(base: Engine, voice: Samples, sample: Sample) -> None:
    result = one(base, voice, task="translate", words=True)
    assert word_error_rate(sample.text, result.text) < 0.3
    assert result.words


def test_a_model_for_english_hears_english_and_does_not_translate(quick: Engine, voice: Samples) -> None:
    asked: list[dict[str, Any]] = [{}, {"language": "de"}, {"task": "translate"}]
    results = [one(quick, voice, **options) for options in asked]
    assert {(result.language, result.language_probability) for result in results} == {("en", 1.0)}
    assert len({result.text for result in results}) == 1


@pytest.mark.parametrize("option", ["prompt", "hotwords"])
def test_a_prompt_and_hotwords_settle_how_a_name_is_spelled(
    name: str, option: str, talk: speech.Recording, request: pytest.FixtureRequest
) -> None:
    if name == SLOW and option == "hotwords":
        pytest.skip("12 s a window; for this engine they are part of the prompt")
    engine = request.getfixturevalue("tiny")
    names = said(talk, 2)
    if name != SLOW:
        assert "Zephyrex" not in one(engine, names, language="en").text
    told = one(engine, names, language="en", **{option: "Kaitlynn, Zephyrex"}).text
    assert "The Zephyrex server belongs to" in told


def test_a_prompt_longer_than_whisper_takes_is_cut(quick: Engine, voice: Samples) -> None:
    long = "A meeting about customers in London. " * 100
    assert one(quick, voice, prompt=long, hotwords="Anna").tokens is not None
    assert quick.batch_key(window(voice, prompt=long)) == quick.batch_key(window(voice, prompt=long, hotwords="Anna"))


def test_above_temperature_zero_it_samples(quick: Engine, voice: Samples) -> None:
    unclear = voice + speech.noise(len(voice) / SAMPLE_RATE, 0.1)
    results = [one(quick, unclear, temperature=1.0)]
    while len(results) < 20 and len({result.text for result in results}) == 1:
        results.append(one(quick, unclear, temperature=1.0))
    assert len({result.text for result in results}) > 1
    assert {result.temperature for result in results} == {1.0}
    assert len({one(quick, unclear).text for _ in range(2)}) == 1


@pytest.mark.parametrize("length", [0, 1, 160, 1600, 30 * SAMPLE_RATE])
def test_the_shortest_and_the_longest_windows_are_decoded(quick: Engine, talk: speech.Recording, length: int) -> None:
    samples = np.resize(talk.samples, length).astype(np.float32)
    result = one(quick, samples, words=True)
    assert all(0 <= word.start <= word.end <= length / SAMPLE_RATE for word in result.words)


def test_what_was_heard_before_is_not_heard_again(tiny: Engine, name: str, voice: Samples) -> None:
    if name == SLOW:
        pytest.skip("12 s a window; its decoder keeps nothing")
    one(tiny, voice, words=True)
    for nothing in (np.zeros(0, np.float32), np.zeros(5 * SAMPLE_RATE, np.float32)):
        assert len(one(tiny, nothing).text.split()) <= 2  # Whisper's "you" on silence, at the most


def test_an_array_that_is_not_contiguous_is_read_right(tiny: Engine, name: str, voice: Samples) -> None:
    if name == SLOW:
        pytest.skip("12 s a window; its features are made by numpy")
    twice = np.repeat(voice, 2)
    assert not twice[::2].flags.c_contiguous
    assert_alike(one(tiny, twice[::2]), one(tiny, voice))


def test_what_one_pass_was_told_does_not_stick(quick: Engine, voice: Samples, talk: speech.Recording) -> None:
    before = one(quick, voice, language="en")
    one(quick, said(talk, 2), temperature=0.8, prompt="Kaitlynn", words=True, full_padding=True)
    assert_alike(one(quick, voice, language="en"), before)


def test_a_window_that_nobody_wants_any_more_is_left_in_its_midst(quick: Engine, voice: Samples) -> None:
    asked = 0

    def is_canceled() -> bool:
        nonlocal asked
        asked += 1
        return asked > (0 if quick.name == "faster-whisper" else 1)  # which asks but once

    full = dataclasses.replace(window(np.tile(voice, 2)), is_canceled=is_canceled)
    with pytest.raises(Canceled):
        quick.decode([full])
    assert one(quick, voice).tokens is not None, "it goes on with others"


def test_a_pass_goes_on_while_somebody_wants_one_of_its_windows(quick: Engine, voice: Samples) -> None:
    wanted = window(voice)
    unwanted = dataclasses.replace(wanted, is_canceled=lambda: True)
    assert quick.decode([unwanted, wanted])[1].tokens == quick.decode([wanted])[0].tokens


@pytest.fixture
def batcher(name: str, quick_weights: Path) -> Iterator[Batcher]:
    started = Batcher(made(name, quick_weights), Ladder(temperatures=(0.0,)))  # what is said does not matter
    started.start()
    yield started
    started.close()


def transcribe(batcher: Batcher, path: Path, **options: Any) -> Transcript:
    transcription = Transcription(batcher, path, DecodeOptions(**options), "batch", 3600)
    list(transcription)
    return transcription.transcript()


def test_recordings_at_once_do_not_disturb_each_other(batcher: Batcher, talk: speech.Recording, tmp_path: Path) -> None:
    """Four threads ask; the engine is called on its own lanes' threads, as it wants to be."""
    paths = [media.write(tmp_path / f"{at}.flac", said(talk, at)) for at in range(4)]
    alone = [transcribe(batcher, path, words=True).text for path in paths]
    at_once: dict[int, str] = {}

    def work(at: int) -> None:
        at_once[at] = transcribe(batcher, paths[at], words=True).text

    threads = [threading.Thread(target=work, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert [at_once[at] for at in range(4)] == alone


NOBODY = {
    "silence": speech.silence(10),
    "a tune": speech.tone(20),
    "noise": speech.noise(10),
    "faint noise": speech.noise(20, 0.003),
    "clicks": np.where(np.arange(20 * SAMPLE_RATE) % 9000 == 0, 0.9, 0).astype(np.float32),
}


def test_where_nobody_speaks_there_is_no_text(batcher: Batcher, tmp_path: Path) -> None:
    for kind, samples in NOBODY.items():
        transcript = transcribe(batcher, media.write(tmp_path / f"{kind}.flac", samples))
        assert (transcript.text, transcript.segments) == ("", ()), kind
        assert transcript.duration == pytest.approx(len(samples) / SAMPLE_RATE)


def test_sentences_are_found_at_their_times(
    name: str, tiny_weights: Path, talk: speech.Recording, tmp_path: Path
) -> None:
    """One window, through voice activity and all."""
    batcher = Batcher(made(name, tiny_weights))
    batcher.start()
    try:
        transcript = transcribe(batcher, media.write(tmp_path / "talk.flac", talk.samples), words=True)
    finally:
        batcher.close()
    assert word_error_rate(talk.text, transcript.text) < 0.2
    assert sentence_starts(talk.sentences, [(word.text, word.start) for word in transcript.words]) == 1.0
    starts = [segment.start for segment in transcript.segments]
    assert starts == sorted(starts)
    for segment in transcript.segments:
        assert all(segment.start <= word.start <= word.end <= segment.end for word in segment.words)


def test_a_canceled_recording_frees_the_model(batcher: Batcher, talk: speech.Recording, tmp_path: Path) -> None:
    transcription = Transcription(
        batcher, media.write(tmp_path / "long.flac", np.tile(talk.samples, 12)), DecodeOptions(), "batch", 3600
    )
    threading.Timer(0.3, transcription.cancel).start()
    with pytest.raises(Canceled):
        list(transcription)
    started = time.monotonic()
    transcribe(batcher, media.write(tmp_path / "short.flac", said(talk, 0)))
    assert time.monotonic() - started < DEADLINE / 2


def test_a_closed_engine_says_so_and_can_be_loaded_again(name: str, quick_weights: Path, voice: Samples) -> None:
    engine = made(name, quick_weights)
    engine.close()
    with pytest.raises(EngineUnavailable, match="not loaded"):
        one(engine, voice)
    engine.load()
    before = one(engine, voice)
    engine.close()
    with pytest.raises(EngineUnavailable, match="not loaded"):
        one(engine, voice)
    engine.load()
    assert_alike(one(engine, voice), before)
    engine.close()


_LOADED_AND_CLOSED = """
import gc, sys
from pathlib import Path
import psutil
from engines.registry import EngineOptions, create_engine

def megabytes():
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6

sizes = []
for _ in range(5):
    engine = create_engine(sys.argv[1], EngineOptions(model=sys.argv[2], device="cpu"))
    engine.load()
    engine.close()
    del engine
    sizes.append(megabytes())
print(sizes[-1] - sizes[1])
"""


def test_a_closed_engine_gives_its_memory_back(name: str, tiny_weights: Path, quick_weights: Path) -> None:
    """Loaded and closed three times more, a process does not grow by a model each time (75 MB at the least). One may
    stay with the allocator, which comes and goes."""
    weights = quick_weights if name == SLOW else tiny_weights
    command = [sys.executable, "-c", _LOADED_AND_CLOSED, name, str(weights)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert float(ended.stdout) < 2 * 75


def half_a_model(name: str, weights: Path, target: Path) -> Path:
    """The weights as a download leaves them that was cut off."""
    if weights.is_file():
        target.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
        return target
    target.mkdir()
    for path in weights.iterdir():
        data = path.read_bytes()
        is_weights = path.suffix in (".bin", ".npz", ".safetensors")
        (target / path.name).write_bytes(data[: len(data) // 2] if is_weights else data)
    return target


def test_weights_that_were_cut_off_are_refused(name: str, quick_weights: Path, tmp_path: Path) -> None:
    half = half_a_model(name, quick_weights, tmp_path / f"half{quick_weights.suffix}")
    with pytest.raises(ModelNotFound, match=half.stem):
        made(name, half).load()


@pytest.mark.parametrize("kind", ["garbage", "empty", "missing", "directory"])
def test_what_is_no_model_is_refused(name: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    if kind == "directory":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(b"" if kind == "empty" else bytes(range(256)) * 1000)
    with pytest.raises(ModelNotFound, match=r"model\.bin"):
        made(name, path).load()


def test_weights_of_another_engine_are_refused(name: str, tiny_en_model: Path, tmp_path: Path) -> None:
    foreign = (
        converted("whisper-cpp", tiny_en_model, "tiny.en") if name != "whisper-cpp" else tiny_en_model / "model.bin"
    )
    with pytest.raises(ModelNotFound) as raised:
        made(name, foreign).load()
    assert foreign.name in str(raised.value)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "cpu0"])
def test_a_device_it_cannot_run_on_is_refused(name: str, device: str) -> None:
    with pytest.raises(EngineUnavailable, match="auto"):
        create_engine(name, EngineOptions(device=device))


def test_a_number_format_it_cannot_compute_in_is_refused(name: str) -> None:
    with pytest.raises(EngineUnavailable, match="float4"):
        create_engine(name, EngineOptions(device="cpu", compute_type="float4"))
