"""One way to log for all programs of the service: as lines for people, or as JSON for machines; never with a secret."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, get_args

from worker.runtime.log_handler import OnceHandler

LogFormat = Literal["text", "json"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
LOG_LEVELS: tuple[LogLevel, ...] = get_args(LogLevel)

request_id: ContextVar[str] = ContextVar("request_id", default="")
job_id: ContextVar[str] = ContextVar("job_id", default="")

_NAMES = "authorization|x-api-key|api[_-]?key|password|secret|token"
MAX_TEXT = 32 * 1024  # characters of a message or a traceback; what is beyond them is not written
# What could stand in a message of ours or of a library: how keys, passwords and secrets are written. A message may
# quote what a stranger sent, so no pattern may take longer than in proportion to it: each begins at a fixed text or at
# the start of a word, and what follows gives nothing back.
_SECRETS = (
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[\w~+/.=-]{4,}"), r"\1\2***"),
    (re.compile(rf"(?i)\b({_NAMES})(['\"]?\s*[:=]\s*['\"]?)[^\s'\",;&]+"), r"\1\2***"),
    (re.compile(r"(?<=://)([^/\s:@]{0,128}+:)[^@\s]{1,512}+@"), r"\1***@"),
    (re.compile(r"\b(whsec_|sk-)[\w+/=-]{4,}"), r"\1***"),
)  # fmt: skip


def set_up(program: str, level: LogLevel, form: LogFormat, secrets: Iterable[str] = ()) -> None:
    """Logging of this process, to standard error. secrets: values that are redacted wherever they appear."""
    handler, secrets = OnceHandler(), tuple(secrets)
    handler.setFormatter(_Json(program, secrets) if form == "json" else _Text(program, secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)


@contextmanager
def about_job(name: str) -> Iterator[None]:
    """Lines that are logged meanwhile name the job."""
    token = job_id.set(name)
    try:
        yield
    finally:
        job_id.reset(token)


def redacted(text: str, secrets: tuple[str, ...] = ()) -> str:
    """The text without what is nobody's business, and no longer than `MAX_TEXT`."""
    for secret in secrets:
        text = text.replace(secret, "***")
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]} … and {len(text) - MAX_TEXT} more characters"
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class _Text(logging.Formatter):
    def __init__(self, program: str, secrets: tuple[str, ...]) -> None:
        name = "" if program == "service" else " %(name)s"  # of which the supervisor has but one
        super().__init__(f"%(asctime)s %(levelname)s {program}{name}: %(message)s")
        self._secrets = secrets

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        message = super().formatMessage(record)
        ids = [name for name in (request_id.get(), job_id.get()) if name and name not in message]
        return f"{message} [{' '.join(ids)}]" if ids else message

    def format(self, record: logging.LogRecord) -> str:
        return redacted(super().format(record), self._secrets)


class _Json(logging.Formatter):
    """One object a line. By hand: every field is of our own making, so python-json-logger would take a line more."""

    def __init__(self, program: str, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._program = program
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "program": self._program,
            "logger": record.name,
            "message": redacted(record.getMessage(), self._secrets),
            "request_id": request_id.get() or None,
            "job_id": job_id.get() or None,
        }
        if record.exc_info:
            line["exception"] = redacted(self.formatException(record.exc_info), self._secrets)
        return json.dumps({name: value for name, value in line.items() if value is not None}, ensure_ascii=False)
