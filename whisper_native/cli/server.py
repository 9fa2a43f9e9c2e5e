"""`whisper-native models`, `login` and `completion`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from whisper_native.cli import options
from whisper_native.cli.configuration import DEFAULT_URL, Address, address, store


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print each model as a JSON object.")
@options.connected
def models(as_json: bool, **given: Any) -> int:
    """Lists the server's models; * marks those that are in memory."""
    from whisper_native.http.server import models as listed

    for model in listed(options.connect(given)):
        click.echo(json.dumps(model) if as_json else f"{'*' if model.get('loaded') else ' '} {model['id']}")
    return 0


@click.command()
@click.option("--url", help="Address of the server, such as http://nas.local:9001.")
@click.option("--key", help="API key; asked for if it is not given, and read from a pipe.")
def login(url: str | None, key: str | None) -> int:
    """Stores a server's address and key, once the server has taken them."""
    from whisper_native.http.connection import Connection
    from whisper_native.http.server import models as listed

    if not url:
        known = address(None, None).url
        url = str(click.prompt("Server", default=known or DEFAULT_URL, err=True)) if sys.stdin.isatty() else known
    if key is None:
        key = _asked_key()
    connection = Connection(url, key or None, patience=0)
    count = len(listed(connection))
    path = store(Address(connection.url, key or None))
    click.echo(f"Logged in to {connection.url} ({count} models). Stored in {path}.", err=True)
    return 0


def _asked_key() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    asked = click.prompt("Key (empty for none)", default="", show_default=False, hide_input=True, err=True)
    return str(asked).strip()


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Prints the completions for a shell: put `eval "$(whisper-native completion bash)"` into its start file."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    click.echo(kind(root, {}, "whisper-native", "_WHISPER_NATIVE_COMPLETE").source())
    return 0
