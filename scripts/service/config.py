"""What the commands need to know about the service: its settings and its files."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api.settings import ApiSettings
from scripts.fleet.roles import NEEDS_REDIS, Roles
from scripts.wyoming.settings import WyomingSettings
from worker.settings import WorkerSettings, explain


class LauncherSettings(BaseSettings):
    """What only the launcher needs: environment variables with the prefix WHISPER_, or lines of `.env`."""

    model_config = SettingsConfigDict(
        env_prefix="WHISPER_", env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )

    log_dir: Path = Field(default=Path("logs"), description="Directory of the logs")
    roles: str = Field(
        default="",
        description="Parts of the service that run on this machine, of `worker`, `api`, `webhooks`; empty: all. Others "
        "run elsewhere, on the same Redis and data",
    )

    @field_validator("roles")
    @classmethod
    def _check_roles(cls, roles: str) -> str:
        Roles.parse(roles)
        return roles


class SettingsInvalid(Exception):
    """Names each setting and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class ServiceConfig:
    """One service as its settings describe it."""

    api: ApiSettings
    worker: WorkerSettings
    log_dir: Path
    wyoming: WyomingSettings
    roles: Roles = Roles()

    @classmethod
    def from_settings(cls) -> ServiceConfig:
        """Raises SettingsInvalid."""
        try:
            own = LauncherSettings()
            roles = Roles.parse(own.roles)
            service = cls(ApiSettings(), WorkerSettings(), own.log_dir, WyomingSettings(), roles)
        except ValidationError as error:
            raise SettingsInvalid(explain(error)) from None
        if problem := service.wyoming.problem_with(service.api):
            raise SettingsInvalid(problem)
        if not service.roles.are_all and not service.worker.redis_url:
            raise SettingsInvalid(NEEDS_REDIS)
        _make_writable("WHISPER_DATA_DIR", service.worker.data_dir)
        _make_writable("WHISPER_LOG_DIR", service.log_dir)
        return service

    @property
    def log_file(self) -> Path:
        return self.log_dir / f"{self._name}.log"

    @property
    def redis_log_file(self) -> Path:
        return self.log_dir / "redis.log"

    @property
    def pid_file(self) -> Path:
        return self._directory / f"{self._name}.pid"

    @property
    def stop_file(self) -> Path:
        """If there are no signals, this file asks the service to stop."""
        return self._directory / f"{self._name}.stop"

    @property
    def drain_file(self) -> Path:
        return self._directory / f"{self._name}.drain"

    def parts_here(self) -> list[ServiceConfig]:
        """This, or if it is all parts, also those that were started by themselves; those with a worker first."""
        if not self.roles.are_all:
            return [self]
        names = (path.name.split(".")[1] for path in sorted(self.log_dir.glob("whisper-native.*.pid"), reverse=True))
        return [self, *(replace(self, roles=Roles.parse(name.replace("-", ","))) for name in names)]

    @property
    def _name(self) -> str:
        return f"whisper-native{self.roles.suffix}"

    @property
    def _directory(self) -> Path:
        """Of what is this machine's own: the data may be others', too."""
        return self.worker.data_dir if self.roles.are_all else self.log_dir.resolve()


def _make_writable(setting: str, directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsInvalid(f"{setting}: the directory {directory} cannot be made: {error.strerror}.") from None
    if not os.access(directory, os.W_OK | os.X_OK):
        raise SettingsInvalid(f"{setting}: the directory {directory} cannot be written to by this user.")
