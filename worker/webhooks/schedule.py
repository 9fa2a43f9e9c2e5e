"""When a webhook that was not delivered is retried, and when it is given up: the policy, without clocks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from worker.outbound.answer import Answer

State = Literal["pending", "delivered", "gone", "exhausted"]
DEFAULT = "0,1,2,5,15,60,300,1800,7200,21600,43200,86400"  # seconds before each attempt: two days in all
MAX_WAIT = 24 * 3600.0  # seconds a receiver may ask for

# An n8n workflow that is about to wait for us answers 409 until it does: a matter of moments, not of minutes.
BUSY_FOR = 120.0  # seconds in which 409 is taken for that
_BUSY_FIRST, _BUSY_GROWTH, _BUSY_LONGEST = 0.5, 1.5, 5.0  # seconds, factor, seconds
_OVER = b"finished already"  # n8n's 409 for an execution that nobody can wake any more


@dataclass(frozen=True, slots=True)
class Tried:
    """An earlier attempt of the same round. at: unix seconds."""

    at: float
    status: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an attempt. wait: seconds until the next, if the state is pending."""

    state: State
    wait: float | None = None


def _some_more() -> float:
    return random.uniform(1.0, 1.2)  # noqa: S311 - so that receivers that come back are not met by all at once


class Schedule:
    """delays: seconds before the first, second … attempt; the one after the last is never made."""

    def __init__(self, delays: Sequence[float], jitter: Callable[[], float] = _some_more) -> None:
        self._delays = tuple(delays)
        self._jitter = jitter

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """From seconds with commas between them; raises ValueError."""
        delays = [float(part) for part in text.split(",") if part.strip()]
        if not delays or not all(0 <= delay <= 30 * 24 * 3600 for delay in delays):
            raise ValueError("is seconds with commas between them, such as 0,1,5,60,3600; each at most 30 days")
        return cls(delays)

    def first_wait(self) -> float:
        return self._delays[0]

    def judge(self, answer: Answer, earlier: Sequence[Tried], now: float) -> Verdict:
        """A 2xx counts as delivered and a 410 ends it; anything else is retried. A redirect is not followed.
        earlier: the attempts of this round before this one."""
        if answer.status is not None and 200 <= answer.status < 300:
            return Verdict("delivered")
        if answer.status == 410 or (answer.is_busy and _OVER in answer.body):
            return Verdict("gone")
        since = earlier[0].at if earlier else now
        if answer.is_busy and now - since < BUSY_FOR:
            times = sum(1 for tried in earlier if tried.status == 409)
            return Verdict("pending", min(_BUSY_LONGEST, _BUSY_FIRST * _BUSY_GROWTH**times))
        step = 1 + sum(1 for tried in earlier if not self._was_busy(tried, since))
        if step >= len(self._delays):
            return Verdict("exhausted")
        wait = self._delays[step] * self._jitter()
        if answer.status in (429, 503) and answer.retry_after is not None:
            wait = max(wait, min(answer.retry_after, MAX_WAIT))
        return Verdict("pending", wait)

    def _was_busy(self, tried: Tried, since: float) -> bool:
        return tried.status == 409 and tried.at - since < BUSY_FOR
