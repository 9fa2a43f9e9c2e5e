"""Which process on which machine: the name of each worker, and what can be said of one by its name alone.

<host>-<boot>-<pids>-<random>-<pid>  host: its name. boot, pids: which start of which system, and which of its spaces of
                                     process ids; random: each process's own, since a pid is used again
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import uuid
from functools import cache
from pathlib import Path


def process_name() -> str:
    """This process."""
    return f"{_machine()}-{_random()}-{os.getpid()}"


def process_of(slot: str) -> str:
    """The process a slot belongs to, by its name: `<queue>.<process>.<random>`."""
    return slot.partition(".")[2].rpartition(".")[0]


def local_pid(name: str) -> int | None:
    """The process id behind the name of a process of this machine; None for one of another."""
    before, _, pid = name.rpartition("-")
    is_here = _machine() in (before, before.rpartition("-")[0])  # an earlier version's name has no random part
    return int(pid) if is_here and pid.isdecimal() else None


def is_dead(slot: str) -> bool:
    """Whether the process of a slot is certain to be gone, which only its own machine can say."""
    name = process_of(slot)
    pid = local_pid(name)
    if pid is None or os.name == "nt" or not _boot():  # Windows has no way to ask without killing
        return False
    if pid == os.getpid():
        return name != process_name()  # whoever had our number before, as every process 1 of a container does
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@cache
def _random() -> str:
    return uuid.uuid4().hex[:8]


@cache
def _machine() -> str:
    """This machine since it was started. Two may share a name; containers, all but the space of pids."""
    return "-".join(filter(None, (socket.gethostname(), _boot() or f"{uuid.getnode():012x}", _process_ids())))


@cache
def _boot() -> str:
    """Which start of this system it is; empty if it does not say."""
    linux = Path("/proc/sys/kernel/random/boot_id")
    if linux.exists():
        return linux.read_text()[:8]
    return _boot_session() if sys.platform == "darwin" else ""


def _boot_session() -> str:
    """As macOS names it."""
    text, size = ctypes.create_string_buffer(64), ctypes.c_size_t(64)
    failed = ctypes.CDLL(None).sysctlbyname(b"kern.bootsessionuuid", text, ctypes.byref(size), None, ctypes.c_size_t(0))
    return "" if failed else text.value.decode("ascii", "replace")[:8].lower()


def _process_ids() -> str:
    """Linux's number for the space of process ids that this one is in; empty elsewhere."""
    namespace = Path("/proc/self/ns/pid")
    return "".join(filter(str.isdecimal, os.readlink(namespace))) if namespace.exists() else ""
