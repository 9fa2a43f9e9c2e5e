"""The commands of whisper-native.py, one function each; each returns the exit code."""

from __future__ import annotations

import argparse
import os
import sys
import time
import webbrowser
from collections.abc import Mapping
from dataclasses import replace

from dotenv import dotenv_values

from scripts.cli.command_line import NOT_RUNNING
from scripts.cli.store_copy import copy_store
from scripts.doctor.report import report
from scripts.fleet.invitation import OWN_REDIS, invitation
from scripts.fleet.roles import Roles
from scripts.service.background import StartFailed, start_and_wait
from scripts.service.config import ServiceConfig, SettingsInvalid
from scripts.service.foreground import run
from scripts.service.guide import SCRIPT, usage
from scripts.service.log_file import show
from scripts.service.pid_file import AlreadyRunning, PidFile, Running
from scripts.service.readiness import ask_parts
from scripts.service.stopping import drain_running, stop_running
from scripts.setup_environment import is_checkout
from worker.webhooks.keys import key_of, new_secret, own_secret


def execute(arguments: argparse.Namespace, overrides: Mapping[str, str]) -> int:
    """Runs the command the arguments name."""
    try:
        if arguments.command == "doctor":
            return report()  # it says itself what is wrong with the settings
        if arguments.command == "download":
            return download(arguments)
        service = ServiceConfig.from_settings()
        match arguments.command:
            case "run":
                return run(service, overrides, arguments.log, arguments.wait)
            case "start":
                return start(service, overrides, arguments.wait)
            case "restart":
                return restart(service, overrides, arguments.wait)
            case "dashboard":
                return dashboard(service, overrides, arguments.wait)
            case "stop":
                return stop(service, arguments.wait if arguments.drain else None)
            case "status":
                return status(service)
            case "invite":
                return invite(service)
            case "store":
                return copy_store(service, arguments.source, arguments.target)
            case "webhook-secret":
                return webhook_secret(service, new=arguments.new)
            case _:
                return logs(service, arguments.lines, follow=arguments.follow)
    except SettingsInvalid as error:
        print(error, file=sys.stderr)
        return 2
    except AlreadyRunning:
        print("The service is just starting or stopping. Try again in a moment.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print()
        return 130


def start(service: ServiceConfig, overrides: Mapping[str, str], wait: float) -> int:
    if other := _running(service):
        service, running = other
        print(f"whisper-native is already running: {running.url or service.roles} (pid {running.pid}).")
        if overrides:
            print(f"The options were not applied. To change them: {SCRIPT} restart ...")
        return 0
    try:
        running = start_and_wait(service, overrides, wait)
    except StartFailed as error:
        print(error, file=sys.stderr)
        return 1
    how, needs_key = _how_to_stop(), bool(service.api.api_keys)
    print(f"\n{usage(running.url, needs_key=needs_key, stop=how, log=running.log, parts=str(service.roles))}")
    return 0


def restart(service: ServiceConfig, overrides: Mapping[str, str], wait: float) -> int:
    """With the options it was started with, except if new ones are given."""
    running = _held(service)
    if not running:
        return start(service, overrides, wait)
    environment = dict(os.environ)
    for part, holder in running:
        merged = {**holder.overrides, **overrides}
        os.environ.clear()  # of what another part was started with
        os.environ.update({**environment, **merged})
        if code := _stop(part, holder) or start(ServiceConfig.from_settings(), merged, wait):
            return code
    return 0


def stop(service: ServiceConfig, drain: float | None = None) -> int:
    """drain: seconds that jobs in hand may take to end first. All parts that run on this machine, unless --only or the
    settings name some."""
    running = _held(service)
    if not running:
        print("whisper-native is not running.")
    return max((_stop(part, holder, drain) for part, holder in running), default=0)


def _stop(service: ServiceConfig, running: Running, drain: float | None = None) -> int:
    try:
        end = stop_running(running, service) if drain is None else drain_running(running, service, drain)
    except KeyboardInterrupt:
        print(f"\nIt goes on draining in the background. To stop it at once: {SCRIPT} stop")
        return 130
    if end is None:
        print(f"whisper-native (pid {running.pid}) cannot be stopped. End that process by hand.", file=sys.stderr)
        return 1
    print(f"whisper-native (pid {running.pid}) was {end}.")
    return 0


def status(service: ServiceConfig) -> int:
    running = _held(service)
    if not running:
        print(f"whisper-native is not running. Start it with: {SCRIPT} start")
        return NOT_RUNNING
    return max(_status(part, holder) for part, holder in running)


def _status(service: ServiceConfig, running: Running) -> int:
    readiness = ask_parts(service.roles, running.url, running.redis_url, service.api.any_key)
    state = readiness.state
    uptime = _duration(time.time() - running.started_at)
    what = "" if service.roles.are_all else f" ({service.roles})"
    where = f": {running.url}" if running.url else ""
    print(f"whisper-native{what} is running{state}{where} (pid {running.pid}, up {uptime})")
    if not readiness.answers:
        print("  api      does not answer (yet)" if running.url else "  worker   is not heard of (yet)")
    for name, (is_ok, detail) in readiness.checks.items():
        print(f"  {name:8} {'' if is_ok else 'NOT OK: '}{detail}")
    print(f"  log      {running.log or 'the terminal it runs in'}")
    return 0 if readiness.ready else 1


def _running(service: ServiceConfig) -> tuple[ServiceConfig, Running] | None:
    """What runs on this machine already of what is to be started."""
    found = _held(replace(service, roles=Roles()))
    return next(((part, holder) for part, holder in found if part.roles.overlap(service.roles)), None)


def _held(service: ServiceConfig) -> list[tuple[ServiceConfig, Running]]:
    """All parts of it that run on this machine."""
    found = ((part, PidFile(part.pid_file).holder()) for part in service.parts_here())
    return [(part, holder) for part, holder in found if holder]


def logs(service: ServiceConfig, lines: int, *, follow: bool) -> int:
    if not service.log_file.exists():
        print(f"There is no log yet ({service.log_file}). The service writes one when started in the background.")
        return 0
    show(service.log_file, lines, follow=follow)
    return 0


def webhook_secret(service: ServiceConfig, *, new: bool) -> int:
    """Secrets one a line on standard output; what else there is to know on the other."""
    configured = [secret.get_secret_value() for secret in service.worker.webhook_secret]
    found = [new_secret()] if new else configured or [own_secret(service.worker.data_dir)]
    for secret in found:
        print(secret)
        print(f"  as text, for tools that take no base64: {key_of(secret).decode('ascii', 'replace')}", file=sys.stderr)
    return 0


def invite(service: ServiceConfig) -> int:
    """The line on standard output, and what has to be done for it on the other."""
    settings = {name: value for name, value in {**dotenv_values(".env"), **os.environ}.items() if value}
    found = invitation(settings, str(service.worker.data_dir.resolve()))
    if found is None:
        print(OWN_REDIS, file=sys.stderr)
        return 1
    print("In a clone of this repository on the other machine:\n", file=sys.stderr)
    print(found.line)
    print("", *(f"- {note}" for note in found.notes), sep="\n", file=sys.stderr)
    return 0


def download(arguments: argparse.Namespace) -> int:
    from scripts import download_model  # not before: it needs the engines

    options = {"--engine": arguments.engine, "--to": arguments.to}
    words = [word for name, value in options.items() if value for word in (name, str(value))]
    return download_model.main([*arguments.models, *words, *(["--list"] if arguments.list else [])])


def dashboard(service: ServiceConfig, overrides: Mapping[str, str], wait: float) -> int:
    """Opens the queue dashboard if there is a browser to open it in."""
    if code := start(service, overrides, wait):
        return code
    here = _held(replace(service, roles=Roles()))
    served = next((holder.url for _, holder in here if holder.url), "")
    if not served:
        print("\nNo API runs on this machine. The dashboard is at /rq of the one that does.", file=sys.stderr)
        return 1
    url = f"{served}/rq"
    print(f"\nDashboard: {url}")
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)
    return 0


def _how_to_stop() -> str:
    has_make = os.name != "nt" and is_checkout()
    return f"make whisper-native-stop   (or {SCRIPT} stop)" if has_make else f"{SCRIPT} stop"


def _duration(seconds: float) -> str:
    minutes, _ = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"
