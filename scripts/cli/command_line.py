"""The command line of whisper-native.py: reads it, sees to the environment, and hands over to the command.

Standard library only, since it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import gc
import os
import subprocess
import sys
from pathlib import Path

from scripts import setup_environment
from scripts.service.start_options import OPTIONS
from scripts.setup_environment import SetupFailed, venv_python
from worker.runtime.version import VERSION

STARTING = ("start", "restart", "run", "dashboard")  # these may set up what is missing
STATE = "WHISPER_NATIVE_STATE"  # the directory that `whisper-native serve` has for the service, without a checkout
NOT_RUNNING = 3  # exit code of `status`, as init scripts have it


def main(root: str) -> int:
    """Runs the command of `sys.argv`; returns the exit code."""
    arguments = _parser().parse_args()
    if not setup_environment.is_checkout():
        return _execute(arguments, os.environ[STATE])
    if arguments.command not in STARTING and not venv_python().exists():
        print("whisper-native is not set up, so it is not running. Set it up and start it with: make whisper-native")
        return {"status": NOT_RUNNING, "doctor": 1}.get(arguments.command, 0)
    try:
        python = setup_environment.ensure() if arguments.command in STARTING else venv_python()
    except SetupFailed as error:
        print(error, file=sys.stderr)
        return 1
    if not _is_inside(setup_environment.VENV):
        return _continue_with(python)
    return _execute(arguments, root)


def _execute(arguments: argparse.Namespace, directory: str) -> int:
    """directory: where .env, data/ and logs/ lie."""
    overrides = _overrides(arguments)
    os.environ.update(overrides)
    os.chdir(directory)
    gc.disable()  # while that is imported: looking again and again through what stays takes a tenth of the start
    from scripts.cli import commands  # not before: it needs what the environment holds

    gc.enable()
    return commands.execute(arguments, overrides)


def _parser() -> argparse.ArgumentParser:
    name = "whisper-native.py" if setup_environment.is_checkout() else "whisper-native serve"
    parser = argparse.ArgumentParser(prog=name, description="Manages the whisper-native service.")
    parser.add_argument("--version", action="version", version=f"whisper-native {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("start", "start in the background and wait until it is ready; sets up what is missing"),
        ("restart", "stop, then start with the same options"),
        ("run", "run in the foreground"),
        ("dashboard", "open the queue dashboard; starts the service if needed"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        for option, (setting, meaning) in OPTIONS.items():
            command.add_argument(f"--{option}", metavar=option.upper(), help=f"{meaning}; instead of {setting}")
        command.add_argument("--wait", type=float, default=900.0, help="seconds to wait until it is ready (900)")
        command.add_argument("--log", help=argparse.SUPPRESS)  # `start` tells `run` where its output goes
    stop = commands.add_parser("stop", help="stop the service")
    stop.add_argument("--drain", action="store_true", help="take no new jobs, and stop once those in hand have ended")
    stop.add_argument("--wait", type=float, default=900.0, help="seconds they may take (900); the rest goes on later")
    doctor = commands.add_parser("doctor", help="look at all the service needs; exit code 1 if something is missing")
    status = commands.add_parser(
        "status", help="whether it runs; exit code 0 ready, 1 running but not ready, 3 not running"
    )
    for command in (stop, doctor, status):
        command.add_argument("--only", metavar="ONLY", help="these parts of it; instead of WHISPER_ROLES")
    commands.add_parser("invite", help="print the line that makes another machine a worker of this service")
    store = commands.add_parser("store", help="copy all jobs from one store to another")
    copy = store.add_subparsers(dest="action", required=True, metavar="ACTION").add_parser(
        "copy",
        help="copy all jobs; again, and what has changed since",
        description="A store is a data directory, or s3://bucket/prefix with the keys of the settings (AWS_*).",
    )
    for name in ("source", "target"):
        copy.add_argument(name, metavar=name.upper(), type=_place)
    secret = commands.add_parser("webhook-secret", help="print the secret that webhooks are signed with")
    secret.add_argument("--new", action="store_true", help="make one up, to put into WHISPER_WEBHOOK_SECRET")
    download = commands.add_parser("download", help="fetch models ahead, or for a machine without a network")
    download.add_argument("models", nargs="*", metavar="MODEL", help="names or Hugging Face ids; else WHISPER_MODEL")
    download.add_argument("--engine", help="whose weights; instead of WHISPER_ENGINE")
    download.add_argument(
        "--to", type=lambda text: Path(text).resolve(), metavar="DIRECTORY", help="plain copies there"
    )
    download.add_argument("--list", action="store_true", help="names, sizes, and which are on this machine")
    logs = commands.add_parser("logs", help="show the end of the log")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    logs.add_argument("-n", "--lines", type=int, default=50, help="how many lines (50)")
    return parser


def _place(text: str) -> str:
    """Of a store. A directory is taken from where the command was given."""
    return text if "://" in text else str(Path(text).expanduser().resolve())


def _overrides(arguments: argparse.Namespace) -> dict[str, str]:
    """Settings that options replace. A model's directory is taken from where the command was given."""
    found = {}
    for option, (setting, _) in OPTIONS.items():
        value = getattr(arguments, option.replace("-", "_"), None)
        if value is not None:
            is_path = option == "model" and os.sep in value and Path(value).is_dir()
            found[setting] = str(Path(value).resolve()) if is_path else value
    return found


def _is_inside(venv: Path) -> bool:
    return Path(sys.prefix).resolve() == venv.resolve()


def _continue_with(python: Path) -> int:
    """The same command once more, run by the environment's own Python, from where it was given."""
    command = [str(python), *sys.argv]
    sys.stdout.flush()
    if os.name != "nt":  # there, exec would give the prompt back at once
        os.execv(command[0], command)  # noqa: S606 - no shell is meant
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue  # it got the same Ctrl-C and stops in good order
