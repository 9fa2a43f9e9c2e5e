"""Keeps the service's processes running: starts them in order, restarts what dies, stops them in reverse."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from scripts.supervision.restart_policy import START_LIMIT, RestartPolicy
from scripts.supervision.signals import Signals
from worker.runtime.exit_codes import STORE_AWAY
from worker.runtime.lifeline import PARENT_PIPE
from worker.runtime.timing import Timing

TICK = 0.1  # seconds between two looks at the children, while not all are up …
QUIET_TICK = 0.5  # … and once they are, if the system wakes whoever waits for a child's end
STOP_TICK = 0.02  # while they end one after the other
EXHAUSTED = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)  # it passes, and is no reason to end the others

log = logging.getLogger(__name__)


class ChildCannotStart(Exception):
    """A child process ends again and again right after its start; its own messages say why."""


def _no_wait() -> bool:
    return True


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A process to keep running.

    ready: children named after this one are started once it holds.
    hangs: asked again and again of one that was ready; if it does, it is killed and started again.
    lifeline: the child follows its standard input (worker.runtime.lifeline); others get a signal if the system has one.
    stop: how to ask it to end, if closing its standard input or SIGTERM will not do.
    died: told the process id and the exit code (of a signal: negative) of an instance that ended without being asked
      to. If the system can, no one else finds it gone before.
    failed: told the exit code of one that did so before it was ready.
    successors: exit codes that are no failure, and what the environment of the next instance has more.
    last: exit codes after which there is no next instance; with the last child that has such, the others stop.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = _no_wait
    hangs: Callable[[], bool] = _never
    lifeline: bool = True
    stop: Callable[[], None] | None = None
    died: Callable[[int, int], None] | None = None
    failed: Callable[[int], None] | None = None
    successors: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    last: Sequence[int] = ()


class Child:
    """One process at most of one spec."""

    def __init__(self, spec: ChildSpec, clock: Callable[[], float], timing: Timing = Timing()) -> None:
        self.spec = spec
        self._clock = clock
        self._timing = timing
        self._policy = RestartPolicy(timing)
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._due_at = 0.0
        self._ready = False
        self.is_over = False
        self._more: Mapping[str, str] = {}  # environment, beside the spec's

    def tend(self, *, may_start: bool) -> bool:
        """Starts the process if it is due, notices its death, and returns whether it is up and ready."""
        if self._process is None:
            if may_start and not self.is_over and self._clock() >= self._due_at:
                self._start()
            return self.is_over or (self.spec.ready is _no_wait and self._process is not None)
        code = _exit_code(self._process)
        if code is not None:
            self._bury(self._process, code)
            return False
        self._ready = self._ready or self.spec.ready()
        if self._ready and self.spec.hangs():
            log.error("%s (pid %d) has hung for too long: it is killed.", self.spec.name, self._process.pid)
            self._process.kill()
        return self._ready

    def ask_to_stop(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        if self.spec.stop is not None:
            self.spec.stop()
        elif os.name == "nt" and self.spec.lifeline:
            _close_lifeline(process)  # Windows has no signal to ask with
        else:
            process.terminate()

    def gone(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def end(self) -> None:
        """Kills the process if it is still there."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            log.warning("%s (pid %d) does not stop: killed.", self.spec.name, process.pid)
            process.kill()
            process.wait()
        _close_lifeline(process)

    def _start(self) -> None:
        try:
            self._process = _spawn(self.spec, self._more)
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            delay = self._timing.spawn_retry
            self._due_at = self._clock() + delay
            log.error("%s could not be started: %s; trying again in %.0f s.", self.spec.name, error, delay)
            return
        self._started_at = self._clock()
        self._ready = False
        log.info("%s started (pid %d).", self.spec.name, self._process.pid)

    def _bury(self, process: subprocess.Popen[bytes], code: int) -> None:
        if self.spec.died is not None:
            self.spec.died(process.pid, code)
        process.wait()
        _close_lifeline(process)
        self._process = None
        self._more = self.spec.successors.get(process.returncode, {})
        self.is_over = process.returncode in self.spec.last
        if self.is_over:
            log.info("%s (pid %d) has nothing in hand any more.", self.spec.name, process.pid)
        elif process.returncode in self.spec.successors:
            log.info("%s (pid %d) makes way for its successor.", self.spec.name, process.pid)
        else:
            self._due_at = self._clock() + self._delay_after(process)
        if self.spec.failed is not None and not self._ready:
            self.spec.failed(process.returncode)

    def _delay_after(self, process: subprocess.Popen[bytes]) -> float:
        lived = self._clock() - self._started_at
        code = process.returncode
        delay = self._policy.delay_after(lived, by_signal=code < 0, has_excuse=code == STORE_AWAY)
        end = _describe_end(code)
        if self._policy.hopeless:
            raise ChildCannotStart(f"{self.spec.name} {end} {START_LIMIT} times in a row right after its start.")
        name = self.spec.name
        log.error("%s (pid %d) %s after %.1f s; starting it again in %.1f s.", name, process.pid, end, lived, delay)
        return delay


