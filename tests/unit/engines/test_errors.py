"""An engine's errors say what happened, and nothing of the service around it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines.errors import Canceled, EngineError, OutOfMemory

ENGINES = Path(__file__).parents[3] / "engines"
OF_THE_SERVICE = re.compile(
    r"WHISPER_[A-Z]|\bmake [a-z-]+[ .(]?EXTRA|\bmake (whisper-native|engine|clean|test)|scripts/"
)


def strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.mark.parametrize("path", sorted(ENGINES.rglob("*.py")), ids=lambda path: str(path.relative_to(ENGINES)))
def test_engines_name_no_setting_and_no_command_of_the_service(path: Path) -> None:
    assert [text for text in strings(path) if OF_THE_SERVICE.search(text)] == []


def test_an_error_says_what_happened_and_carries_its_facts() -> None:
    error = EngineError("It broke.", reason="broken", part="lane")
    assert (str(error), error.code, error.reason, error.facts) == (
        "It broke.",
        "server_error",
        "broken",
        {"part": "lane"},
    )


def test_without_a_reason_of_its_own_the_code_is_the_reason() -> None:
    assert (OutOfMemory().reason, Canceled().reason) == ("out_of_memory", "canceled")
    assert str(OutOfMemory()) == "The device has too little memory for this model."
