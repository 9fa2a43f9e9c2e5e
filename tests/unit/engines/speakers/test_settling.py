"""Pieces of voices become speakers: as many as there are, by name or by letter, whatever the order they come in."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from engines.speakers.known_speakers import is_of_several
from engines.speakers.settling import settle
from engines.speakers.turns import Reference, SpeakerCount, Turn
from engines.speakers.voice_piece import VoicePiece, encoded, normalised
from tests.unit.engines.speakers.voices import made_up, talk


def test_each_voice_has_a_letter_in_order_of_appearance() -> None:
    turns = settle(talk([2, 0, 1, 0, 2]))
    assert [turn.speaker for turn in turns] == ["A", "B", "C", "B", "A"]
    assert (turns[1].start, turns[1].end) == (10.0, 16.0)


def test_the_order_of_pieces_and_a_trip_through_the_checkpoint_change_nothing() -> None:
    pieces = talk([0, 1, 2, 0, 1, 2, 2, 1, 0])
    assert settle(list(reversed(pieces))) == settle(pieces)


def test_a_known_speaker_keeps_the_name_and_letters_skip_no_place_for_it() -> None:
    references = [Reference("Ada", encoded(made_up(1, 0.3, seed=99))), Reference("Nobody", encoded(made_up(7)))]
    turns = settle(talk([0, 1, 2, 1]), references=references)
    assert [turn.speaker for turn in turns] == ["A", "Ada", "B", "Ada"]


def test_a_reference_of_two_people_is_told_from_one_of_one() -> None:
    one = [(made_up(1, 0.8, seed=at), 1.5) for at in range(4)]
    assert not is_of_several(one)
    assert not is_of_several([])
    assert not is_of_several([*one, (made_up(2), 1.5)])  # a word of somebody else
    assert is_of_several([*one, *((made_up(2, 0.8, seed=at), 1.5) for at in range(9, 11))])


def test_a_name_that_is_a_letter_is_given_to_nobody_else() -> None:
    turns = settle(talk([0, 1, 2]), references=[Reference("B", encoded(made_up(0)))])
    assert [turn.speaker for turn in turns] == ["B", "A", "C"]


@pytest.mark.parametrize(("count", "found"), [(1, 1), (2, 2), (3, 3), (5, 5)])
def test_as_many_speakers_as_the_caller_says(count: int, found: int) -> None:
    pieces = talk([0, 1, 2] * 4, spread=0.6)
    assert len({turn.speaker for turn in settle(pieces, SpeakerCount(exactly=count))}) == found


def test_bounds_hold_and_leave_what_lies_between_them_alone() -> None:
    pieces = talk([0, 1, 2] * 4)
    for bounds, found in ((SpeakerCount(at_least=2, at_most=4), 3), (SpeakerCount(at_most=2), 2)):
        assert len({turn.speaker for turn in settle(pieces, bounds)}) == found
    assert len({turn.speaker for turn in settle(pieces, SpeakerCount(at_least=4))}) >= 4


def test_a_short_piece_goes_with_the_voice_it_was_heard_with() -> None:
    pieces = [*talk([0, 1]), VoicePiece(1, 0, ((17.0, 17.3),), 0.3), VoicePiece(9, 0, ((90.0, 90.2),), 0.2)]
    assert [turn.speaker for turn in settle(pieces)][-2:] == ["B", "B"]


def _alike(who: Sequence[int], each: float) -> list[VoicePiece]:
    """Voices as a telephone carries them: centroids of two people have a cosine of 0.6; those of one person, told apart
    by mistake, 0.8 and more."""
    pieces = []
    for at, voice in enumerate(who):
        embedding = normalised(made_up(voice) + 1.45 * made_up(9))
        heard = encoded(normalised(embedding + 0.8 * made_up(100 + at)))
        pieces.append(VoicePiece(at, 0, ((10.0 * at, 10.0 * at + each),), each, heard))
    return pieces


@pytest.mark.parametrize(("who", "each"), [([0, 1] * 12, 2.5), ([0, 1] * 3 + [0], 2.5)])
def test_voices_that_a_telephone_makes_alike_stay_apart(who: list[int], each: float) -> None:
    """Of a call of half a minute, too: there the one who says less was taken for something odd in the other's voice."""
    assert len({turn.speaker for turn in settle(_alike(who, each))}) == 2


def test_pieces_of_one_voice_that_have_little_in_common_are_one_voice_together() -> None:
    """As over a telephone: two have a cosine of 0.4 and less, but those of others have next to none."""
    assert len({turn.speaker for turn in settle(talk([0, 1, 2] * 8, spread=1.25, each=1.5))}) == 3


def test_somebody_who_sounds_a_little_otherwise_later_is_one_voice() -> None:
    """However much of either there is."""
    later = normalised(made_up(0) + 0.6 * made_up(9))
    heard = [made_up(0, 0.7, seed=at) for at in range(60)]
    heard += [normalised(later + 0.7 * made_up(200 + at)) for at in range(60)]
    pieces = [
        VoicePiece(at, 0, ((2.0 * at, 2.0 * at + 1.5),), 1.5, encoded(embedding)) for at, embedding in enumerate(heard)
    ]
    assert len({turn.speaker for turn in settle(pieces)}) == 1


def test_what_is_said_again_and_again_is_no_voice_of_its_own() -> None:
    """A recording played twelve times: the pieces of a sentence are nearer to each other than to the rest."""
    sentences = _alike([0, 1] * 6, 1.5)
    pieces = [
        replace(piece, chunk=100 * at + piece.chunk, spans=((200.0 * at + piece.start, 200.0 * at + piece.end),))
        for at in range(12)
        for piece in sentences
    ]
    assert len({turn.speaker for turn in settle(pieces)}) == 2


def test_what_is_odd_in_a_voice_is_nobody_else() -> None:
    """Nor if that person says little themselves, and their voice falls into two groups of much the same size."""
    assert len({turn.speaker for turn in settle(_alike([0, 0, 0, 0, 1] * 3, 2.5))}) == 1
    others = [replace(piece, chunk=10 + piece.chunk) for piece in talk([2, 3] * 5, each=2.5)]
    assert len({turn.speaker for turn in settle([*_alike([0, 0, 0, 0, 0, 1, 1, 1], 1.5), *others])}) == 3


def test_nobody_and_one_without_a_voiceprint() -> None:
    assert settle([]) == []
    assert settle([VoicePiece(0, 0, ((1.0, 1.2),), 0.2)]) == [Turn("A", 1.0, 1.2)]


def test_ten_hours_are_clustered_and_every_voice_found() -> None:
    chance = np.random.default_rng(3)
    who = [int(number) for number in chance.integers(0, 6, 3000)]
    turns = settle(talk(who, spread=0.5))
    assert len({turn.speaker for turn in turns}) == 6


def test_ten_hours_of_sounds_that_are_all_unlike_take_seconds() -> None:
    """Without a bound: minutes, and a gigabyte."""
    started = time.thread_time()
    turns = settle(talk(range(6000), each=9.0), SpeakerCount(at_most=3))
    assert len({turn.speaker for turn in turns}) <= 3
    assert time.thread_time() - started < 10
