"""`whisper-native mcp` as an agent starts it: the real client over standard input and output, and a running service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from tests.acceptance.client.command import Command
from tests.acceptance.live import DEADLINE, LiveService
from tests.acceptance.subtitles import read_srt

Agent = Callable[[Client], Awaitable[Any]]


def ask(command: Command, agent: Agent, progress: list[float] | None = None) -> Any:
    """What the agent makes of the tools."""
    program, *arguments = command.argv("mcp")
    server = StdioServerParameters(command=program, args=arguments, env=command.environment)

    async def run() -> Any:
        async with Client(server) as client:
            return await agent(client)

    return asyncio.run(run())


async def called(client: Client, tool: str, **arguments: Any) -> Any:
    """The structured answer, or the text of one that has none."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    if answer.structured_content is None:
        [part] = answer.content
        return part.text  # type: ignore[union-attr] # all parts are texts
    found = answer.structured_content
    return found["result"] if list(found) == ["result"] else found


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error, answer
    return " ".join(part.text for part in answer.content)  # type: ignore[union-attr] # likewise


async def until_found(client: Client, text: str, job_id: str) -> None:
    """Transcripts are indexed soon after their jobs have ended."""
    async with asyncio.timeout(DEADLINE):
        while job_id not in {each["id"] for each in await called(client, "search", text=text, limit=100)}:
            await asyncio.sleep(0.1)


@pytest.fixture
def command(tmp_path: Path, quick: LiveService) -> Command:
    return Command(tmp_path, quick.url)


def test_from_a_file_to_its_transcript_in_one_call(command: Command, clip: Path, quick: LiveService) -> None:
    seen: list[float] = []

    async def agent(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"transcribe", "job_status", "get_transcript", "list_jobs", "search"} == set(tools)
        assert all(tool.description and tool.annotations for tool in tools.values())

        async def note(progress: float, total: float | None, message: str | None) -> None:
            seen.append(progress)

        answer = await client.call_tool("transcribe", {"path": str(clip), "language": "en"}, progress_callback=note)
        found = answer.structured_content
        assert found is not None
        job = found["job"]
        assert (job["status"], job["name"], job["language"], job["error"]) == ("finished", clip.name, "en", None)
        assert found["transcript"].startswith("[00:00:00] w0.0")
        again = await called(client, "transcribe", path=str(clip), language="en", format="srt")
        assert again["job"]["id"] == job["id"], "the same recording with the same options is the same job"
        assert read_srt(again["transcript"])
        assert (await called(client, "job_status", job=job["id"], wait=1))["progress"] == 1
        assert job["id"] in {each["id"] for each in await called(client, "list_jobs", status="finished")}
        await until_found(client, f"{clip.stem.upper()} w0.2", job["id"])
        assert await called(client, "search", text="of no recording") == []
        parts = json.loads(await called(client, "get_transcript", job=job["id"], format="json", start=1, end=2))
        assert all(part["end"] > 1 and part["start"] < 2 for part in parts["segments"])
        assert await called(client, "get_transcript", job=job["id"], start=5) == ""

    ask(command, agent)
    assert seen[-1] == 1


def test_an_agent_is_told_what_a_user_is_told(command: Command, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("key")
    (tmp_path / "talk.mp3").symlink_to("secret.txt")
    (tmp_path / "noise.mp3").write_bytes(b"no sound at all")

    async def agent(client: Client) -> None:
        assert "either `path` or `url`" in await refused(client, "transcribe")
        assert "full path" in await refused(client, "transcribe", path="missing.mp3")
        for name in ("secret.txt", "talk.mp3"):  # a link to what is none
            assert "not a recording" in await refused(client, "transcribe", path=str(tmp_path / name))
        assert "not a file" in await refused(client, "transcribe", path="/dev/zero")
        assert "WHISPER_URL_ALLOWED" in await refused(client, "transcribe", url="http://169.254.169.254/a.mp3")
        assert "list_jobs" in await refused(client, "job_status", job="../info")
        assert "There is no job" in await refused(client, "get_transcript", job="job_" + "0" * 28)
        failed = await called(client, "transcribe", path=str(tmp_path / "noise.mp3"))
        assert (failed["job"]["status"], failed["transcript"]) == ("failed", None)
        assert failed["job"]["error"].startswith("unsupported_media: ")

    ask(command, agent)


def test_a_server_that_is_away_or_wants_a_key_is_named(tmp_path: Path, keyed: LiveService) -> None:
    async def agent(client: Client) -> str:
        return await refused(client, "list_jobs")

    assert "whisper-native serve" in ask(Command(tmp_path, "http://127.0.0.1:1"), agent)
    assert "whisper-native login" in ask(Command(tmp_path, keyed.url), agent)


def test_without_its_package_the_command_says_what_to_install(tmp_path: Path, command: Command) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['mcp'] = None\n")
    command.more["PYTHONPATH"] = f"{tmp_path}:{Path(__file__).parents[3]}"
    ended = command.run("mcp")
    assert ended.returncode == 1
    assert b"pip install 'whisper-native[mcp]'" in ended.stderr
