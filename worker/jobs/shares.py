"""What one owner may have of a bounded thing while others may want some of it: one rule for all such things, and turns.

An owner is the name of an API key. All who call without one are one owner: addresses are shared by those behind a proxy
and free to whoever has many, so they are no measure of who somebody is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence


def has_share(free: float, held: float, more: float = 1) -> bool:
    """Whether an owner who holds so much may have `more` of what is free. They may hold no more than was free before:
    the first has half at most, a second half of the rest, and whoever comes later still finds some."""
    return held + more <= free


def turn(waiting: Sequence[str], owner: str) -> int:
    """Where in a queue the owner's next job belongs if owners take turns: before which place, `len(waiting)` for the
    end. waiting: the owners of the jobs that wait, the next one first. An owner's second job comes after the first of
    everyone who waits, the third after all second ones, and so on."""
    round_of_it = waiting.count(owner) + 1
    seen: Counter[str] = Counter()
    place = 0
    for number, name in enumerate(waiting, start=1):
        seen[name] += 1
        if seen[name] <= round_of_it:
            place = number
    return place
