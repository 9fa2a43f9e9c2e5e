"""Whoever reads an engine's error reads what to do about it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.devices.ctranslate2_device import _MEANINGS
from engines.errors import AudioTooLong, EmptyAudio, EngineUnavailable, ModelNotFound, OutOfMemory
from worker.models.remedies import REMEDIES, with_remedy

ENGINES = Path(__file__).parents[2] / "engines"


def calls() -> Iterator[ast.Call]:
    for path in ENGINES.rglob("*.py"):
        yield from (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call))


def raised_reasons() -> dict[str, set[str]]:
    """Every reason that an error is given in engines, with the facts that go with it."""
    found: dict[str, set[str]] = {}
    for call in calls():
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        reason = given.pop("reason", None)
        if isinstance(reason, ast.Constant):
            found.setdefault(str(reason.value), set()).update(given)
        if isinstance(call.func, ast.Name) and call.func.id == "_offline" and isinstance(call.args[1], ast.Constant):
            found.setdefault(str(call.args[1].value), set())
    return found | {reason: set() for _, reason in _MEANINGS.values()}


REASONS = raised_reasons()


def test_every_reason_has_a_remedy_and_every_remedy_a_reason() -> None:
    assert set(REASONS) | {"audio_too_long", "out_of_memory"} == set(REMEDIES)


@pytest.mark.parametrize(("reason", "facts"), sorted(REASONS.items()))
def test_a_remedy_names_only_facts_that_the_error_carries(reason: str, facts: set[str]) -> None:
    given = dict.fromkeys(facts, "a-fact")
    told = with_remedy(EngineUnavailable("It broke.", reason=reason, **given))
    assert told.startswith("It broke. ")
    assert told.endswith(".")
    assert all(fact in told for fact in given.values())


def test_what_happened_comes_before_what_to_do() -> None:
    error = EngineUnavailable("It is not installed.", reason="extra_not_installed", extra="mlx")
    assert with_remedy(error).startswith("It is not installed. Install it: make engine EXTRA=mlx (")


def test_an_errors_code_is_enough_of_a_reason() -> None:
    assert "WHISPER_MAX_AUDIO_HOURS" in with_remedy(AudioTooLong("It is longer than 24 hours."))
    assert "smaller WHISPER_COMPUTE_TYPE" in with_remedy(OutOfMemory())


def test_an_error_that_needs_no_more_is_left_as_it_is() -> None:
    assert with_remedy(EmptyAudio()) == str(EmptyAudio())
    assert with_remedy(ModelNotFound("There is no model 'x'.")) == "There is no model 'x'."
