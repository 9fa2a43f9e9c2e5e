"""The command whisper-native and its subcommands; each is loaded when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys

import click

from whisper_native.errors import INTERRUPTED, SOME_FAILED, Failure
from whisper_native.version import version

_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)

# Command -> its module and what the list of commands says of it.
COMMANDS = {
    "transcribe": ("transcribe", "Transcribe files, folders, patterns or standard input."),
    "watch": ("watch", "Transcribe what comes into a folder."),
    "jobs": ("jobs", "List your jobs."),
    "get": ("jobs", "Fetch transcripts of jobs."),
    "cancel": ("jobs", "Cancel jobs."),
    "retry": ("jobs", "Run jobs again, with other options if you like."),
    "models": ("server", "List the server's models."),
    "login": ("server", "Store a server's address and key."),
    "completion": ("server", "Print the completions for your shell."),
    "mcp": ("mcp", "Serve the server's jobs as tools to an agent (MCP)."),
    "serve": ("serve", "Start, stop and look at a server on this machine."),
}


class Commands(click.Group):
    """Subcommands by name. What is said of them here needs no module of theirs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"whisper_native.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda token: token.replace("_", "-"),  # Whisper's spellings too
        "max_content_width": 100,
    },
)
@click.version_option(version(), message="whisper-native %(version)s")
def whisper_native() -> None:
    """Transcribes recordings on a whisper-native server, or on another one with OpenAI's audio API.

    Exit codes: 0 all done, 1 some failed, 2 wrong usage, 3 server away, 4 key refused, 5 queue full, 130 interrupted.
    """


def run() -> int:
    """Runs the command of `sys.argv`; returns the exit code."""
    _open_what_is_closed()
    try:
        result = whisper_native.main(standalone_mode=False, prog_name="whisper-native")
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Failure as failure:
        print(failure, file=sys.stderr)
        return failure.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # as of `| head`
        _drop_output()
        return 1
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _drop_output()
        print(f"Standard output cannot be written: {error.strerror}.", file=sys.stderr)
        return SOME_FAILED


def _open_what_is_closed() -> None:
    """Python has None for a stream that the shell closed (`>&-`), and the next file would get its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as the process lives


def _drop_output() -> None:
    """What is still to be written would fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
