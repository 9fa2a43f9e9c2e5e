"""What an operator may set about the worker, the store and Redis. Read once at start and passed down."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from engines.registry import DEVICES, ENGINES, is_device
from worker.maintenance.retention_periods import PERIOD, RetentionPeriods, seconds_of
from worker.models.names import ModelNames
from worker.outbound.settings import UrlSettings
from worker.runtime.logs import LOG_LEVELS, LogFormat, LogLevel
from worker.runtime.timing import Timing
from worker.store.objects.settings import SharedStoreSettings
from worker.store.upload_limits import UploadLimits
from worker.webhooks.settings import WebhookSettings


class WorkerSettings(WebhookSettings, UrlSettings, UploadLimits, SharedStoreSettings):
    """Environment variables with the prefix WHISPER_, or lines of `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPER_",
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,  # or a malformed secret would stand in the log
    )

    model: str = Field(default="base", description="Default model: a name, a Hugging Face id or a directory")
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="More models a request may name: `small,large-v3-turbo`"
    )
    model_aliases: Annotated[dict[str, str], NoDecode] = Field(
        default_factory=dict,
        description="More names for these models: `whisper-small:base,whisper-large-v3:large-v3`; `*:base` takes any "
        "name that is not served",
    )
    max_loaded_models: int = Field(default=1, ge=1, le=16, description="Models in memory at once")
    model_turn: float = Field(
        default=30.0, ge=0, description="Seconds a busy model stays loaded while another is requested"
    )
    model_ttl: float | None = Field(
        default=None, ge=0, description="Seconds without work after which the model's memory is released; empty: never"
    )
    offline: bool = Field(
        default=False, description="Never contact a model hub; a model that is not on this machine is an error"
    )
    engine: str = Field(default="auto", description="Engine that decodes; `auto` picks the fastest on this machine")
    device: str = Field(
        default="auto", description="`auto`, `cpu`, `cuda`, `cuda:1`; with some engines `mps`, `vulkan`"
    )
    devices: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="One worker per device instead: `cuda:0,cuda:1`"
    )
    compute_type: str = Field(default="auto", description="Number format: `auto`, `int8`, `float16`, `float32` …")
    lanes: int | None = Field(
        default=None, ge=1, le=64, description="Concurrent decode calls; empty: the engine's own number"
    )
    threads: int | None = Field(
        default=None, ge=1, le=64, description="CPU threads per lane; empty: the engine's own number"
    )
    max_batch: int | None = Field(
        default=None, ge=1, le=256, description="Windows per decode call; empty: the engine's own number"
    )
    window_seconds: float | None = Field(
        default=None,
        ge=10,
        le=30,
        description="Seconds of speech per window at most; empty: 30. On CPUs fewer are faster and cost some words",
    )
    beam_size: int = Field(default=5, ge=1, le=10, description="Beam size at temperature 0")
    reader_processes: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="Processes that read files of 4 MiB and more for the worker, which itself reads what finds none "
        "free; empty: with a GPU one for each core but one, at most 8; on a CPU none, as the worker reads faster than "
        "it decodes",
    )
    context: bool = Field(
        default=False,
        description="Prompt each window with the text before it; slower, since windows then wait for each other",
    )
    speaker_model: str = Field(
        default="auto",
        description="Networks that tell speakers apart: `auto` for those of the extra `speakers`, or a directory with "
        "`segmentation.onnx` and `embedding.onnx`",
    )
    diarize_threads: int | None = Field(
        default=None, ge=1, le=64, description="CPU threads that tell speakers apart; empty: a quarter of the cores"
    )
    max_audio_hours: float = Field(default=24.0, gt=0, description="Longest recording, in hours of decoded audio")
    keep_audio: str = Field(
        default="7d",
        pattern=PERIOD,
        description="How long a recording is kept after its job ended: `90m`, `12h`, `7d`, `4w`, `forever`; `0`: "
        "deleted at once",
    )
    keep_jobs: str = Field(
        default="7d",
        pattern=PERIOD,
        description="How long a job and its transcript are kept after it ended, in the same form",
    )
    data_dir: Path = Field(
        default=Path("data"), description="Directory of jobs, the embedded Redis and converted weights"
    )
    redis_url: str | None = Field(
        default=None, description="Redis to use, such as `redis://127.0.0.1:6379/0`; empty: the service starts its own"
    )
    interactive_slots: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Concurrent jobs that a client waits for; empty: twice the windows in hand, at least 4",
    )
    batch_slots: int = Field(default=2, ge=1, le=64, description="Concurrent jobs that nobody waits for")
    dashboard_filenames: bool = Field(
        default=False, description="Let the dashboard at /rq, at which every key may look, show the names of files"
    )
    pass_timeout: float = Field(
        default=600.0,
        gt=0,
        description="Seconds one decode call may take before the worker counts as hung and is restarted",
    )
    log_level: LogLevel = Field(default="INFO", description="Least severe lines that are logged")
    log_format: LogFormat = Field(
        default="text", description="Log lines as text, or as JSON objects for log collectors"
    )
    time_scale: float = Field(
        default=1.0, ge=0.01, le=1, description="For tests: all internal intervals are multiplied by this"
    )

    @property
    def keep(self) -> RetentionPeriods:
        return RetentionPeriods(seconds_of(self.keep_audio), seconds_of(self.keep_jobs))

    @property
    def timing(self) -> Timing:
        return Timing().scaled(self.time_scale)

    @property
    def model_names(self) -> ModelNames:
        return ModelNames.of(self.model, self.models, self.model_aliases)

    @field_validator("models", "devices", mode="before")
    @classmethod
    def _parse_names(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("model_aliases", mode="before")
    @classmethod
    def _parse_aliases(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [each.partition(":") for each in value.split(",") if each.strip()]
        return {name.strip(): model.strip() for name, _, model in pairs}

    @field_validator("model_aliases")
    @classmethod
    def _check_aliases(cls, aliases: dict[str, str], info: ValidationInfo) -> dict[str, str]:
        names = ModelNames.of(info.data.get("model", ""), info.data.get("models", ()))
        for alias, model in aliases.items():
            if not alias or names.meaning(model) is None:
                served = ", ".join(names.all)
                raise ValueError(f"'{alias}:{model}' is not of the form name:model with one of the models: {served}.")
            if alias.lower() in map(str.lower, names.all):
                raise ValueError(f"'{alias}' is the name of a model that is served (WHISPER_MODEL, WHISPER_MODELS).")
        return aliases

    @field_validator("log_level", mode="before")
    @classmethod
    def _check_log_level(cls, level: object) -> object:
        if not isinstance(level, str) or level.strip().upper() not in LOG_LEVELS:
            raise ValueError(f"'{level}' is not a log level. Allowed: {', '.join(LOG_LEVELS)}.")
        return level.strip().upper()

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, url: str | None) -> str | None:
        scheme = (url or "").partition("://")[0].lower()
        if "sentinel" in scheme:
            raise ValueError(
                "Sentinel is not supported. Set the address of the master, or of a proxy such as HAProxy that follows "
                "it: redis://:password@host:6379/0."
            )
        if url is not None and scheme not in ("redis", "rediss", "unix"):
            raise ValueError(
                "It is no URL of a Redis: redis://host:6379/0, rediss:// with TLS, or unix:///path/to/socket."
            )
        return url

    @field_validator("engine")
    @classmethod
    def _check_engine(cls, engine: str) -> str:
        name = engine.strip().lower()
        if name not in ("auto", *ENGINES):
            raise ValueError(f"There is no engine '{engine}'. Allowed: auto, {', '.join(ENGINES)}.")
        return name

    @field_validator("device")
    @classmethod
    def _check_device(cls, device: str) -> str:
        if not is_device(device):
            known = ", ".join(DEVICES)
            raise ValueError(f"'{device}' is not a device. Allowed: {known}; with a number, one of several (cuda:1).")
        return device.strip()

    @field_validator("devices")
    @classmethod
    def _check_devices(cls, devices: tuple[str, ...]) -> tuple[str, ...]:
        for device in devices:
            cls._check_device(device)
        names = ["cuda:0" if device.lower() == "cuda" else device.lower() for device in devices]
        if twice := [name for name in set(names) if names.count(name) > 1]:
            raise ValueError(f"'{twice[0]}' stands there twice; two workers on one device would share its memory")
        return devices


def explain(error: ValidationError) -> str:
    """What is wrong with which setting, without its value: it may be a key."""
    lines = ["The settings (environment, .env) are not valid:"]
    for row in error.errors(include_input=False, include_url=False):
        name = str(row["loc"][0])
        setting = name if name.isupper() else f"WHISPER_{name.upper()}"
        lines.append(f"  {setting}: {row['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)
