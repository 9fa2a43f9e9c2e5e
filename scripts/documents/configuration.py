"""docs/CONFIGURATION.md and .env.example, from the classes of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from api.settings import ApiSettings
from scripts.service.config import LauncherSettings
from scripts.wyoming.settings import WyomingSettings
from worker.settings import WorkerSettings

CLASSES: tuple[type[BaseSettings], ...] = (ApiSettings, WorkerSettings, LauncherSettings, WyomingSettings)

# Group -> its settings, in the order in which both documents have them.
GROUPS = {
    "Network": ("NATIVE_WHISPER_HOST", "NATIVE_WHISPER_PORT", "WHISPER_WYOMING", "WHISPER_WYOMING_OWNER"),
    "Access": (
        "WHISPER_API_KEYS",
        "WHISPER_ALLOW_ANONYMOUS",
        "WHISPER_ALLOWED_HOSTS",
        "WHISPER_CORS_ORIGINS",
        "WHISPER_DASHBOARD_WRITE",
        "WHISPER_DASHBOARD_FILENAMES",
    ),
    "Model and engine": (
        "WHISPER_MODEL",
        "WHISPER_MODELS",
        "WHISPER_MODEL_ALIASES",
        "WHISPER_MAX_LOADED_MODELS",
        "WHISPER_MODEL_TURN",
        "WHISPER_MODEL_TTL",
        "WHISPER_OFFLINE",
        "WHISPER_ENGINE",
        "WHISPER_DEVICE",
        "WHISPER_DEVICES",
        "WHISPER_COMPUTE_TYPE",
    ),
    "Decoding": (
        "WHISPER_BEAM_SIZE",
        "WHISPER_WINDOW_SECONDS",
        "WHISPER_CONTEXT",
        "WHISPER_LANES",
        "WHISPER_THREADS",
        "WHISPER_MAX_BATCH",
        "WHISPER_READER_PROCESSES",
        "WHISPER_PASS_TIMEOUT",
        "WHISPER_SPEAKER_MODEL",
        "WHISPER_DIARIZE_THREADS",
    ),
    "Limits": (
        "WHISPER_MAX_UPLOAD_MB",
        "WHISPER_MIN_FREE_DISK_MB",
        "WHISPER_MAX_UPLOADS",
        "WHISPER_UPLOAD_STALL",
        "WHISPER_MAX_QUEUED_JOBS",
        "WHISPER_MAX_QUEUED_HOURS",
        "WHISPER_MAX_AUDIO_HOURS",
        "WHISPER_SYNC_TIMEOUT",
        "WHISPER_INTERACTIVE_SLOTS",
        "WHISPER_BATCH_SLOTS",
    ),
    "Webhooks": (
        "WHISPER_WEBHOOK_URL",
        "WHISPER_WEBHOOK_HEADERS",
        "WHISPER_WEBHOOK_INCLUDE",
        "WHISPER_WEBHOOK_SECRET",
        "WHISPER_WEBHOOK_ALLOWED_HOSTS",
        "WHISPER_WEBHOOK_ALLOWED_NETWORKS",
        "WHISPER_WEBHOOK_CA_FILE",
        "WHISPER_WEBHOOK_TIMEOUT",
        "WHISPER_WEBHOOK_SCHEDULE",
        "WHISPER_PUBLIC_URL",
    ),
    "Recordings from a URL": (
        "WHISPER_URL_ALLOWED_HOSTS",
        "WHISPER_URL_ALLOWED_NETWORKS",
        "WHISPER_URL_TIMEOUT",
    ),
    "Storage and retention": (
        "WHISPER_DATA_DIR",
        "WHISPER_STORE",
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "WHISPER_REDIS_URL",
        "WHISPER_KEEP_AUDIO",
        "WHISPER_KEEP_JOBS",
    ),
    "Logs": ("WHISPER_LOG_DIR", "WHISPER_ROLES", "WHISPER_LOG_FORMAT", "WHISPER_LOG_LEVEL"),
    "For tests": ("WHISPER_TIME_SCALE",),
}

_CONFIGURATION = """\
# Configuration

