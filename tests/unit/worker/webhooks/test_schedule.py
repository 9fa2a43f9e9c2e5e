"""When a webhook is tried again: soon while n8n gets ready, then ever more rarely, at last no more."""

from __future__ import annotations

import pytest

from worker.outbound.answer import Answer
from worker.webhooks.schedule import DEFAULT, Schedule, State, Tried

NOW = 1_800_000_000.0  # unix seconds


def plain(*delays: float) -> Schedule:
    return Schedule(delays, jitter=lambda: 1.0)


def waits(schedule: Schedule, answer: Answer, limit: int = 500) -> list[float]:
    """The waits between attempts that are all answered the same, until it is given up."""
    now = NOW
    tried: list[Tried] = []
    found: list[float] = []
    while len(found) < limit:
        verdict = schedule.judge(answer, tried, now)
        tried.append(Tried(now, answer.status))
        if verdict.wait is None:
            assert verdict.state == "exhausted"
            return found
        found.append(verdict.wait)
        now += verdict.wait
    raise AssertionError("it is never given up")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_two_hundred_and_something_is_taken(status: int) -> None:
    assert plain(0, 1).judge(Answer(status), [], NOW).state == "delivered"


@pytest.mark.parametrize("status", [None, 100, 301, 302, 307, 400, 401, 404, 408, 418, 429, 500, 502, 503, 504])
def test_everything_else_is_tried_again_redirects_included(status: int | None) -> None:
    assert plain(0, 7).judge(Answer(status), [], NOW).state == "pending"
    assert waits(plain(0, 7, 9), Answer(status)) == [7, 9]


def test_410_ends_it() -> None:
    assert plain(0, 1).judge(Answer(410), [], NOW).state == "gone"


def test_the_default_goes_on_for_two_days() -> None:
    delays = [float(part) for part in DEFAULT.split(",")]
    found = waits(plain(*delays), Answer(500))
    assert found == delays[1:]
    assert 44 * 3600 < sum(found) < 48 * 3600


def test_waits_are_longer_by_up_to_a_fifth_and_never_shorter() -> None:
    found = [Schedule((0, 100)).judge(Answer(500), [], NOW).wait or 0 for _ in range(200)]
    assert min(found) >= 100
    assert max(found) <= 120
    assert len(set(found)) > 100


@pytest.mark.parametrize(
    ("status", "retry_after", "wait"),
    [(503, 30, 30), (429, 30, 30), (503, 1, 7), (503, 10**9, 86400), (500, 30, 7), (502, 30, 7)],
)
def test_a_receiver_that_is_busy_may_ask_for_more_time(status: int, retry_after: float, wait: float) -> None:
    verdict = plain(0, 7).judge(Answer(status, retry_after=retry_after), [], NOW)
    assert (verdict.state, verdict.wait) == ("pending", wait)


def test_409_is_tried_again_densely_for_two_minutes_and_then_like_any_other() -> None:
    found = waits(plain(0, 1000, 2000), Answer(409))
    dense, rest = found[:-2], found[-2:]
    assert rest == [1000, 2000]
    assert dense[:3] == [0.5, 0.75, 1.125]
    assert all(wait <= 5 for wait in dense)
    assert 115 <= sum(dense) <= 126


def test_409_costs_no_step_of_the_schedule() -> None:
    tried = [Tried(NOW, 409), Tried(NOW + 0.5, 409)]
    assert plain(0, 7, 9).judge(Answer(500), tried, NOW + 1).wait == 7


def test_409_of_an_execution_that_has_ended_is_no_race() -> None:
    body = b'{"code":409,"message":"The execution \\"7\\" has finished already."}'
    assert plain(0, 1).judge(Answer(409, body=body), [], NOW).state == "gone"


@pytest.mark.parametrize("text", ["", "x", "1,-1", "nan", "1,inf", "0;1"])
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        Schedule.parse(text)


@pytest.mark.parametrize("state", ["delivered", "gone", "exhausted"])
def test_an_end_has_no_next_time(state: State) -> None:
    answers = {"delivered": Answer(200), "gone": Answer(410), "exhausted": Answer(500)}
    verdict = plain(0).judge(answers[state], [], NOW)
    assert (verdict.state, verdict.wait) == (state, None)
