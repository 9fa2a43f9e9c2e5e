"""A job's recording on its way out."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO

import anyio
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from api.answers.media import content_type


class RecordingResponse(FileResponse):
    """Opened before the answer begins, so that a job that is deleted meanwhile is read to its end all the same.

    Raises FileNotFoundError if it is gone already.
    """

    def __init__(self, path: Path, filename: str) -> None:
        self._file: BinaryIO = open(path, "rb")  # noqa: SIM115 - closed when it has been sent
        try:
            status = os.fstat(self._file.fileno())
            self.size = status.st_size  # bytes
            super().__init__(path, media_type=content_type(self._file), filename=filename, stat_result=status)
        except BaseException:
            self._file.close()
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()

    def close(self) -> None:
        """For an answer that is not sent after all."""
        self._file.close()

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[anyio.AsyncFile[bytes]]:
        yield anyio.wrap_file(self._file)
