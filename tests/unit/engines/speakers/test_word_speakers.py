"""Words go to whoever is heard while they are said, and segments to whoever says most of them."""

from __future__ import annotations

from dataclasses import replace

from engines.speakers.provisional import Provisional
from engines.speakers.turns import Reference, Turn, letters
from engines.speakers.voice_piece import encoded
from engines.speakers.word_speakers import Voices, assign, speakers_of
from engines.text.segments import segments_of
from engines.transcript import Speaker
from tests.unit.engines.speakers.voices import made_up, talk
from tests.unit.factories import make_result, make_segment, make_window, make_words

TURNS = [Turn("A", 0.0, 1.1), Turn("B", 1.1, 3.0), Turn("A", 2.9, 4.0)]


def test_each_word_has_a_speaker_and_the_segment_the_one_of_most() -> None:
    segment = replace(make_segment(0, 0.0, 2.0), words=make_words(" one", " two", " three", " four", " five"))
    (assigned,) = assign([segment], TURNS)
    assert [word.speaker for word in assigned.words] == ["A", "A", "A", "B", "B"]
    assert assigned.speaker == "A"
    assert replace(assigned, words=segment.words, speaker="") == segment


def test_a_word_in_a_pause_goes_to_whoever_is_nearest() -> None:
    voices = Voices.of_turns([Turn("A", 0.0, 1.0), Turn("B", 3.0, 4.0)])
    assert [voices.at(*span) for span in ((1.2, 1.4), (2.5, 2.8), (9.0, 9.5))] == ["A", "B", "B"]
    assert Voices([]).at(0.0, 1.0) == ""


def test_a_segment_without_words_and_one_far_from_every_turn_have_a_speaker() -> None:
    near, far = assign([make_segment(0, 1.0, 2.0), make_segment(1, 60.0, 61.0)], TURNS)
    assert (near.speaker, far.speaker) == ("B", "A")


def test_a_turn_that_began_long_before_is_heard_beside_short_ones() -> None:
    turns = [Turn("A", 0.0, 100.0), *(Turn("B", at, at + 0.5) for at in range(1, 60))]
    talks, hums = make_segment(0, 40.0, 40.4), make_segment(1, 70.0, 71.0)
    assert [each.speaker for each in assign([talks, hums], turns)] == ["A", "A"]
    assert [each.speaker for each in assign([talks], turns[1:])] == ["B"]
    assert assign([talks], list(reversed(turns))) == assign([talks], turns)


def test_a_segment_is_cut_where_the_voice_changes() -> None:
    words = make_words(" How", " are", " you?", " Fine", " thanks", start=0.2)
    result = make_result("".join(word.text for word in words), words=words, word_tokens=tuple((at,) for at in range(5)))
    voices = Voices.of_turns([Turn("A", 0.0, 0.9), Turn("B", 0.9, 3.0)])
    found = segments_of(make_window(seconds=5), result, 7, 0.0, voices.change)
    assert [(each.id, each.text, each.tokens) for each in found] == [
        (7, " How are", (0, 1)),
        (8, " you?", (2,)),
        (9, " Fine thanks", (3, 4)),
    ]


def test_everybody_is_listed_with_their_seconds() -> None:
    assert speakers_of(TURNS) == (Speaker("A", 2.2), Speaker("B", 1.9))


def test_labels_while_it_runs_follow_the_voices() -> None:
    told = Provisional([Reference("Ada", encoded(made_up(5)))])
    pieces = talk([0, 5, 0, 1, 5])
    assert [label for piece in pieces for label in told.labels([piece])] == ["A", "Ada", "A", "B", "Ada"]
    assert Provisional().labels([replace(pieces[0], voiceprint="")]) == ("A",)


def test_a_voice_is_not_learned_from_pieces_too_short_to_tell_it() -> None:
    told = Provisional()
    words = [replace(piece, clean=0.4) for piece in talk([1] * 12)]
    assert told.labels([*talk([0]), *words, *talk([1, 0])])[-2:] == ("B", "A")


def test_letters_go_on_past_z() -> None:
    names = letters()
    assert [next(names) for _ in range(54)][25:28] == ["Z", "AA", "AB"]