<!-- Written by `make docs` from the classes of the settings. Edit their descriptions, not this file. -->

Settings are environment variables, or lines of `.env` in the checkout (copy [.env.example](../.env.example)); of the
installed package, in its [state folder](COMMAND.md#a-server-of-your-own).
The environment takes precedence over `.env`, and command-line options take precedence over both. The service reads its
settings when it starts: after a change, run `make whisper-native-stop` and `make whisper-native`, or
`python3 scripts/whisper-native.py restart`. A value that is not valid keeps it from starting, and the message names the
setting.
"""

_OPTIONS = """\

## Command-line options

`python3 scripts/whisper-native.py start`, `restart` and `run` take `--port`, `--host`, `--model`, `--device`,
`--compute-type`, `--engine` and `--only` (`WHISPER_ROLES`) in place of the settings of those names.
`scripts/run_server.sh` (macOS, Linux; the same options) and `scripts/run_server.ps1` (Windows; `-Port`, `-BindHost`,
`-Model`, `-Device`, `-ComputeType`, `-Engine` and `-Only`) run the service in the foreground.
"""

_ENVIRONMENT = """\
# Settings of whisper-native. Copy this file to .env and change what you need; each line that is commented out shows the
# default. Environment variables take precedence over .env, command-line options over both.
# Written by `make docs`; docs/CONFIGURATION.md has the same with the allowed values.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as an operator sees it. default: as it is written in .env; values: which ones are allowed."""

    name: str
    default: str
    values: str
    meaning: str


def settings() -> dict[str, Setting]:
    """Every setting there is, by its name."""
    fields = [(name, field) for each in CLASSES for name, field in each.model_fields.items()]
    return {setting.name: setting for setting in (_setting(name, field) for name, field in fields)}


def configuration() -> str:
    """docs/CONFIGURATION.md."""
    return _CONFIGURATION + "".join(_tables()) + _OPTIONS


def environment() -> str:
    """.env.example."""
    known = settings()
    lines = [_ENVIRONMENT]
    for group, names in GROUPS.items():
        lines.append(f"# ---- {group} ".ljust(120, "-") + "\n")
        lines += (_assignment(known[name]) for name in names)
    return "\n".join(lines)


def _setting(name: str, field: FieldInfo) -> Setting:
    alias: Any = field.validation_alias
    default = field.get_default(call_default_factory=True, validated_data={})
    return Setting(
        alias.choices[0] if alias else f"WHISPER_{name.upper()}",
        _written(default),
        _values(field),
        field.description or "",
    )


def _written(value: object) -> str:
    if value is None or value == {} or value == () or isinstance(value, SecretStr):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _values(field: FieldInfo) -> str:
    """In words; empty if the description says it all."""
    if field.annotation is bool:
        return "`true`, `false`"
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation))
    low, high, above = (_bound(field, name) for name in ("ge", "le", "gt"))
    if above is not None:
        return f"more than {above}"
    if low is not None:
        return f"{low} to {high}" if high is not None else f"at least {low}"
    return ""


def _bound(field: FieldInfo, name: str) -> float | None:
    """name: as `Field` takes it."""
    return next((getattr(each, name) for each in field.metadata if hasattr(each, name)), None)


def _tables() -> Iterator[str]:
    known = settings()
    for group, names in GROUPS.items():
        yield f"\n## {group}\n\n| setting | default | allowed | meaning |\n|---|---|---|---|\n"
        yield from map(_row, (known[name] for name in names))


def _row(setting: Setting) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    return f"| `{setting.name}` | {default} | {setting.values} | {setting.meaning} |\n"


def _assignment(setting: Setting) -> str:
    end = "" if setting.meaning.endswith("…") else "."
    return f"# {setting.meaning}{end}\n#{setting.name}={setting.default}\n".replace("`", "")
