"""Clients that are generated from the OpenAPI document have typed calls, and the calls work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.acceptance.live import LiveService
from tests.services import KEYS

GENERATOR = "openapi-python-client==0.29.1"
NODE_PACKAGES = ("openapi-typescript@7.13.0", "openapi-fetch@0.17.0", "typescript@5.9.3", "@types/node@20")
TIMEOUT = 240  # seconds for one step: an installation, or a generator

PYTHON = """
import sys

from whisper_native_client import AuthenticatedClient
from whisper_native_client.api.audio import create_transcription
from whisper_native_client.api.jobs import create_job, list_jobs, retrieve_audio, retrieve_job, retrieve_transcript
from whisper_native_client.models import (
    CreateJobFilesBody, CreateTranscriptionBody, CreateTranscriptionBodyResponseFormat, Error, Job, JobList,
    RetrieveTranscriptFormat, TranscriptJson, TranscriptVerbose,
)
from whisper_native_client.types import File

url, key, path = sys.argv[1:]
with AuthenticatedClient(base_url=url, token=key) as client, open(path, "rb") as recording:
    job = create_job.sync(client=client, body=CreateJobFilesBody(file=File(recording, "clip.wav"), language="de"))
    assert isinstance(job, Job)
    ended = retrieve_job.sync(job.id, client=client, wait=60)
    assert isinstance(ended, Job)
    assert (ended.status.value, ended.language, ended.warnings) == ("finished", "de", [])
    plain = retrieve_transcript.sync(job.id, client=client)
    assert isinstance(plain, TranscriptJson)
    verbose = retrieve_transcript.sync(job.id, client=client, format_=RetrieveTranscriptFormat.VERBOSE_JSON)
    assert isinstance(verbose, TranscriptVerbose)
    seconds: float = verbose.duration
    assert 2.5 < seconds < 3.5
    page = list_jobs.sync(client=client, limit=1)
    assert isinstance(page, JobList)
    first: str = page.data[0].id
    assert first == job.id
    audio = retrieve_audio.sync(job.id, client=client)
    assert isinstance(audio, File)
    recording.seek(0)
    assert audio.payload.read() == recording.read()
    recording.seek(0)
    body = CreateTranscriptionBody(
        file=File(recording, "clip.wav"), response_format=CreateTranscriptionBodyResponseFormat.VERBOSE_JSON
    )
    heard = create_transcription.sync(client=client, body=body)
    assert isinstance(heard, TranscriptVerbose)
    missing = retrieve_job.sync("job_0", client=client)
    assert isinstance(missing, Error)
    code: str = missing.error.code
    assert code == "job_not_found"
"""

TYPESCRIPT = """
import {readFileSync} from "node:fs";
import createClient from "openapi-fetch";
import type {components, paths} from "./schema.js";

const [url, key, path] = process.argv.slice(2);
const client = createClient<paths>({baseUrl: url, headers: {Authorization: `Bearer ${key}`}});
const recording = new Blob([readFileSync(path!)]);

function form(fields: object | string | undefined): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields ?? {})) form.append(name, value as Blob);
  return form;
}
function check(holds: boolean, what: string): asserts holds { if (!holds) throw new Error(what); }

const file = recording as unknown as string;  // what openapi-typescript calls binary
const sent = await client.POST("/v1/jobs", {body: {file, language: "de"}, bodySerializer: form});
check(sent.data !== undefined, JSON.stringify(sent.error));
const job: components["schemas"]["Job"] = sent.data;
const ended = await client.GET("/v1/jobs/{job_id}", {params: {path: {job_id: job.id}, query: {wait: 60}}});
check(ended.data?.status === "finished" && ended.data.language === "de", "the job has not finished");
const query = {format: "verbose_json"} as const;
const found = await client.GET("/v1/jobs/{job_id}/transcript", {params: {path: {job_id: job.id}, query}});
check(typeof found.data === "object" && "duration" in found.data, "no verbose transcript");
const seconds: number = found.data.duration;
check(seconds > 2.5 && seconds < 3.5, "a wrong duration");
const missing = await client.GET("/v1/jobs/{job_id}", {params: {path: {job_id: "job_0"}}});
const code: string | undefined = missing.error?.error.code;
check(code === "job_not_found", "no typed error");
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def document(keyed: LiveService, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(json.dumps(keyed.get("/openapi.json").json()), encoding="utf-8")
    return path


def run(*command: str | Path, cwd: Path) -> None:
    ended = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env={**os.environ, "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, f"{command[0]}:\n{ended.stdout[-3000:]}\n{ended.stderr[-3000:]}"


def test_openapi_python_client(document: Path, keyed: LiveService, clip: Path, tmp_path: Path) -> None:
    """Installs the generator with all it needs, generates, checks types; a minute on a slow disk."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", GENERATOR, cwd=tmp_path)
    generate = ("generate", "--path", document, "--output-path", tmp_path / "client", "--meta", "none")
    run(python, "-m", "openapi_python_client", *generate, cwd=tmp_path)
    (tmp_path / "client").rename(tmp_path / "whisper_native_client")
    program = tmp_path / "program.py"
    program.write_text(PYTHON, encoding="utf-8")
    checked = ("--strict", "--follow-imports=silent", "--python-executable", python, program)  # the calls alone
    run(sys.executable, "-m", "mypy", *checked, cwd=tmp_path)
    run(python, program, keyed.url, KEYS["anna"], clip, cwd=tmp_path)


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm, with which the generator is installed")
def test_openapi_typescript(document: Path, keyed: LiveService, clip: Path, tmp_path: Path) -> None:
    """Installs the generator and a compiler, generates, compiles."""
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}', encoding="utf-8")
    run("npm", "install", "--silent", "--no-audit", "--no-fund", *NODE_PACKAGES, cwd=tmp_path)
    run("npx", "openapi-typescript", document, "-o", "schema.d.ts", cwd=tmp_path)
    (tmp_path / "program.ts").write_text(TYPESCRIPT, encoding="utf-8")
    options = ("--strict", "--module", "nodenext", "--target", "es2022", "--skipLibCheck", "--types", "node")
    run("npx", "tsc", *options, "program.ts", cwd=tmp_path)
    run("node", "program.js", keyed.url, KEYS["anna"], clip, cwd=tmp_path)
