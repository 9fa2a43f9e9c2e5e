"""Makes samples/meeting.mp3 and its text: `python -m scripts.make_sample`."""

from __future__ import annotations

from pathlib import Path

from tests import media, speech

SAMPLES = Path(__file__).parent.parent / "samples"
SENTENCES = (
    "Good morning, and welcome to our weekly meeting.",
    "The new version will be ready on Thursday, and Anna will show it to our customers in London.",
    "Please send me your questions before the end of the week.",
)


def main() -> None:
    spoken = speech.speak(SENTENCES, pauses=(0.4, 0.6, 0.6), seed=1)
    media.write(SAMPLES / "meeting.mp3", spoken.samples, bit_rate=64_000)
    (SAMPLES / "meeting.txt").write_text(spoken.text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
