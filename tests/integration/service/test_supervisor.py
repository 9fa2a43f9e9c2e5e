"""Children are started in order, restarted with back-off, stopped in reverse, and never outlive their supervisor."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from scripts.service.supervisor import ChildCannotStart, ChildSpec, Supervisor
from worker.runtime.timing import Timing

ROOT = Path(__file__).parents[3]
DEADLINE = 60.0  # seconds

NOTE = "import os, sys, time; open(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\n"
SLEEP = "time.sleep(60)\n"
LIFELINE = "from worker.runtime import lifeline; lifeline.watch(grace=1)\n"
HASTY = Timing(hand_back=0.1, drain=0.15, last_resort=0.2, api_stop=0.1, webhooks_stop=0.1, grace=0.3)
PATIENT = Timing(grace=DEADLINE, stop=4 * DEADLINE)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def spec(name: str, program: str, notes: Path, **more: object) -> ChildSpec:
    """A child that writes its pid to a file named after it, then does as the program says."""
    argv = (sys.executable, "-c", program, str(notes / name))
    return ChildSpec(name=name, argv=argv, **more)  # type: ignore[arg-type]


def pids(notes: Path, name: str) -> list[int]:
    path = notes / name
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def until(condition: Callable[[], bool]) -> Callable[[], bool]:
    """For `should_stop`: true once the condition holds; fails the test past the deadline."""
    deadline = time.monotonic() + DEADLINE

    def check() -> bool:
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        return condition()

    return check


def wait_for(condition: Callable[[], bool]) -> None:
    check = until(condition)
    while not check():
        time.sleep(0.02)


def hurried() -> float:
    """A clock on which the waits between restarts pass 20 times as fast."""
    return time.monotonic() * 20


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_child_is_replaced_and_the_log_names_the_signal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def second_one_runs() -> bool:
        seen = pids(tmp_path, "worker")
        if len(seen) == 1 and lives(seen[0]):
            os.kill(seen[0], signal.SIGKILL)
        return len(seen) == 2

    Supervisor([spec("worker", NOTE + SLEEP, tmp_path)], should_stop=until(second_one_runs)).run()
    assert "was ended by SIGKILL" in caplog.text
    assert "starting it again in 0.5 s" in caplog.text
    assert not any(lives(pid) for pid in pids(tmp_path, "worker"))


def test_there_is_never_a_second_instance_of_a_child(tmp_path: Path) -> None:
    alone = NOTE + (
        "lock = sys.argv[1] + '.lock'\n"
        "fd = os.open(lock, os.O_CREAT | os.O_EXCL)\n"  # fails, with a note, while another instance lives
        "time.sleep(0.05); os.unlink(lock); sys.exit(3)\n"
    )
    with pytest.raises(ChildCannotStart, match="exit code 3"):
        Supervisor([spec("worker", alone, tmp_path)], should_stop=until(lambda: False), clock=hurried).run()
    assert len(set(pids(tmp_path, "worker"))) == 5


def test_a_child_that_cannot_start_ends_the_others_and_says_so(tmp_path: Path) -> None:
    children = [spec("redis", NOTE + SLEEP, tmp_path), spec("api", NOTE + "sys.exit(7)", tmp_path)]
    with pytest.raises(ChildCannotStart, match="api ended with exit code 7 5 times in a row"):
        Supervisor(children, should_stop=until(lambda: False), clock=hurried).run()
    assert not any(lives(pid) for pid in pids(tmp_path, "redis"))


def test_a_child_starts_only_once_the_one_before_is_ready(tmp_path: Path) -> None:
    looks: list[bool] = []

    def ready() -> bool:
        looks.append(bool(pids(tmp_path, "worker")))
        return len(looks) >= 5

    children = [spec("redis", NOTE + SLEEP, tmp_path, ready=ready), spec("worker", NOTE + SLEEP, tmp_path)]
    Supervisor(children, should_stop=until(lambda: bool(pids(tmp_path, "worker")))).run()
    assert looks == [False] * 5


def test_children_stop_last_first_each_before_the_next(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    farewell = (
        "import signal\n"
        "def leave(*_):\n"
        f"    open({str(journal)!r}, 'a').write(os.path.basename(sys.argv[1]) + '\\n'); time.sleep(0.2)\n"
        f"    open({str(journal)!r}, 'a').write(os.path.basename(sys.argv[1]) + ' gone\\n'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
    )
    names = ("redis", "worker", "api")
    children = [spec(name, "import os, sys, time\n" + farewell + NOTE + SLEEP, tmp_path) for name in names]
    Supervisor(children, should_stop=until(lambda: all(pids(tmp_path, name) for name in names))).run()
    assert journal.read_text().split("\n")[:-1] == ["api", "api gone", "worker", "worker gone", "redis", "redis gone"]


def test_a_child_that_ignores_the_request_is_killed_after_the_grace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    children = [spec("worker", STUBBORN + NOTE + SLEEP, tmp_path)]
    Supervisor(children, should_stop=until(lambda: bool(pids(tmp_path, "worker"))), timing=HASTY).run()
    assert "does not stop: killed" in caplog.text
    assert not lives(pids(tmp_path, "worker")[0])


def test_a_child_may_be_asked_to_stop_in_its_own_way(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    program = f"{STUBBORN}{NOTE}while not os.path.exists({str(asked)!r}): time.sleep(0.02)\n"
    children = [spec("redis", program, tmp_path, stop=asked.touch)]
    started = time.monotonic()
    Supervisor(children, should_stop=until(lambda: bool(pids(tmp_path, "redis"))), timing=PATIENT).run()
    assert time.monotonic() - started < DEADLINE / 2


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Callable[[str, bool], subprocess.Popen[bytes]]]:
    """Starts a supervisor as a process of its own, over one child."""
    started: list[subprocess.Popen[bytes]] = []

    def start(program: str, lifeline: bool) -> subprocess.Popen[bytes]:
        code = (
            "import sys\n"
            "from scripts.service.supervisor import ChildSpec, Supervisor\n"
            "from worker.runtime.timing import Timing\n"
            f"argv = (sys.executable, '-c', {program!r}, {str(tmp_path / 'child')!r})\n"
            f"Supervisor([ChildSpec('child', argv, lifeline={lifeline})], timing=Timing(grace=60, stop=240)).run()\n"
        )
        started.append(subprocess.Popen([sys.executable, "-c", code], cwd=ROOT))
        wait_for(lambda: bool(pids(tmp_path, "child")))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    for pid in pids(tmp_path, "child"):
        if lives(pid):
            os.kill(pid, signal.SIGKILL)


Start = Callable[[str, bool], "subprocess.Popen[bytes]"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_each_stop_signal_stops_it_in_order_with_success(
    supervisor: Start, tmp_path: Path, number: signal.Signals
) -> None:
    process = supervisor(NOTE + SLEEP, False)
    process.send_signal(number)
    assert process.wait(DEADLINE) == 0
    assert not lives(pids(tmp_path, "child")[0])


def test_a_second_signal_ends_everything_at_once(supervisor: Start, tmp_path: Path) -> None:
    process = supervisor(STUBBORN + NOTE + SLEEP, False)
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: psutil.Process(process.pid).is_running())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)  # the first one waits for the child
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    assert not lives(pids(tmp_path, "child")[0])


def test_a_child_with_a_lifeline_ends_with_a_killed_supervisor(supervisor: Start, tmp_path: Path) -> None:
    process = supervisor(LIFELINE + NOTE + SLEEP, True)
    process.kill()
    wait_for(lambda: not lives(pids(tmp_path, "child")[0]))


def test_a_child_that_ignores_its_lifeline_ends_all_the_same(supervisor: Start, tmp_path: Path) -> None:
    process = supervisor(LIFELINE + STUBBORN + NOTE + SLEEP, True)
    process.kill()
    wait_for(lambda: not lives(pids(tmp_path, "child")[0]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_a_child_without_a_lifeline_ends_with_a_killed_supervisor_on_linux(supervisor: Start, tmp_path: Path) -> None:
    process = supervisor(NOTE + SLEEP, False)
    process.kill()
    wait_for(lambda: not lives(pids(tmp_path, "child")[0]))


def test_without_a_supervisor_the_lifeline_does_nothing() -> None:
    code = LIFELINE + "import sys; sys.stdin.read(); print('still here')"
    env = {key: value for key, value in os.environ.items() if key != "WHISPER_PARENT_PIPE"}
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, input="", capture_output=True, text=True, timeout=DEADLINE
    )
    assert (ended.returncode, ended.stdout) == (0, "still here\n")


def test_a_child_that_makes_way_is_followed_at_once_by_one_told_so(tmp_path: Path) -> None:
    """Its end is no failure: eight in a row, which a child that cannot start does not get, and nothing to wait for."""
    told = tmp_path / "told"
    makes_way = (
        f"print(os.environ.get('SUCCESSOR', 'first'), file=open({str(told)!r}, 'a'))\n"
        "if len(open(sys.argv[1]).read().split()) < 8: sys.exit(71)\n"
    )
    child = spec("worker", NOTE + makes_way + SLEEP, tmp_path, successors={71: {"SUCCESSOR": "yes"}})
    began = time.monotonic()
    Supervisor([child], should_stop=until(lambda: len(pids(tmp_path, "worker")) == 8)).run()
    assert told.read_text().split() == ["first", *["yes"] * 7]
    assert time.monotonic() - began < 50, "deaths would have been waited for: 0.5 s, 1 s, 2 s … a minute in all"
