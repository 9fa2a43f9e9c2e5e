"""What an operator allows of a recording on its way in, whether a client sends it or the worker fetches it."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

MIN_BYTES = 64 * 1024  # bytes an upload brings in WHISPER_UPLOAD_STALL; less holds a connection open for its own sake


class UploadLimits(BaseSettings):
    """Environment variables with the prefix WHISPER_; a part of the API's settings and of the worker's."""

    max_upload_mb: int = Field(
        default=4096, ge=1, description="Largest recording, sent or fetched, in megabytes of 1 048 576 bytes"
    )
    min_free_disk_mb: int = Field(
        default=256, ge=0, description="Uploads are refused if they would leave less free disk than this, in megabytes"
    )
    upload_stall: float = Field(
        default=60.0, gt=0, description="An upload that sends less than 64 kB in this many seconds is aborted"
    )

    @property
    def max_upload_bytes(self) -> int:
        return self.max_upload_mb * 1024 * 1024

    @property
    def min_free_bytes(self) -> int:
        return self.min_free_disk_mb * 1024 * 1024
