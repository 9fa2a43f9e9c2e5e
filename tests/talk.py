"""What the voice of the tests says: sentences from `talk.txt`, put together by chance."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TALK = Path(__file__).parent / "talk.txt"


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence of a script, the silence in seconds before it, and how slowly it is read (1 is the voice's own)."""

    text: str
    pause: float
    pace: float = 1.0


def script(seed: int) -> Iterator[Line]:
    """An endless talk in chance order: some sentences of one topic, then of another; no sentence comes again before
    every other was said, and most come with other words then."""
    chance = random.Random(seed)
    topics, slots = _talk()
    while True:
        for topic in _in_turns(topics, chance):
            for place, template in enumerate(topic):
                long = place == 0 and chance.random() < 0.6
                pause = chance.uniform(2.0, 6.0) if long else chance.uniform(0.2, 0.9)
                yield Line(_filled(template, slots, chance), round(pause, 3), round(chance.uniform(0.92, 1.1), 3))


@cache
def _talk() -> tuple[list[list[str]], dict[str, list[str]]]:
    topics: list[list[str]] = []
    slots: dict[str, list[str]] = {}
    for line in _TALK.read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            name, choices = line[2:].split(":")
            slots[name] = [choice.strip() for choice in choices.split("|")]
        elif line.startswith("# "):
            topics.append([])
        elif line and not line.startswith(";"):
            topics[-1].append(line)
    return topics, slots


def _in_turns(topics: list[list[str]], chance: random.Random) -> Iterator[list[str]]:
    """All topics' sentences, each topic's in chance order, in helpings of 4 to 9 with the topics taking turns."""
    rest = [chance.sample(topic, len(topic)) for topic in topics]
    while rest:
        chance.shuffle(rest)
        for topic in rest:
            helping = chance.randint(4, 9)
            yield topic[:helping]
            del topic[:helping]
        rest = [topic for topic in rest if topic]


def _filled(template: str, slots: dict[str, list[str]], chance: random.Random) -> str:
    said: set[str] = set()  # nobody meets himself within a sentence

    def choose(slot: re.Match[str]) -> str:
        choice = chance.choice([choice for choice in slots[slot[1]] if choice not in said])
        said.add(choice)
        return choice

    text = re.sub(r"\{(\w+)\}", choose, template)
    return text[0].upper() + text[1:]
