"""One recording through the whole line: segments in order, bounded memory, an end whenever it is asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import engines.audio.recordings.recording
import engines.decoding.schedule
from engines.backends.fake import FakeEngine
from engines.base import DecodeOptions, Listening, Window, WindowResult
from engines.decoding.batcher import Batcher
from engines.decoding.recording_language import VOTERS
from engines.decoding.schedule import Priority
from engines.decoding.transcriber import Progress, Transcription
from engines.decoding.window_queue import WindowStream
from engines.errors import AudioTooLong, Canceled, EmptyAudio
from engines.registry import EngineOptions
from tests import media, odd_media
from tests.conftest import Sample
from tests.unit.factories import DEADLINE, ScriptedEngine, loud_frames, make_result, make_window, wait_for, write_buzz

Transcribe = Callable[..., Transcription]


@pytest.fixture(autouse=True)
def quick_ears(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    if "sample" not in request.fixturenames:
        monkeypatch.setattr(engines.audio.recordings.recording, "speech_frames", loud_frames)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight times a pause of 2 s and 12 s of a buzz: four windows."""
    return write_buzz(tmp_path_factory.mktemp("talk") / "talk", pause=2, seconds=12, times=8)


@pytest.fixture(scope="module")
def long_talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight windows."""
    return write_buzz(tmp_path_factory.mktemp("talk") / "long", pause=2, seconds=27, times=8)


class WatchedBatcher(Batcher):
    """Knows how many windows were handed in and not answered."""

    most_waiting = 0

    def open(self, priority: Priority) -> WindowStream:
        stream = super().open(priority)
        submit, futures = stream.submit, []

        def watched(window: Window) -> Any:
            futures.append(submit(window))
            self.most_waiting = max(self.most_waiting, sum(not future.done() for future in futures))
            return futures[-1]

        stream.submit = watched  # type: ignore[method-assign]
        return stream


@pytest.fixture
def batchers() -> Iterator[Callable[[Any], WatchedBatcher]]:
    started: list[WatchedBatcher] = []

    def start(engine: Any) -> WatchedBatcher:
        started.append(WatchedBatcher(engine))
        started[-1].start()
        return started[-1]

    yield start
    for batcher in started:
        if isinstance(batcher.engine, ScriptedEngine):
            batcher.engine.gate.set()
        batcher.close()


Start = Callable[[Any], WatchedBatcher]


class RememberingEngine(FakeEngine):
    """passes: the windows of each decode call."""

    def __init__(self, options: EngineOptions) -> None:
        super().__init__(options)
        self.passes: list[list[Window]] = []

    def decode(self, windows: Sequence[Window]) -> list[WindowResult]:
        self.passes.append(list(windows))
        return super().decode(windows)


def fake(**options: Any) -> RememberingEngine:
    return RememberingEngine(EngineOptions(model="0", **options))


def begin(batcher: Batcher, path: Path, max_seconds: float = 1e6, **options: Any) -> Transcription:
    return Transcription(batcher, path, DecodeOptions(**options), "batch", max_seconds)


def test_every_window_comes_once_and_in_order(batchers: Start, talk: Path) -> None:
    engine = fake(lanes=2, max_batch=1)
    transcription = begin(batchers(engine), talk, words=True)
    progress = list(transcription)
    transcript = transcription.transcript()
    windows = {window.index: window for windows in engine.passes for window in windows}
    assert len(windows) >= 4
    said = [f"w{index}.{second}" for index in sorted(windows) for second in range(round(windows[index].seconds))]
    assert transcript.text.split() == said
    assert [segment for step in progress for segment in step.segments] == list(transcript.segments)
    assert [segment.id for segment in transcript.segments] == list(range(len(transcript.segments)))
    edges = [edge for segment in transcript.segments for edge in (segment.start, segment.end)]
    assert edges == sorted(edges)
    assert edges[-1] <= transcript.duration


def test_progress_grows_to_the_whole(batchers: Start, talk: Path) -> None:
    steps = list(begin(batchers(fake()), talk))
    processed = [step.processed for step in steps]
    assert processed == sorted(processed)
    assert len(set(processed)) >= 4
    assert {step.total for step in steps} == {processed[-1]} == {8 * 14.0}


def test_results_are_taken_in_order_though_lanes_finish_as_they_like(batchers: Start, talk: Path) -> None:
    second_done = threading.Event()

    def hear(window: Window) -> WindowResult:
        if window.index == 0:
            assert second_done.wait(DEADLINE)
        elif window.index == 1:
            second_done.set()
        return make_result(f" {window.index}")

    transcription = begin(batchers(ScriptedEngine(hear, lanes=2, max_batch=1)), talk, language="en")
    list(transcription)
    texts = transcription.transcript().text.split()
    assert texts == sorted(texts)


def test_what_is_told_of_the_whole(batchers: Start, talk: Path) -> None:
    transcription = begin(batchers(fake()), talk, task="translate")
    list(transcription)
    transcript = transcription.transcript()
    assert (transcript.task, transcript.model, transcript.engine) == ("translate", "0", "fake")
    assert transcript.duration == 8 * 14.0
    assert transcript.warnings == ()


@pytest.mark.parametrize("words", [True, False])
def test_segments_have_words_where_times_are_wanted(batchers: Start, talk: Path, words: bool) -> None:
    transcription = begin(batchers(fake()), talk, words=words)
    list(transcription)
    assert all(bool(segment.words) == words for segment in transcription.transcript().segments)


def languages(engine: ScriptedEngine) -> dict[int, list[str | None]]:
    """What language each window was asked for in, each time it was decoded."""
    asked: dict[int, list[str | None]] = {}
    for windows in engine.passes:
        for window in windows:
            asked.setdefault(window.index, []).append(window.options.language)
    return asked


def speaks(*heard: tuple[str, float]) -> Callable[[Window], WindowResult]:
    """What is heard in each window, the last from there on; a language asked for is a language found."""

    def hear(window: Window) -> WindowResult:
        language, probability = heard[min(window.index, len(heard) - 1)]
        if window.options.language:
            language, probability = window.options.language, 1.0
        return make_result(f" {window.index}{language}", language=language, language_probability=probability)

    return hear


def told(steps: list[Progress]) -> list[str]:
    return [segment.text for step in steps for segment in step.segments]


def test_a_language_heard_for_sure_is_used_from_then_on(batchers: Start, long_talk: Path) -> None:
    engine = ScriptedEngine(speaks(("de", 0.8)), max_batch=1)
    transcription = begin(batchers(engine), long_talk)
    list(transcription)
    asked = languages(engine)
    assert (asked[0], asked[len(asked) - 1]) == ([None], ["de"])
    assert (transcription.transcript().language, transcription.transcript().language_probability) == ("de", 0.8)


def test_unsure_windows_vote_and_those_in_another_language_are_decoded_again(batchers: Start, long_talk: Path) -> None:
    engine = ScriptedEngine(speaks(("nn", 0.4), ("no", 0.3), ("no", 0.3), ("sv", 0.1), ("sv", 0.9)))
    transcription = begin(batchers(engine), long_talk)
    steps = list(transcription)
    asked = languages(engine)
    assert [asked[index] for index in range(4)] == [[None, "no"], [None], [None], [None, "no"]]
    assert told(steps) == [f" {index}no" for index in range(len(asked))]
    assert transcription.transcript().language == "no"
    assert transcription.transcript().language_probability == 0.3


@pytest.mark.parametrize(
    ("heard", "language"), [([("de", 0.8)], "de"), ([("nn", 0.4), ("no", 0.3), ("no", 0.3), ("sv", 0.1)], "no")]
)
def test_a_language_that_is_all_that_is_wanted_takes_the_windows_that_have_a_say(
    batchers: Start, long_talk: Path, heard: list[tuple[str, float]], language: str
) -> None:
    engine = ScriptedEngine(speaks(*heard), max_batch=1)
    transcription = begin(batchers(engine), long_talk, only_language=True)
    list(transcription)
    transcript = transcription.transcript()
    assert (transcript.language, transcript.segments, transcript.warnings) == (language, (), ())
    assert len(engine.passes) < 2 * VOTERS, "those that vote, and what is decoded meanwhile"


def test_nothing_is_told_before_the_language_is_settled(batchers: Start, long_talk: Path) -> None:
    engine = ScriptedEngine(speaks(("nn", 0.4), ("no", 0.45), ("no", 0.9)), max_batch=1)
    steps = begin(batchers(engine), long_talk)
    first = next(iter(steps))
    assert [segment.text for segment in first.segments] == [" 0no"]


def test_a_recording_too_short_to_be_sure_gets_the_likeliest(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine(speaks(("nn", 0.3), ("no", 0.4), ("nn", 0.2)))
    transcription = begin(batchers(engine), talk)
    assert set(told(list(transcription))) >= {" 0nn", " 1nn", " 2nn"}
    assert transcription.transcript().language == "nn"


def test_a_window_without_words_has_no_say_in_the_language(batchers: Start, long_talk: Path) -> None:
    def hear(window: Window) -> WindowResult:
        if window.index == 0:  # music on hold, say
            return make_result("", language="nn", language_probability=0.9)
        return speaks(("de", 0.8))(window)

    engine = ScriptedEngine(hear, max_batch=1)
    transcription = begin(batchers(engine), long_talk)
    list(transcription)
    asked = languages(engine)
    assert asked[0] == [None]
    assert asked[len(asked) - 1] == ["de"]
    assert transcription.transcript().language == "de"


def test_each_window_of_a_multilingual_recording_keeps_its_own_language(batchers: Start, long_talk: Path) -> None:
    engine = ScriptedEngine(speaks(("de", 0.9), ("en", 0.3), ("de", 0.8), ("fr", 0.9), ("de", 0.9)))
    transcription = begin(batchers(engine), long_talk, multilingual=True)
    assert told(list(transcription))[:4] == [" 0de", " 1en", " 2de", " 3fr"]
    assert all(asked == [None] for asked in languages(engine).values())
    assert transcription.transcript().language == "de"


def test_a_recording_in_which_nobody_speaks_has_a_language_of_no_probability(batchers: Start, talk: Path) -> None:
    transcription = begin(batchers(ScriptedEngine(lambda _: make_result(""))), talk)
    list(transcription)
    assert (transcription.transcript().language, transcription.transcript().language_probability) == ("en", 0.0)


def test_a_language_asked_for_is_asked_of_every_window(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine(lambda _: make_result(language="en"))
    transcription = begin(batchers(engine), talk, language="fr")
    list(transcription)
    assert all(asked == ["fr"] for asked in languages(engine).values())
    assert (transcription.transcript().language, transcription.transcript().language_probability) == ("fr", 1.0)


def test_a_recording_has_a_bounded_number_of_windows_waiting(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine(max_batch=1)
    engine.gate.clear()
    batcher = batchers(engine)
    transcription = begin(batcher, talk, language="en")
    steps: list[Progress] = []
    thread = threading.Thread(target=lambda: steps.extend(transcription))
    thread.start()
    wait_for(lambda: batcher.most_waiting == 2)
    thread.join(0.1)  # all windows would be there by now
    assert batcher.most_waiting == 2
    engine.gate.set()
    thread.join(DEADLINE)
    assert batcher.most_waiting == batcher.window_limit == 2
    assert len(steps) == len(engine.passes) + 1


def run(transcription: Transcription) -> tuple[threading.Thread, list[BaseException]]:
    """Runs it on a thread; the list gets the error it ends with."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            list(transcription)
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, errors


