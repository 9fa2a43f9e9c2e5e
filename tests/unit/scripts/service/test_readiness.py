"""What is said of parts that run, for people."""

from __future__ import annotations

import pytest

from scripts.service.readiness import Readiness


@pytest.mark.parametrize(
    ("is_ready", "has_worker", "said"),
    [(True, True, " and ready"), (True, False, ", and jobs wait for a worker"), (False, False, " and not ready")],
)
def test_what_takes_jobs_is_not_called_ready_while_nobody_does_them(
    is_ready: bool, has_worker: bool, said: str
) -> None:
    checks = {"redis": (True, "answers"), "worker": (has_worker, "")}
    assert Readiness(answers=True, ready=is_ready, checks=checks).state == said
