"""`whisper-native serve`: the service that comes with this package, or that this checkout is."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import click

from whisper_native.errors import SOME_FAILED
from whisper_native.version import SERVICE, service_root

STATE = "WHISPER_NATIVE_STATE"  # the directory of .env, data and logs, if there is no checkout


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND] [OPTIONS]")
def serve(arguments: tuple[str, ...]) -> int:
    """Starts the server and says how to use it, as `make whisper-native` does.

    Other commands: run (in the foreground), stop, restart, status, logs, doctor, dashboard, download (models).
    --help says more.
    """
    if SERVICE.is_dir() and importlib.util.find_spec("faster_whisper") is None:
        click.echo("The server is not installed: pip install 'whisper-native[server]'", err=True)
        return SOME_FAILED
    words = list(arguments) or ["start"]
    if words[0].startswith("-") and words[0] not in ("-h", "--help", "--version"):
        words.insert(0, "start")
    return _run([sys.executable, str(service_root() / "scripts" / "whisper-native.py"), *words])


def _run(command: list[str]) -> int:
    environment = dict(os.environ)
    if SERVICE.is_dir():
        state = Path(environment.get(STATE) or _state_folder())
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
        paths = (str(SERVICE), environment.get("PYTHONPATH"))
        environment |= {STATE: str(state), "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if os.name != "nt":  # there, exec would give the prompt back at once
        sys.stdout.flush()
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is meant
    with subprocess.Popen(command, env=environment) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # it got the same Ctrl-C and stops in good order


def _state_folder() -> Path:
    """Where the system keeps what programs remember."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "whisper-native"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "whisper-native"
    return Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state") / "whisper-native"
