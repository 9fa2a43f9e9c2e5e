"""What the commands need to know about the service: its settings and its files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.settings import ApiSettings
from scripts.wyoming.settings import WyomingSettings
from worker.settings import WorkerSettings, explain


class LauncherSettings(BaseSettings):
    """What only the launcher needs: environment variables with the prefix WHISPER_, or lines of `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPER_", env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    log_dir: Path = Field(default=Path("logs"), description="Directory of the logs")


class SettingsInvalid(Exception):
    """Names each setting and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service as its settings describe it."""

    api: ApiSettings
    worker: WorkerSettings
    log_dir: Path
    wyoming: WyomingSettings

    @classmethod
    def from_settings(cls) -> ServiceConfig:
        """Raises SettingsInvalid."""
        try:
            service = cls(ApiSettings(), WorkerSettings(), LauncherSettings().log_dir, WyomingSettings())
        except ValidationError as error:
            raise SettingsInvalid(explain(error)) from None
        if problem := service.wyoming.problem_with(service.api):
            raise SettingsInvalid(problem)
        _make_writable("WHISPER_DATA_DIR", service.worker.data_dir)
        _make_writable("WHISPER_LOG_DIR", service.log_dir)
        return service

    @property
    def log_file(self) -> Path:
        return self.log_dir / "whisper-native.log"

    @property
    def redis_log_file(self) -> Path:
        return self.log_dir / "redis.log"

    @property
    def pid_file(self) -> Path:
        return self.worker.data_dir / "whisper-native.pid"

    @property
    def stop_file(self) -> Path:
        """If there are no signals, this file asks the service to stop."""
        return self.worker.data_dir / "whisper-native.stop"


def _make_writable(setting: str, directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsInvalid(f"{setting}: the directory {directory} cannot be made: {error.strerror}.") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise SettingsInvalid(f"{setting}: the directory {directory} cannot be written to by this user.")
