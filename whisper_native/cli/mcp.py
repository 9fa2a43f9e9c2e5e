"""`whisper-native mcp`."""

from __future__ import annotations

import importlib.util
from typing import Any

import click

from whisper_native.cli import options
from whisper_native.errors import SOME_FAILED
from whisper_native.version import version

PATIENCE = 10.0  # seconds to try again for: an agent waits a minute at most


@click.command()
@options.addressed
def mcp(**given: Any) -> int:
    """Serves the server's jobs as tools to an agent, by the Model Context Protocol over standard input and output.

    Agents start it by themselves: write into their settings the command `whisper-native` with the argument `mcp`, and
    WHISPER_URL and WHISPER_KEY for its environment unless `login` has stored them.
    """
    if importlib.util.find_spec("mcp") is None:
        click.echo(
            "A package is missing: pip install 'whisper-native[mcp]', or in a checkout: pip install '.[mcp]'", err=True
        )
        return SOME_FAILED
    from whisper_native.mcp.tools import mcp_server

    mcp_server(lambda: options.connect({**given, "patience": PATIENCE}), version()).run("stdio")
    return 0
