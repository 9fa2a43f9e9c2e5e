"""What one owner may have of a bounded thing while others may want some of it: one rule for all such things, and turns.

An owner is the name of an API key. All who call without one are one owner: addresses are shared by those behind a proxy
and free to whoever has many, so they are no measure of who somebody is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def has_share(free: float, held: float, more: float = 1) -> bool:
    """Whether an owner who holds so much may have `more` of what is free. They may hold no more than was free before:
    the first has half at most, a second half of the rest, and whoever comes later still finds some."""
    return held + more <= free


def turn(waiting: Sequence[str], owner: str, held: Mapping[str, int] | None = None) -> int:
    """Where in a queue the owner's next job belongs if owners take turns: before which place, `len(waiting)` for the
    end. waiting: the owners of the jobs that wait, the next one first; held: how many there are of each, if that is
    known. An owner's second job comes after the first of everyone who waits, the third after all second ones, and so
    on. Looks from both ends, at no more jobs than stand between the place and the nearer one."""
    held = Counter(waiting) if held is None else held
    round_of_it = held.get(owner, 0) + 1
    earlier = sum(min(count, round_of_it) for count in held.values())  # jobs of its round and those before it
    before: Counter[str] = Counter()
    behind: Counter[str] = Counter()
    for place, (first, last) in enumerate(zip(waiting, reversed(waiting), strict=True), start=1):
        if held[last] - behind[last] <= round_of_it:
            return len(waiting) + 1 - place
        behind[last] += 1
        before[first] += 1
        earlier -= before[first] <= round_of_it
        if not earlier:
            return place
    return 0
