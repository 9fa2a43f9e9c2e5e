"""Every command in a document can be given as it stands there: its program, script, options and targets exist."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest
from rq.cli.cli import main as rq_cli

from scripts.cli import command_line
from scripts.documents.configuration import settings
from tests.project.documents import DOCUMENTS, ROOT, commands, name, spans, text
from whisper_native.cli.main import whisper_native

PYTHONS = ("python", "python3", ".venv/bin/python", ".venv-engines/bin/python", "py")
# Spans of running text that are commands, not names of files or settings.
COMMAND = re.compile(r"(make [a-z]|(python3?|py -3|\.venv\S*/python) )")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
# The acceptance tests send these to a running service; the rest is no program of ours.
SENT = ("curl",)
FOREIGN = ("git", "cd")


class Parsed(Exception):
    """A program's arguments were understood; it is not to go on."""


def all_commands() -> Iterator[tuple[str, str]]:
    """Each document's name and one of its commands."""
    for path in DOCUMENTS:
        document = text(path)
        found = [*commands(document), *filter(COMMAND.match, spans(document))]
        yield from ((name(path), command) for command in dict.fromkeys(found))


@pytest.mark.parametrize(("document", "command"), list(all_commands()))
def test_the_command_can_be_given(document: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program, *arguments = words(command)
    if program == "make":
        check_make(arguments)
    elif program in PYTHONS:
        check_python([word for word in arguments if word != "-3"], monkeypatch)
    elif program == "whisper-native":
        check_client(arguments)
    elif program == "pip":
        assert (arguments[0], arguments[1].partition("[")[0]) == ("install", ".")
        assert set(re.findall(r"\[(.*)\]", arguments[1])) <= extras()
    elif program == "docker":
        assert (ROOT / arguments[arguments.index("-f") + 1]).is_file()
    elif program == "echo":
        check_setting(arguments)
    elif program == ".venv/bin/rq":
        with rq_cli.commands[arguments[0]].make_context(arguments[0], arguments[1:]):
            pass  # its options were understood
    elif program == "cp":
        assert (ROOT / arguments[0]).is_file()
    else:
        assert program in SENT + FOREIGN, f"{document}: this test does not know what {program!r} is"


def words(command: str) -> list[str]:
    """The command's words, without the variables that are set for it."""
    found = shlex.split(command)
    while re.match(r"[A-Z_]+=", found[0]):
        found = found[1:]
    return found


def check_make(arguments: list[str]) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, flags=re.MULTILINE))
    variables = [word.partition("=") for word in arguments if "=" in word]
    assert {word for word in arguments if "=" not in word} <= targets
    for variable, _, value in variables:
        assert variable == "PYTHON" or f"$({variable})" in MAKEFILE
        assert variable != "EXTRA" or value in extras()


def extras() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"])


def check_python(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The script or module exists, and takes the options."""
    if arguments[:2] == ["-m", "pytest"]:
        paths = [word.partition("::")[0] for word in arguments[2:] if word.startswith("tests")]
        assert all((ROOT / path).exists() for path in paths)
        return
    module = arguments.pop(1) if arguments[0] == "-m" else script_module(arguments[0])
    assert importlib.util.find_spec(module), module
    takes(module, arguments[1:], monkeypatch)


def script_module(path: str) -> str:
    assert (ROOT / path).is_file(), path
    return path.removesuffix(".py").replace("/", ".")


def takes(module: str, options: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the program read its options, and stops it there."""
    if module == "scripts.whisper-native":
        command_line._parser().parse_args(options)
        return
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser, words: Sequence[str] | None = None) -> argparse.Namespace:
        parse(parser, words)
        raise Parsed

    monkeypatch.setattr(sys, "argv", [module, *options])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    program = importlib.import_module(f"{module}.__main__" if (ROOT / module.replace(".", "/")).is_dir() else module)
    if "ArgumentParser" not in Path(str(program.__file__)).read_text(encoding="utf-8"):
        assert not options
        return
    with pytest.raises(Parsed):
        program.main()


def check_client(arguments: list[str]) -> None:
    """Its command exists, and takes the options."""
    if arguments[:1] == ["serve"]:
        command_line._parser().parse_args([word for word in arguments[1:] if word] or ["start"])
        return
    root = click.Context(whisper_native, info_name="whisper-native", **whisper_native.context_settings)
    command = whisper_native.get_command(root, arguments[0])
    assert command is not None, arguments[0]
    with command.make_context(arguments[0], list(arguments[1:]), parent=root):
        pass  # its options were understood


def check_setting(arguments: list[str]) -> None:
    setting = arguments[0].partition("=")[0]
    assert setting in settings()
    assert arguments[1:] == [">>", ".env"]


@pytest.mark.parametrize(
    "command",
    [
        "make no-such-target",
        "make engine EXTRA=no-such-engine",
        "python3 scripts/whisper-native.py start --no-such-option",
        "python3 scripts/no_such_script.py",
        ".venv/bin/python scripts/download_model.py --no-such-option",
        "python -m pytest tests/no_such_test.py",
        "echo NO_SUCH_SETTING=1 >> .env",
        "no-such-program --help",
        "whisper-native no-such-command",
        "whisper-native transcribe talk.mp3 --no-such-option",
    ],
)
def test_a_command_that_cannot_be_given_is_found(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((AssertionError, SystemExit, click.UsageError)):
        test_the_command_can_be_given("a document", command, monkeypatch)


def test_the_windows_start_script_takes_the_options_that_are_documented() -> None:
    document = text(ROOT / "docs" / "CONFIGURATION.md")
    declared = re.findall(
        r"^    .*\[(?:string|int)\] \$(\w+),?$", text(ROOT / "scripts" / "run_server.ps1"), flags=re.MULTILINE
    )
    assert set(re.findall(r"`-(\w+)`", document)) == set(declared) != set()