class Supervisor:
    """Runs `children` until SIGTERM, SIGINT, SIGHUP or `should_stop`; they stop last first. A second signal kills.

    each_round: what else is to be done again and again, quickly, on this thread: with a second one, starting a child
    after a fork could wait for ever.
    """

    def __init__(
        self,
        children: Sequence[ChildSpec],
        *,
        should_stop: Callable[[], bool] = lambda: False,
        each_round: Callable[[], None] = lambda: None,
        timing: Timing = Timing(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = [Child(spec, clock, timing) for spec in children]
        self._should_stop = should_stop
        self._each_round = each_round
        self._grace = timing.grace
        self._clock = clock
        self._asked = 0  # to stop, by signals

    def run(self) -> None:
        """Raises ChildCannotStart if a child never stays up; the others are stopped first."""
        with Signals(self._on_signal) as signals:
            try:
                while not self._asked and not self._should_stop() and not self._are_over():
                    is_quiet = self._tend() and signals.wake_for_children
                    self._each_round()
                    signals.sleep(QUIET_TICK if is_quiet else TICK)
            finally:
                self._stop()

    def _are_over(self) -> bool:
        over = [child.is_over for child in self._children if child.spec.last]
        return bool(over) and all(over)

    def _on_signal(self) -> None:
        self._asked += 1

    def _tend(self) -> bool:
        """Whether all are up and ready."""
        ready = True
        for child in self._children:
            ready = child.tend(may_start=ready) and ready
        return ready

    def _stop(self) -> None:
        log.info("Stopping.")
        for child in reversed(self._children):
            child.ask_to_stop()
            deadline = self._clock() + self._grace
            while not child.gone() and self._asked < 2 and self._clock() < deadline:
                time.sleep(STOP_TICK)
            child.end()


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """None while it runs. Unlike `poll` it leaves the dead process in the system's table, if the system can."""
    if process.returncode is not None or not hasattr(os, "waitid"):
        return process.poll()
    end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if end is None:
        return None
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


def _close_lifeline(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _describe_end(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    names = {number.value: number.name for number in signal.Signals}
    return f"was ended by {names.get(-code, f'signal {-code}')}"


def _spawn(spec: ChildSpec, more: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A process group of its own, so that Ctrl-C in the terminal reaches the supervisor alone."""
    env = {**os.environ, **spec.env, **more, **({PARENT_PIPE: "1"} if spec.lifeline else {})}
    stdin = subprocess.PIPE if spec.lifeline else subprocess.DEVNULL
    if sys.platform == "win32":
        return subprocess.Popen(spec.argv, env=env, stdin=stdin, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP)
    else:  # noqa: RET505 - mypy calls what follows an early return unreachable on the other platform
        follow = None if spec.lifeline else _end_with_parent()
        return subprocess.Popen(spec.argv, env=env, stdin=stdin, process_group=0, preexec_fn=follow)


def _end_with_parent() -> Callable[[], None] | None:
    """On Linux, makes the kernel send SIGTERM to the new process when this one dies."""
    if platform.system() != "Linux":
        return None
    set_option = ctypes.CDLL(None).prctl  # looked up before the fork, after which only a system call is safe
    supervisor = os.getpid()

    def follow() -> None:
        set_option(1, signal.SIGTERM)  # 1 is PR_SET_PDEATHSIG
        if os.getppid() != supervisor:
            os._exit(1)

    return follow
