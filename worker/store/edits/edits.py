"""`edits.json`: what people changed, and what a transcript is with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from engines.transcript import SPARSE, Segment, Speaker, Transcript, Word
from worker.store.edits.alignment import aligned
from worker.store.record_format import RecordFormat

MAX_BYTES = 32 * 1024 * 1024  # of edits.json, about: a day of talk has a quarter of a million words, which take 18 MB
WORD_BYTES = 60  # that a word takes beside its letters


class EditsTooLarge(Exception):
    """The corrections of one transcript would take more room than those of any recording do."""

    def __init__(self) -> None:
        limit = f"{MAX_BYTES // 2**20} MB"
        super().__init__(f"The corrections of this transcript would take more than {limit}: correct less text")


@dataclass(frozen=True, slots=True)
class EditedSegment:
    """text: None as it was; words: of that text, with times. speaker: a label, empty as it was."""

    text: str | None = None
    words: tuple[Word, ...] = ()
    speaker: str = field(default="", metadata=SPARSE)

    @property
    def is_as_it_was(self) -> bool:
        return self.text is None and not self.speaker


@dataclass(frozen=True, slots=True)
class Edits:
    """revision: how often segments were changed. title: what people call the job. segments: by number. moved: seconds
    that speakers have gained or lost by segments that were given to others, by label."""

    revision: int = 0
    title: str | None = None
    segments: dict[int, EditedSegment] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict, metadata=SPARSE)

    def speakers(self, known: Sequence[Speaker], names: Mapping[str, str]) -> tuple[Speaker, ...]:
        """Who speaks: those that are known, and those that people have added since."""
        labels = {speaker.label for speaker in known}
        added = [Speaker(label, 0.0).named(names) for label in self.moved if label and label not in labels]
        everybody = (*known, *sorted(added, key=lambda each: each.label))
        return tuple(
            replace(each, seconds=max(0.0, each.seconds + self.moved.get(each.label, 0.0))) for each in everybody
        )

    def applied(self, transcript: Transcript) -> Transcript:
        if not self.segments:
            return transcript
        segments = (self.applied_to(segment) for segment in transcript.segments)
        return replace(transcript, segments=tuple(segments))

    def applied_to(self, segment: Segment) -> Segment:
        edited = self.segments.get(segment.id)
        if edited is None:
            return segment
        if edited.text is not None:
            segment = replace(segment, text=edited.text, words=edited.words, tokens=(), logprobs=())
        if edited.speaker:
            words = tuple(replace(word, speaker=edited.speaker) for word in segment.words)
            segment = replace(segment, speaker=edited.speaker, words=words)
        return segment


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """id: the segment's number. sets: which of text and speaker is changed; None is what it was at first."""

    id: int
    text: str | None = None
    speaker: str | None = None
    sets: frozenset[str] = frozenset()


def changed(edits: Edits, machine: Transcript, changes: Sequence[SegmentChange]) -> Edits:
    """The next revision. machine: the transcript as it was at first. Raises KeyError for a segment that is not there.

    A text is aligned with the machine's words every time, so that times do not drift from one edit to the next."""
    originals: Mapping[int, Segment] = {segment.id: segment for segment in machine.segments}
    segments = dict(edits.segments)
    for change in _merged(changes):
        edited = _changed(segments.get(change.id, EditedSegment()), originals[change.id], change)
        segments.pop(change.id, None)
        if not edited.is_as_it_was:
            segments[change.id] = edited
    return replace(edits, revision=edits.revision + 1, segments=segments, moved=_moved(segments, originals))


def _moved(segments: Mapping[int, EditedSegment], originals: Mapping[int, Segment]) -> dict[str, float]:
    moved: defaultdict[str, float] = defaultdict(float)
    for number, edited in segments.items():
        if edited.speaker and (original := originals.get(number)):
            seconds = original.end - original.start
            moved[original.speaker] -= seconds
            moved[edited.speaker] += seconds
    return dict(moved)


def check_size(edits: Edits, changes: Sequence[SegmentChange]) -> None:
    """Before any text is aligned, which takes longer. Raises EditsTooLarge unless they become smaller."""
    sizes = {number: _bytes_of(segment.text) for number, segment in edits.segments.items()}
    before = sum(sizes.values())
    sizes |= {change.id: _bytes_of(change.text) for change in changes if "text" in change.sets}
    if before < sum(sizes.values()) > MAX_BYTES:
        raise EditsTooLarge


def _bytes_of(text: str | None) -> int:
    """Of a corrected text on disk, about: it stands there as a whole, and word by word."""
    return 2 * len(text.encode(errors="replace")) + WORD_BYTES * len(text.split()) if text else 0


def _merged(changes: Sequence[SegmentChange]) -> Iterable[SegmentChange]:
    """One of each segment, with what is said of it last: to align a text takes up to 0.2 s."""
    merged: dict[int, SegmentChange] = {}
    for change in changes:
        before = merged.get(change.id, SegmentChange(change.id))
        last = {name: getattr(change, name) for name in change.sets}
        merged[change.id] = replace(before, **last, sets=before.sets | change.sets)
    return merged.values()


def _changed(edited: EditedSegment, original: Segment, change: SegmentChange) -> EditedSegment:
    if "text" in change.sets:
        if change.text is None or change.text == original.text.strip():
            edited = replace(edited, text=None, words=())
        else:
            new = aligned(original, change.text)
            edited = replace(edited, text=new.text, words=new.words)
    if "speaker" in change.sets:
        edited = replace(edited, speaker="" if change.speaker == original.speaker else change.speaker or "")
    return edited


EDITS = RecordFormat("edits.json", Edits)
