"""Who spoke when, measured on recordings with RTTM beside them: `meeting.wav` and `meeting.rttm`.

  python scripts/evaluate_speakers.py meeting.wav other.flac            # error rates, counts, speed, memory
  python scripts/evaluate_speakers.py --words base meeting.wav          # and the words with the right speaker
  python scripts/evaluate_speakers.py --voices LibriSpeech/test-clean --out meetings      # composes meetings first

--voices: a folder with one folder for each voice, or files whose names begin with the voice's and a dash.
--found DIRECTORY keeps what was found as RTTM, for dscore, pyannote.metrics or any other judge. Needs what
`make engine EXTRA=speakers` adds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from engines.base import Engine  # noqa: E402 - the path comes first
from engines.errors import EngineError  # noqa: E402
from engines.registry import EngineOptions, create_engine  # noqa: E402
from engines.speakers.diarizer import Diarizer, SpeakerOptions, load_diarizer  # noqa: E402
from engines.speakers.settling import settle  # noqa: E402
from engines.speakers.turns import SpeakerCount, Turn  # noqa: E402
from engines.speakers.word_speakers import assign  # noqa: E402
from engines.transcript import Segment  # noqa: E402
from scripts.speakers.diarization_error import diarization_error  # noqa: E402
from scripts.speakers.heard import hear  # noqa: E402
from scripts.speakers.meetings import Meeting, compose, read_voices  # noqa: E402
from scripts.speakers.rttm import read_rttm, write_rttm  # noqa: E402
from scripts.speakers.sound_file import write_wav  # noqa: E402
from worker.models.remedies import with_remedy  # noqa: E402

COLLAR = 0.25  # seconds on either side of a boundary
MEETINGS = {
    "2-voices": Meeting(2, 180, 1),
    "3-voices": Meeting(3, 240, 2),
    "5-voices": Meeting(5, 300, 3),
    "8-voices": Meeting(8, 480, 4),
    "5-voices-overlap": Meeting(5, 300, 3, overlap=0.4),
    "1-voice": Meeting(1, 120, 5),
    "2-voices-room": Meeting(2, 180, 6, room=0.4, noise=0.003),
    "5-voices-room": Meeting(5, 300, 7, room=0.4, noise=0.003),
    "3-voices-telephone": Meeting(3, 240, 8, telephone=True),
    "3-voices-music": Meeting(3, 240, 9, music=True),
}


@dataclass(frozen=True, slots=True)
class Row:
    """der, der_collar, confusion, words, segments, provisional: in %. words: with the right speaker; segments: of the
    words, those whose segment has it. times: seconds of audio for a second of one core."""

    name: str
    seconds: float
    speakers: int
    found: int
    der: float
    der_collar: float
    confusion: float
    provisional: float
    words: float | None
    segments: float | None
    times: float
    megabytes: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--voices", type=Path, help="compose meetings of these voices")
    parser.add_argument("--out", type=Path, default=ROOT / ".cache" / "speakers", help="where they go")
    parser.add_argument("--words", metavar="MODEL", help="decode the words, too, with this model")
    parser.add_argument("--found", type=Path, help="where what was found goes, as RTTM")
    parser.add_argument("--model", default="auto", help="as WHISPER_SPEAKER_MODEL")
    parser.add_argument("--speakers", type=int, help="how many speak, if that is told")
    parser.add_argument("--json", type=Path, help="where the figures go")
    options = parser.parse_args()
    try:
        diarizer = load_diarizer(SpeakerOptions(options.model, data_dir=ROOT / ".cache" / "speakers" / "data"))
    except EngineError as error:
        print(with_remedy(error), file=sys.stderr)
        return 1
    recordings = [*options.recordings, *(composed(options.voices, options.out) if options.voices else ())]
    engine = _engine(options.words) if options.words else None
    rows = []
    for path in recordings:
        rows.append(measured(path, diarizer, engine, SpeakerCount(exactly=options.speakers), options.found))
        print(_line(rows[-1]) if len(rows) > 1 else f"{_HEAD}\n{_line(rows[-1])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0


def composed(voices: Path, out: Path) -> Iterator[Path]:
    """The files of the meetings, each with its RTTM."""
    out.mkdir(parents=True, exist_ok=True)
    known = read_voices(voices)
    for name, meeting in MEETINGS.items():
        if meeting.speakers <= len(known):
            samples, turns = compose(known, meeting)
            write_rttm(out / f"{name}.rttm", turns, name)
            yield write_wav(out / f"{name}.wav", samples)


def measured(path: Path, diarizer: Diarizer, engine: Engine | None, count: SpeakerCount, keep: Path | None) -> Row:
    reference, heard = read_rttm(path.with_suffix(".rttm")), hear(path, diarizer, engine)
    found = settle(heard.pieces, count)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        write_rttm(keep / f"{path.stem}.rttm", found, path.stem)
    error, collared = diarization_error(reference, found), diarization_error(reference, found, COLLAR)
    told = [Turn(label, *span) for piece, label in zip(heard.pieces, heard.labels, strict=True) for span in piece.spans]
    words = _right(assign(heard.segments, found), reference, error.mapping)
    return Row(
        name=path.stem,
        seconds=round(heard.seconds),
        speakers=len({turn.speaker for turn in reference}),
        found=len({turn.speaker for turn in found}),
        der=_percent(error.rate),
        der_collar=_percent(collared.rate),
        confusion=_percent(error.confused / error.spoken),
        provisional=_percent(diarization_error(reference, told).rate),
        words=words[0],
        segments=words[1],
        times=round(heard.seconds / heard.cpu, 1),
        megabytes=round(heard.megabytes),
    )


def _right(
    segments: tuple[Segment, ...], reference: list[Turn], mapping: Mapping[str, str]
) -> tuple[float | None, float | None]:
    """Words with the right speaker, by their own and by their segment's. Where two speak at once, either is right if
    both speak through half of the word; a word that nobody says does not count."""
    counted = by_word = by_segment = 0
    for segment in segments:
        for word in segment.words:
            said = {
                turn.speaker
                for turn in reference
                if min(turn.end, word.end) - max(turn.start, word.start) >= (word.end - word.start) / 2
            }
            counted += bool(said)
            by_word += mapping.get(word.speaker) in said
            by_segment += mapping.get(segment.speaker) in said
    return (_percent(by_word / counted), _percent(by_segment / counted)) if counted else (None, None)


def _engine(model: str) -> Engine:
    engine = create_engine("faster-whisper", replace(EngineOptions(), model=model, data_dir=ROOT / "data", beam_size=1))
    engine.load()
    return engine


def _percent(share: float) -> float:
    return round(100 * share, 1)


_COLUMNS = (
    "recording",
    "s",
    "speakers",
    "DER",
    "collar 0.25",
    "confusion",
    "while it runs",
    "words",
    "segments",
    "x",
    "MB",
)
_HEAD = f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}"


def _line(row: Row) -> str:
    words, segments = ("-" if each is None else each for each in (row.words, row.segments))
    errors = (row.der, row.der_collar, row.confusion, row.provisional, words, segments, row.times, row.megabytes)
    return f"| {' | '.join(map(str, (row.name, row.seconds, f'{row.found}/{row.speakers}', *errors)))} |"


if __name__ == "__main__":
    sys.exit(main())
