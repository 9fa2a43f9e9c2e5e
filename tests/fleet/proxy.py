"""Stands between the machines and their store, and can be slow, refuse, or lose what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import threading

REFUSAL = (
    b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message>"
    b"</Error>"
)
REFUSED = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    % (len(REFUSAL), REFUSAL)
)
CHUNK = 256 * 1024  # bytes


class Proxy:
    """delay: seconds before each request goes on. is_refusing: it answers 503 itself. rate: bytes a second of what
    comes back, over one connection; 0 for as many as there are. All may be changed at any time."""

    def __init__(self, host: str, target: int) -> None:
        self.delay = 0.0
        self.rate = 0
        self.is_refusing = False
        self._host = host
        self._target = target  # a port of this machine
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, host, 0, limit=CHUNK))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    def well(self) -> None:
        self.delay, self.rate, self.is_refusing = 0.0, 0, False

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._pass(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            await reader.read(CHUNK)
            writer.write(REFUSED)
            await writer.drain()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target, limit=CHUNK)
        answers = asyncio.ensure_future(self._answers(there, writer))
        try:
            await self._requests(reader, back, writer)
        finally:
            answers.cancel()
            back.close()
            await asyncio.gather(answers, return_exceptions=True)

    async def _requests(
        self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            if self.is_refusing:
                writer.write(REFUSED)
                await writer.drain()
                return
            if self.delay and data.split(b" ", 1)[0] in (b"GET", b"PUT", b"HEAD", b"POST", b"DELETE"):
                await asyncio.sleep(self.delay)
            back.write(data)
            await back.drain()

    async def _answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await there.read(self.rate // 10 or CHUNK):
            writer.write(data)
            await writer.drain()
            if self.rate:
                await asyncio.sleep(0.1)
        writer.close()
