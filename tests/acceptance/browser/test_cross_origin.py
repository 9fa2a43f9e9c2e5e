"""A page of another site records from the microphone and has it transcribed, in a real browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.live import LiveService, until
from tests.browser import Page, browsing
from tests.receiver import Receiver, Reply, receiving
from tests.services import KEYS, Start

HOST = "recorder.example"  # is made to mean this machine in the browser alone
PAGE = b"""<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>Recorder</title><script>
async function record(milliseconds) {
  const recorder = new MediaRecorder(await navigator.mediaDevices.getUserMedia({audio: true}));
  const parts = [], stopped = new Promise(done => recorder.onstop = done);
  recorder.ondataavailable = event => parts.push(event.data);
  recorder.start();
  await new Promise(done => setTimeout(done, milliseconds));
  recorder.stop();
  await stopped;
  return new Blob(parts, {type: recorder.mimeType});
}
async function ask(url, key, options = {}) {
  const headers = {...options.headers, ...(key ? {Authorization: `Bearer ${key}`} : {})};
  try {
    const answer = await fetch(url, {...options, headers});
    const names = ["x-request-id", "location", "retry-after", "set-cookie"];
    const shown = Object.fromEntries(names.map(name => [name, answer.headers.get(name)]));
    return {status: answer.status, body: await answer.json(), headers: shown};
  } catch (error) { return {refused: String(error)}; }
}
async function sendForm(url, key) {
  const form = new FormData();
  form.append("file", window.recording, "note.webm");
  form.append("model", "whisper-1");
  form.append("response_format", "verbose_json");
  return ask(`${url}/v1/audio/transcriptions`, key, {method: "POST", body: form});
}
async function sendRaw(url, key) {
  const headers = {"Content-Type": window.recording.type};
  return ask(`${url}/v1/jobs?filename=note.webm`, key, {method: "POST", headers, body: window.recording});
}
</script>"""


@pytest.fixture(scope="module")
def site() -> Iterator[Receiver]:
    with receiving(lambda number, request: Reply(headers={"content-type": "text/html"}, body=PAGE)) as site:
        yield site


@pytest.fixture(scope="module")
def page(site: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page with a recording of a second and a half."""
    url = site.url("/", HOST)
    options = (
        f"--host-resolver-rules=MAP {HOST} 127.0.0.1",
        f"--unsafely-treat-insecure-origin-as-secure={url.rstrip('/')}",  # only such pages may record
    )
    with browsing(tmp_path_factory.mktemp("profile"), *options) as page:
        page.open(url)
        assert page.run("record(1500).then(blob => (window.recording = blob).size)") > 1000
        assert page.run("window.recording.type").startswith("audio/webm")
        yield page


@pytest.fixture(scope="module", params=["without a key", "with a key"])
def welcoming(request: pytest.FixtureRequest, start_service: Start, site: Receiver, page: Page) -> LiveService:
    """A service that lets the page in: by name, or as any page that has a key."""
    if request.param == "without a key":
        return start_service("named", WHISPER_ENGINE="fake", WHISPER_CORS_ORIGINS=site.url("", HOST))
    keys = f"anna:{KEYS['anna']}"
    return start_service(
        "any", key=KEYS["anna"], WHISPER_ENGINE="fake", WHISPER_API_KEYS=keys, WHISPER_CORS_ORIGINS="*"
    )


def call(page: Page, function: str, *arguments: str | None) -> dict[str, Any]:
    answer: dict[str, Any] = page.run(f"{function}({', '.join(map(json.dumps, arguments))})")
    return answer


def test_it_sends_a_form_and_reads_the_transcript(page: Page, welcoming: LiveService) -> None:
    answer = call(page, "sendForm", welcoming.url, welcoming.key)
    assert answer["status"] == 200, answer
    assert 1.0 < answer["body"]["duration"] < 5.0
    assert answer["headers"]["x-request-id"].startswith("req_")


def test_it_sends_the_recording_itself_and_follows_the_job(page: Page, welcoming: LiveService) -> None:
    answer = call(page, "sendRaw", welcoming.url, welcoming.key)
    assert answer["status"] == 202, answer
    location = answer["headers"]["location"]
    assert location == f"/v1/jobs/{answer['body']['id']}"
    job = call(page, "ask", f"{welcoming.url}{location}?wait=30", welcoming.key)
    assert (job["body"]["status"], job["body"]["file"]["name"]) == ("finished", "note.webm")
    transcript = call(page, "ask", f"{welcoming.url}{location}/transcript", welcoming.key)
    assert set(transcript["body"]) >= {"text", "usage"}


def test_it_can_read_why_it_is_refused(page: Page, welcoming: LiveService) -> None:
    answer = call(page, "ask", f"{welcoming.url}/v1/jobs/job_0", welcoming.key)
    assert (answer["status"], answer["body"]["error"]["code"]) == (404, "job_not_found")
    if welcoming.key:
        answer = call(page, "sendForm", welcoming.url, "sk-wrong")
        assert (answer["status"], answer["body"]["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.parametrize("function", ["sendForm", "sendRaw"])
def test_without_the_setting_nothing_is_done_for_it(
    page: Page, quick: LiveService, keyed: LiveService, function: str
) -> None:
    for service in (quick, keyed):
        before = service.traces()
        assert "refused" in call(page, function, service.url, service.key)
        until(lambda service=service, before=before: service.traces() <= before, "nothing is left")  # type: ignore[misc]