def test_cancel_ends_it_at_once_though_the_model_is_busy(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine(max_batch=1)
    engine.gate.clear()
    transcription = begin(batchers(engine), talk, language="en")
    thread, errors = run(transcription)
    assert engine.entered.acquire(timeout=DEADLINE)
    transcription.cancel()
    thread.join(DEADLINE)
    assert not engine.gate.is_set()
    assert [type(error) for error in errors] == [Canceled]
    engine.gate.set()
    assert len(engine.passes) == 1, "no other window of it is decoded"


def test_canceled_before_it_began_it_does_not_begin(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine()
    transcription = begin(batchers(engine), talk)
    transcription.cancel()
    with pytest.raises(Canceled):
        list(transcription)
    assert engine.passes == []


def test_given_up_in_the_middle_its_windows_are_dropped(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine(max_batch=1)
    batcher = batchers(engine)
    steps = iter(begin(batcher, talk, language="en"))
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    decoded = len(engine.passes)
    other = batcher.open("batch").submit(make_window())
    other.result(DEADLINE)
    assert len(engine.passes) <= decoded + 2, "the window in hand and the other stream's"


@pytest.mark.fault(30)
def test_a_recording_over_the_limit_is_refused_while_it_is_read(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine()
    with pytest.raises(AudioTooLong, match=r"longer than the 0\.00555556 hours accepted here"):
        list(begin(batchers(engine), talk, max_seconds=20))
    assert sum(map(len, engine.passes)) <= 1


def test_speech_is_found_and_placed_in_the_recording(batchers: Start, sample: Sample, tmp_path: Path) -> None:
    voice = media.read(sample.path)
    pause = np.zeros(4 * 16_000, np.float32)
    path = media.write(tmp_path / "talk.wav", np.concatenate([pause, voice, pause]))
    transcription = begin(batchers(fake()), path)
    list(transcription)
    (segment,) = transcription.transcript().segments
    assert segment.start == pytest.approx(4.0, abs=0.6)
    assert segment.end == pytest.approx(4.0 + 11.6, abs=0.8)


@pytest.mark.fault(28)
def test_silence_is_never_decoded(batchers: Start, tmp_path: Path) -> None:
    engine = fake()
    path = media.write(tmp_path / "silence.wav", np.zeros(10 * 16_000, np.float32))
    transcription = begin(batchers(engine), path, words=True)
    assert list(transcription) == [Progress(10.0, 10.0, ())]
    transcript = transcription.transcript()
    assert (transcript.text, transcript.segments, transcript.duration) == ("", (), 10.0)
    assert (transcript.language, transcript.language_probability) == ("en", 0.0)
    assert engine.passes == []


def test_what_was_wrong_with_the_file_is_told(batchers: Start, talk: Path, tmp_path: Path) -> None:
    transcription = begin(batchers(fake()), media.truncated(tmp_path / "source", talk))
    list(transcription)
    transcript = transcription.transcript()
    assert "truncated_input" in [warning.code for warning in transcript.warnings]
    assert transcript.segments


def test_a_file_without_sound_fails_as_what_it_is(batchers: Start, tmp_path: Path) -> None:
    with pytest.raises(EmptyAudio):
        list(begin(batchers(fake()), media.header_only_wav(tmp_path / "source")))


def test_what_the_engine_raises_reaches_the_caller(batchers: Start, talk: Path) -> None:
    def hear(window: Window) -> WindowResult:
        if window.index == 1:
            raise RuntimeError("out of order")
        return make_result()

    with pytest.raises(RuntimeError, match="out of order"):
        list(begin(batchers(ScriptedEngine(hear)), talk, language="en"))


class Notes:
    """A checkpoint in memory."""

    def __init__(self, **known: WindowResult) -> None:
        self.known = {int(index.strip("_")): result for index, result in known.items()}
        self.saved: list[tuple[int, str]] = []

    def result(self, window: Window) -> WindowResult | None:
        return self.known.get(window.index)

    def save(self, window: Window, result: WindowResult) -> None:
        self.known[window.index] = result
        self.saved.append((window.index, result.text))


def test_what_an_earlier_run_has_decoded_is_not_decoded_again(batchers: Start, long_talk: Path) -> None:
    undisturbed = Notes()
    batcher = batchers(ScriptedEngine(speaks(("de", 0.8))))
    whole = Transcription(batcher, long_talk, DecodeOptions(), "batch", 1e6, undisturbed)
    steps = list(whole)
    indices = sorted(undisturbed.known)
    assert undisturbed.saved == [(index, f" {index}de") for index in indices]

    half = Notes(**{f"_{index}": undisturbed.known[index] for index in indices[:5]})
    engine = ScriptedEngine(speaks(("de", 0.8)))
    resumed = Transcription(batchers(engine), long_talk, DecodeOptions(), "batch", 1e6, half)
    assert list(resumed) == steps
    assert resumed.transcript() == whole.transcript()
    assert sorted(languages(engine)) == indices[5:]
    assert [index for index, _ in half.saved] == indices[5:]


def test_a_vote_that_was_not_finished_is_finished_by_the_next_run(batchers: Start, long_talk: Path) -> None:
    voices = speaks(("nn", 0.4), ("no", 0.3), ("no", 0.3), ("sv", 0.1), ("sv", 0.9))
    undisturbed = Notes()
    steps = list(Transcription(batchers(ScriptedEngine(voices)), long_talk, DecodeOptions(), "batch", 1e6, undisturbed))
    first = make_result(" 0nn", language="nn", language_probability=0.4)
    resumed = Transcription(batchers(ScriptedEngine(voices)), long_talk, DecodeOptions(), "batch", 1e6, Notes(_0=first))
    assert told(list(resumed)) == told(steps)


@pytest.mark.parametrize("known", [0, 3])
def test_a_long_recording_stops_being_interactive(
    batchers: Start, long_talk: Path, monkeypatch: pytest.MonkeyPatch, known: int
) -> None:
    monkeypatch.setattr(engines.decoding.schedule, "DEMOTE_AFTER", 100.0)
    batcher = batchers(ScriptedEngine(speaks(("de", 0.8)), max_batch=1))
    restored = Notes(**{f"_{index}": speaks(("de", 0.8))(make_window(index)) for index in range(known)})
    long = Transcription(batcher, long_talk, DecodeOptions(), "interactive", 1e6, restored)
    assert not long.is_demoted
    demoted = [long.is_demoted for _ in long]
    assert (demoted[0], demoted[-1]) == (False, True)


def test_with_context_each_window_is_given_the_text_before_it(batchers: Start, talk: Path) -> None:
    engine = ScriptedEngine(speaks(("de", 0.8)))
    options = DecodeOptions(prompt="Names: Grit.")
    list(Transcription(batchers(engine), talk, options, "batch", 1e6, context=True))
    prompts = [window.options.prompt for windows in engine.passes for window in windows]
    assert prompts[:3] == ["Names: Grit.", "Names: Grit. 0de", "Names: Grit. 1de"]


def test_sound_without_words_is_told_and_silence_is_not(batchers: Start, talk: Path, tmp_path: Path) -> None:
    mute = batchers(ScriptedEngine(lambda window: make_result("")))
    transcription = begin(mute, talk)
    list(transcription)
    assert [warning.code for warning in transcription.transcript().warnings] == ["no_words_found"]
    silence = begin(mute, media.write(tmp_path / "silence.wav", np.zeros(48_000, np.float32)))
    list(silence)
    assert silence.transcript().warnings == ()
    spoken = begin(batchers(fake()), talk)
    list(spoken)
    assert spoken.transcript().warnings == ()


def test_the_track_that_was_read_is_told(batchers: Start, tmp_path: Path) -> None:
    buzz = media.read(write_buzz(tmp_path / "buzz", pause=1, seconds=4, times=1))
    path = odd_media.tracks(tmp_path / "two.mkv", [np.zeros_like(buzz), buzz])
    wanted = begin(batchers(fake()), path, listening=Listening(track=2))
    list(wanted)
    assert (wanted.track, [row.code for row in wanted.transcript().warnings]) == (2, ["other_tracks"])
