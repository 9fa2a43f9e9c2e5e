"""What a stranger sends cannot keep a pattern busy: each takes time in proportion to its text."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest

import api
import worker
from api.http.errors import ApiError
from api.http.fields import Fields
from api.http.multipart import MultipartForm, display_name
from api.intake.form import ROUTES
from api.intake.form_reading import read_form
from worker.runtime import logs

SIZE = 32 * 1024
MOST = 1.0  # seconds; what is quadratic takes many, what is linear some milliseconds
PIECES = (
    "a", " ", "\t", "/", ":", "://", "://:", "a://b:", "://a:b", "@", "'", '"', "\\", '\\"', ",", "0-1,", "0-,", ";",
    "filename*=utf-8'", ";filename*=utf-8''", "; ", "bearer ", "token", "token ", "password =", "token:'", "sk-",
    "whsec_", "job_0", "[", "[]", "{", "1", "1.", "%", "\u00e9", "\n", "checkpoint.1", "bytes=", "gpt-", "a-", "a.",
)  # fmt: skip
BEFORE = ("", '"', "bytes=0-", "x://", "; filename*=utf-8'", "gpt-", "checkpoint.", "job_")
MODULES_THAT_START = ("__main__",)


def patterns() -> Iterator[tuple[str, re.Pattern[Any], set[str]]]:
    """All that stand in a module of ours, alone or in a container, and by which methods they are used there."""
    for package in (api, worker):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not info.name.endswith(MODULES_THAT_START):
                module = importlib.import_module(info.name)
                for name, value in vars(module).items():
                    for number, pattern in enumerate(_within(value)):
                        yield f"{info.name}.{name}.{number}", pattern, _uses(module, name)


def _uses(module: ModuleType, name: str) -> set[str]:
    used = set(re.findall(rf"\b{name}\.(search|match|fullmatch|sub|split|finditer)\(", inspect.getsource(module)))
    return used & {"match", "fullmatch"} if used and used <= {"match", "fullmatch"} else {"search", "fullmatch"}


def _within(value: Any) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _within(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _within(item)


def hostile() -> Iterator[str]:
    for piece in PIECES:
        for before in BEFORE:
            yield before + piece * (SIZE // len(piece)) + "\x00"


@pytest.mark.fault(68)
@pytest.mark.parametrize(("name", "pattern", "uses"), [pytest.param(*row, id=row[0]) for row in patterns()])
def test_a_pattern_takes_time_in_proportion(name: str, pattern: re.Pattern[Any], uses: set[str]) -> None:
    for text in hostile():
        subject = text.encode() if isinstance(pattern.pattern, bytes) else text
        began = time.process_time()
        for use in uses:
            getattr(pattern, use)(subject)
        assert time.process_time() - began < MOST, (name, text[:60])


@pytest.mark.fault(68)
def test_the_patterns_of_the_log_are_among_them() -> None:
    assert sum(name.startswith("worker.runtime.logs.") for name, *_ in patterns()) >= 4


@pytest.mark.fault(68)
@pytest.mark.parametrize("piece", PIECES)
def test_a_line_of_the_log_takes_no_longer(piece: str) -> None:
    began = time.process_time()
    text = logs.redacted(piece * (1024 * 1024 // len(piece)))
    assert time.process_time() - began < MOST
    assert len(text) < 2 * logs.MAX_TEXT


@pytest.mark.fault(68)
def test_a_form_and_its_fields_take_no_longer() -> None:
    for piece in PIECES:
        text = piece * (SIZE // len(piece))
        began = time.process_time()
        display_name(text)
        for name in ("metadata", "keywords", "include", "prompt", "webhook_headers", f"include[{text}", text):
            for route in ROUTES:
                with suppress(ApiError):
                    read_form(Fields([(name, text)]), route)
        header = f'Content-Disposition: form-data; name="{text[:4000]}"; {text[:4000]}'
        form = MultipartForm("multipart/form-data; boundary=x")
        with suppress(ApiError):
            form.feed(f"--x\r\n{header}\r\n\r\n".encode())
        assert time.process_time() - began < MOST, piece
