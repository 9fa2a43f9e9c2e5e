"""The README's first command gives the answer the README shows."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.live import LiveService
from tests.accuracy import normalised
from tests.conftest import Sample

README = Path(__file__).parents[3] / "README.md"


def test_the_first_answer_is_the_one_shown(service: LiveService, sample: Sample) -> None:
    shown = next(line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith('{"text"'))
    expected, answer = json.loads(shown), service.transcribe(sample.path).json()
    assert answer["usage"] == expected["usage"]
    # word for word: processors differ in the last bits of their arithmetic, which may move a comma
    assert normalised(answer["text"]) == normalised(expected["text"]) == normalised(sample.text)
