"""Repetition in a window's tokens: people say "no, no, no", and models fall into loops. Which of the two it was.

Tokens of a phrase that was just said carry almost no information: the model is sure of each, so a text that loops has
the best mean log-probability of all attempts. Its mean over the tokens that say something new has not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engines.base import WindowResult

MAX_PHRASE = 40  # tokens of a phrase that is looked for
LOOP_REPEATS = 4  # times a phrase must come without a break …
LOOP_TOKENS = 20  # … and tokens all of it must have, to be a loop and not a manner of speaking
ECHO = range(6, 41)  # tokens of a phrase that a shortened encoding may have said twice
MAX_LOOP_RATE = 12.0  # tokens a second: "go, go, go" said as fast as one can has about 10
MAX_RATE = 8.0  # of sentences: 300 words a minute have about 7
TAIL = 40  # tokens at the end, of which half are different if a speaker went on: a loop that stumbles has few
MAX_TOKENS = 200  # a longer text was stopped by the model's limit (224), not by the speaker, if it repeats itself


def has_loop(tokens: Sequence[int]) -> bool:
    """Whether a phrase is repeated over and over, which a window's compression ratio hides when other text is
    around it."""
    return any(longest_run(tokens, size) >= max(LOOP_TOKENS, LOOP_REPEATS * size) for size in _phrases(tokens))


def has_echo(tokens: Sequence[int]) -> bool:
    """Whether some phrase comes twice in a row: what a shortened encoding tends to. People do it too, so all it is
    worth is a second look."""
    return any(longest_run(tokens, size) >= 2 * size for size in ECHO)


def runs_away(result: WindowResult, seconds: float) -> bool:
    """Whether a text that repeats itself is more than anybody can have said in a window of so many seconds. After a
    loop that ended, the speaker went on."""
    count, is_loop = len(result.tokens), has_loop(result.tokens)
    too_fast = count > (MAX_LOOP_RATE if is_loop else MAX_RATE) * max(seconds, 1.0)
    return too_fast or (count >= MAX_TOKENS and not (is_loop and _goes_on(result.tokens)))


def novel_logprob(result: WindowResult) -> float:
    """The mean log-probability over the tokens that do not repeat what was said just before (and the end)."""
    count = len(result.tokens)
    return result.avg_logprob * (count + 1) / (novel_count(result.tokens) + 1)


def novel_count(tokens: Sequence[int]) -> int:
    """Tokens without the second and later of equal phrases in a row; shorter phrases are looked for first."""
    left = list(tokens)
    for size in _phrases(tokens):
        repeated = {at for start, end in _runs(left, size) if end - start >= size for at in range(start, end)}
        left = [token for at, token in enumerate(left) if at not in repeated]
    return len(left)


def longest_run(tokens: Sequence[int], period: int) -> int:
    """Tokens of the longest stretch that repeats itself every `period` tokens."""
    longest = max((end - start for start, end in _runs(tokens, period)), default=0)
    return longest + period if longest else 0


def _runs(tokens: Sequence[int], period: int) -> Iterator[tuple[int, int]]:
    """Start and end of each stretch whose tokens are those of `period` tokens before."""
    start = period
    for at in range(period, len(tokens) + 1):
        if at == len(tokens) or tokens[at] != tokens[at - period]:
            if at > start:
                yield start, at
            start = at + 1


def _goes_on(tokens: Sequence[int]) -> bool:
    """Whether something new is said at the end."""
    return len(set(tokens[-TAIL:])) >= TAIL / 2 and not _ends_in_loop(tokens)


def _ends_in_loop(tokens: Sequence[int]) -> bool:
    last = {
        size: end - start + size
        for size in _phrases(tokens)
        for start, end in _runs(tokens, size)
        if end == len(tokens)
    }
    return any(run >= max(LOOP_TOKENS, LOOP_REPEATS * size) for size, run in last.items())


def _phrases(tokens: Sequence[int]) -> range:
    return range(1, min(MAX_PHRASE, len(tokens) // 2) + 1)
