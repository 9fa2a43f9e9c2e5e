"""What happens while a reader is busy is gathered: the last of each job, in bounded memory."""

from __future__ import annotations

from api.answers.watch import MOST, Watch
from worker.queue.events import DELETED, NEWS, FeedEntry


def watch(*told: tuple[str, str]) -> Watch:
    watch = Watch()
    for number, (job_id, state) in enumerate(told, start=1):
        watch.tell(FeedEntry(f"{number}-0", job_id, state))
    return watch


def states(watch: Watch) -> dict[str, str]:
    return {job_id: entry.state for job_id, entry in watch.take().jobs.items()}


def test_the_last_state_of_each_job_is_kept() -> None:
    assert states(watch(("a", "queued"), ("b", "queued"), ("a", "started"))) == {"a": "started", "b": "queued"}


def test_progress_hides_no_state() -> None:
    assert states(watch(("a", "started"), ("a", NEWS))) == {"a": "started"}
    assert states(watch(("a", NEWS), ("a", NEWS))) == {"a": NEWS}
    assert not watch(("a", NEWS)).take().have_moved_a_queue


def test_what_is_gone_stays_gone() -> None:
    assert states(watch(("a", DELETED), ("a", "canceled"))) == {"a": DELETED}


def test_what_was_taken_is_not_taken_again() -> None:
    found = watch(("a", "queued"))
    assert found.woken.is_set()
    assert found.take().upto == "1-0"
    assert not found.woken.is_set()
    assert found.take().jobs == {}


def test_what_could_not_be_told_is_given_back() -> None:
    found = watch(("a", "queued"), ("b", "queued"))
    changes = found.take()
    found.tell(FeedEntry("3-0", "a", "started"))
    found.give_back(changes)
    again = found.take()
    assert {job_id: entry.state for job_id, entry in again.jobs.items()} == {"a": "started", "b": "queued"}
    assert again.upto == "3-0"


def test_whoever_is_far_behind_has_a_gap() -> None:
    found = watch(*((f"job{number}", "queued") for number in range(MOST + 1))).take()
    assert found.is_gap
    assert len(found.jobs) < MOST
