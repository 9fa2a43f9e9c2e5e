"""Many recordings at a time: some threads read and send them, others follow their jobs and write what comes of them.

add ─► uploads ─► job ─► followers ─► transcripts ─► endings
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from whisper_native.errors import Failure, Stopped, failure_of
from whisper_native.http.openai_server import OpenAIServer
from whisper_native.http.server import Server
from whisper_native.recordings.content import Recording, read
from whisper_native.recordings.outputs import FORMATS, Plan, write
from whisper_native.running.display import Display
from whisper_native.running.ending import Ending
from whisper_native.running.wishes import Wishes

FOLLOWERS = 8  # jobs that are followed at once; the server runs two or so at a time

Service = Server | OpenAIServer
Job = dict[str, Any]  # as the server describes it


class Batch:
    """Belongs to the main thread; its own are left behind when the process ends. tell: told each piece of text."""

    def __init__(self, service: Service, wishes: Wishes, display: Display, tell: Callable[[str], None]) -> None:
        self._service = service
        self._wishes = wishes
        self._display = display
        self._tell = tell
        self._stop = service.connection.stop
        self._waiting: queue.SimpleQueue[Plan] = queue.SimpleQueue()
        self._followed: queue.SimpleQueue[tuple[Plan, Job]] = queue.SimpleQueue()
        self._endings: queue.SimpleQueue[Ending] = queue.SimpleQueue()
        self._jobs: dict[str, Plan] = {}  # accepted, and not ended
        self._under_way = 0
        self._uploading = 0
        self._lock = threading.Lock()
        followers = 1 if wishes.tells else FOLLOWERS
        for work, count in ((self._upload_all, wishes.uploads), (self._follow_all, followers)):
            for _ in range(count):
                threading.Thread(target=work, daemon=True).start()

    def add(self, plan: Plan) -> None:
        self._under_way += 1
        self._waiting.put(plan)

    def poll(self, seconds: float) -> Ending | None:
        """The next recording that has ended, or None if none does in that time."""
        try:
            ending = self._endings.get(timeout=seconds)
        except queue.Empty:
            return None
        self._under_way -= 1
        return ending

    @property
    def is_done(self) -> bool:
        return self._under_way == 0

    def stop(self, patience: float) -> list[str]:
        """Leaves everything; returns the jobs that go on. patience: seconds for what is sent to be answered."""
        self._stop.set()
        deadline = time.monotonic() + patience
        while self._uploading and time.monotonic() < deadline:
            time.sleep(0.02)
        with self._lock:
            return list(self._jobs)

    def cancel(self) -> list[str]:
        """Cancels what was accepted; returns the jobs that could be."""
        canceled = []
        for job_id in list(self._jobs):
            with contextlib.suppress(Failure, Stopped):  # it has ended by now
                if isinstance(self._service, Server):
                    self._service.cancel(job_id)
                    canceled.append(job_id)
        return canceled

    def _upload_all(self) -> None:
        while True:
            self._guarded(self._upload, self._waiting.get(), {})

    def _follow_all(self) -> None:
        while True:
            self._guarded(self._follow, *self._followed.get())

    def _guarded(self, step: Callable[[Plan, Job], Ending | None], plan: Plan, job: Job) -> None:
        """What the step ends in, or what went wrong; None is not the end."""
        job_id = job.get("id")
        try:
            ending = step(plan, job)
        except Stopped:
            ending = Ending(plan, "stopped", job_id)
        except Failure as failure:
            ending = Ending(plan, "failed", job_id, failure=failure)
        except Exception as error:  # noqa: BLE001 - a thread that ends without a word would be waited for
            ending = Ending(plan, "failed", job_id, failure=Failure(f"{type(error).__name__}: {error}", "internal"))
        if ending is not None:
            self._display.gone(plan)
            self._endings.put(ending)

    def _upload(self, plan: Plan, _: Job) -> Ending | None:
        if self._stop.is_set():
            raise Stopped
        outputs = plan.outputs if self._wishes.overwrites else plan.missing
        if not outputs:
            return Ending(plan, "skipped")
        with self._lock:
            self._uploading += 1
        try:
            recording = self._read(plan)
            if isinstance(self._service, OpenAIServer):
                return self._transcribed(plan, self._service, recording)
            return self._submitted(plan, self._service, recording)
        finally:
            with self._lock:
                self._uploading -= 1

    def _read(self, plan: Plan) -> Recording:
        path = plan.source.path
        size = path.stat().st_size if path.exists() else None
        return read(path, plan.source.name, lambda done: self._display.stage(plan, "reading", done, size), self._stop)

    def _submitted(self, plan: Plan, server: Server, recording: Recording) -> Ending | None:
        def on_sent(done: int) -> None:
            self._display.stage(plan, "uploading", done, recording.size)

        job = server.submit(recording, self._wishes.fields, on_sent)
        self._display.message(f"{recording.name}: {job['id']} is {job['status']}", detail=True)
        if not self._wishes.waits:
            return Ending(plan, "queued", job["id"])
        with self._lock:
            self._jobs[job["id"]] = plan
        self._display.stage(plan, "waiting")
        self._followed.put((plan, job))
        return None

    def _transcribed(self, plan: Plan, server: OpenAIServer, recording: Recording) -> Ending:
        def on_sent(done: int) -> None:
            self._display.stage(plan, "uploading", done, recording.size)

        found = {}
        for name in self._outputs(plan):
            found[name] = server.transcribe(recording, self._wishes.fields, name, on_sent)
            self._display.stage(plan, "transcribing")
        return self._written(plan, None, found)

    def _follow(self, plan: Plan, job: Job) -> Ending:
        server = self._service
        assert isinstance(server, Server)
        ended = self._ended(plan, server, job["id"])
        with self._lock:
            self._jobs.pop(job["id"], None)
        if ended["status"] != "finished":
            error = ended.get("error") or {"code": ended["status"], "message": f"The job was {ended['status']}."}
            return Ending(plan, "failed", job["id"], failure=Failure(error["message"], error["code"]))
        found = {name: server.transcript(job["id"], FORMATS[name], self._wishes.layout) for name in self._outputs(plan)}
        return self._written(plan, job["id"], found)

    def _ended(self, plan: Plan, server: Server, job_id: str) -> Job:
        """The job once it has ended, which is shown and told on the way."""
        for event in server.follow(job_id):
            if event.name == "progress":
                self._display.stage(plan, "transcribing", event.data["processed"], event.data["total"] or None)
            elif event.name == "segment" and self._wishes.tells:
                self._tell(str(event.data["text"]).strip())
            elif event.name == "done":
                ended: Job = event.data
                return ended
            elif event.name == "error":
                raise failure_of(500, event.data)
        raise Failure(f"The events of {job_id} ended without its end.", "events")

    def _outputs(self, plan: Plan) -> list[str]:
        return list(plan.outputs if self._wishes.overwrites else plan.missing)

    def _written(self, plan: Plan, job_id: str | None, found: dict[str, bytes]) -> Ending:
        written, texts = [], {}
        for name, body in found.items():
            path = plan.outputs[name]
            if path is None:
                texts[name] = body
            else:
                write(path, body, plan.source.path)
                written.append(path)
        return Ending(plan, "finished", job_id, tuple(written), texts)
