"""docs/CLIENTS.md, where it says *run*: the clients themselves, installed as their users install them.

Those that need no installation are tested elsewhere: OpenAI's SDK for Python in openai/test_openai_sdk.py, `wyoming` in
voice, `mcp` in client, generated clients and curl in service, Standard Webhooks in jobs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.acceptance.live import LiveService
from tests.services import KEYS

FAKE_TEXT = "w0.0 w0.1 w0.2"  # what the engine without a model hears in the clip
PYTHON_PACKAGES = (
    "litellm==1.110.2", "langchain-community==0.4.2", "openai==3.57.0", "pydub==0.25.1", "imageio-ffmpeg==0.8.1",
)  # fmt: skip
NODE_PACKAGES = ("openai@6.49.0", "ai@6.0.326", "@ai-sdk/openai@3.0.141")
TIMEOUT = 280  # seconds for one step

LITELLM = """
import sys, litellm
url, key, path = sys.argv[1:]
with open(path, "rb") as file:
    heard = litellm.transcription(model="openai/whisper-1", file=file, api_base=f"{url}/v1", api_key=key)
print(heard.text)
"""

LANGCHAIN = """
import sys, warnings
warnings.simplefilter("ignore")
import imageio_ffmpeg, pydub
pydub.AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()
from langchain_community.document_loaders.parsers.audio import OpenAIWhisperParser
from langchain_core.documents.base import Blob
url, key, path = sys.argv[1:]
parser = OpenAIWhisperParser(base_url=f"{url}/v1", api_key=key)
print(" ".join(document.page_content for document in parser.lazy_parse(Blob.from_path(path))))
"""

OPENAI_NODE = """
import fs from "node:fs";
import OpenAI from "openai";
const [url, apiKey, path] = process.argv.slice(2);
const client = new OpenAI({baseURL: `${url}/v1`, apiKey});
const heard = await client.audio.transcriptions.create({model: "whisper-1", file: fs.createReadStream(path)});
console.log(heard.text);
const stream = await client.audio.transcriptions.create(
  {model: "whisper-1", file: fs.createReadStream(path), stream: true});
let told = "";
for await (const event of stream) if (event.type === "transcript.text.delta") told += event.delta;
if (told.trim() !== heard.text) throw new Error(told);
"""

VERCEL = """
import fs from "node:fs";
import {experimental_transcribe as transcribe} from "ai";
import {createOpenAI} from "@ai-sdk/openai";
const [url, apiKey, path] = process.argv.slice(2);
const model = createOpenAI({baseURL: `${url}/v1`, apiKey}).transcription("whisper-1");
const heard = await transcribe({model, audio: fs.readFileSync(path)});
if (!(heard.durationInSeconds > 2.5)) throw new Error(`a duration of ${heard.durationInSeconds}`);
console.log(heard.text);
"""

WYOMING_OPENAI = """
import asyncio, os, socket, subprocess, sys, time, wave
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioStop, wav_to_chunks
from wyoming.client import AsyncTcpClient

url, key, path = sys.argv[1:]
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
settings = {"WYOMING_URI": f"tcp://127.0.0.1:{port}", "WYOMING_LANGUAGES": "en", "STT_OPENAI_URL": f"{url}/v1",
            "STT_OPENAI_KEY": key, "STT_MODELS": "whisper-1", "STT_BACKEND": "OPENAI"}

async def ask():
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Transcribe(language="en").event())
        with wave.open(path) as sound:
            for chunk in wav_to_chunks(sound, 1024, start_event=True, stop_event=True):
                await client.write_event(chunk.event())
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                return Transcript.from_event(event).text

proxy = subprocess.Popen([sys.executable, "-m", "wyoming_openai"], env={**os.environ, **settings}, stdout=sys.stderr)
try:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert proxy.poll() is None and time.monotonic() < deadline
            time.sleep(0.1)
    print(asyncio.run(asyncio.wait_for(ask(), 60)))
finally:
    proxy.terminate()
    proxy.wait(10)
"""

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    """What it prints."""
    ended = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, f"{command}:\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"
    return ended.stdout


def is_new_enough(python: str) -> bool:
    """Whether there is such a Python."""
    program = "import sys; sys.exit(sys.version_info < (3, 12))"
    found = shutil.which(python)
    return (
        found is not None and subprocess.run([found, "-c", program], capture_output=True, check=False).returncode == 0
    )


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment with the clients."""
    folder = tmp_path_factory.mktemp("python")
    venv.create(folder / "venv", with_pip=True)
    found = folder / "venv" / "bin" / "python"
    run(found, "-m", "pip", "install", "--quiet", *PYTHON_PACKAGES, cwd=folder)
    return found


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the clients."""
    if shutil.which("npm") is None:
        pytest.skip("no npm, with which the clients are installed")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"type": "module", "private": true}', encoding="utf-8")
    run("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE_PACKAGES, cwd=folder)
    return folder


@pytest.mark.parametrize("program", [LITELLM, LANGCHAIN], ids=["LiteLLM", "LangChain"])
def test_a_client_in_python(keyed: LiveService, clip: Path, python: Path, tmp_path: Path, program: str) -> None:
    """Takes long because LiteLLM compiles some thousand modules when it is first imported."""
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    heard = run(python, "program.py", keyed.url, KEYS["anna"], clip, cwd=tmp_path)
    assert heard.strip().splitlines()[-1] == FAKE_TEXT


@pytest.mark.parametrize("program", [OPENAI_NODE, VERCEL], ids=["OpenAI", "Vercel"])
def test_a_client_in_node(keyed: LiveService, clip: Path, node: Path, program: str) -> None:
    (node / "program.js").write_text(program, encoding="utf-8")
    assert run("node", "program.js", keyed.url, KEYS["anna"], clip, cwd=node).strip() == FAKE_TEXT


def test_wyoming_openai(keyed: LiveService, clip: Path, tmp_path: Path) -> None:
    """Its package needs a newer Python than the service does."""
    python = next(filter(is_new_enough, (sys.executable, "python3.13", "python3.12")), None)
    if python is None:
        pytest.skip("it needs Python 3.12 or newer")
    run(python, "-m", "venv", "venv", cwd=tmp_path)
    run("venv/bin/python", "-m", "pip", "install", "--quiet", "wyoming-openai==0.8.0", cwd=tmp_path)
    (tmp_path / "program.py").write_text(WYOMING_OPENAI, encoding="utf-8")
    heard = run("venv/bin/python", "program.py", keyed.url, KEYS["anna"], clip, cwd=tmp_path)
    assert heard.strip() == FAKE_TEXT
