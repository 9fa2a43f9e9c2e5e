"""Recordings come to the page: dropped, recorded, over a bad line, under hostile names."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.acceptance.live import LiveService, until
from tests.acceptance.page.transcripts import LISTEN

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

Open = Callable[..., "Page"]

DROP = """([names, content]) => {
  const bytes = Uint8Array.from(atob(content), sign => sign.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  for (const name of names) dataTransfer.items.add(new File([bytes], name, {type: "audio/wav"}));
  for (const type of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
}"""


def drop(page: Page, path: Path, *names: str) -> None:
    page.locator(".bring").wait_for()
    page.evaluate(DROP, [names, base64.b64encode(path.read_bytes()).decode()])


def row(page: Page, name: str) -> Any:
    return page.locator(".row", has=page.get_by_text(name, exact=True))


def named(service: LiveService, name: str) -> list[dict[str, Any]]:
    jobs: list[dict[str, Any]] = service.get("/v1/jobs", limit=100).json()["data"]
    return [job for job in jobs if job["file"]["name"] == name]


def test_two_that_are_dropped_are_transcribed_before_the_readers_eyes(
    page: Page, paged: LiveService, clip: Path
) -> None:
    drop(page, clip, "one.wav", "two.wav")
    for name in ("one.wav", "two.wav"):
        row(page, name).and_(page.locator("[data-status=finished]")).wait_for()
        assert len(named(paged, name)) == 1
    row(page, "one.wav").get_by_role("link").click()
    page.wait_for_selector("[data-ready]")
    assert page.locator(".tr-said").count() == len(page.locator(".tr-said").all_inner_texts()) > 0


def test_options_go_along(page: Page, paged: LiveService, clip: Path) -> None:
    page.get_by_text("Options:").click()
    page.get_by_label("Spoken language").select_option("de")
    page.get_by_label("Tell speakers apart").check()
    page.get_by_label("How many speak").fill("2")
    drop(page, clip, "options.wav")
    row(page, "options.wav").and_(page.locator("[data-status=finished]")).wait_for()
    [job] = named(paged, "options.wav")
    assert job["language"] == "de"
    assert job["speakers"] is not None


def test_a_name_can_only_ever_be_text(page: Page, paged: LiveService, clip: Path) -> None:
    name = "<img src=x onerror=document.title='run'><script>document.title='run'.wav"
    drop(page, clip, name)
    row(page, name).and_(page.locator("[data-status=finished]")).wait_for()
    assert page.locator(".row img, .row script").count() == 0
    assert page.title() == "whisper-native"
    assert len(named(paged, name)) == 1


def test_a_microphone_becomes_a_recording(page: Page, paged: LiveService) -> None:
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_role("timer").get_by_text(re.compile("0:0[1-9]|0:[1-5]")).wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Stop and transcribe").click()
    name = page.locator(".row .name", has_text="Recording 20").first.inner_text()
    assert name.endswith(".webm")
    until(lambda: [job["status"] for job in named(paged, name)] == ["finished"], "it is transcribed")
    assert page.get_by_role("button", name="Record", exact=True).is_visible()


def test_a_line_that_breaks_makes_no_second_job(page: Page, paged: LiveService, clip: Path) -> None:
    """The first try breaks before the server has it, the second after: its answer is lost. Then it is busy."""
    keys: list[str] = []

    def break_line(route: Route) -> None:
        if route.request.method != "POST":
            return route.continue_()
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            return route.abort()
        if len(keys) == 2:
            route.fetch()
            return route.abort()
        if len(keys) == 3:
            error = {"message": "The server is busy.", "type": "server_error", "param": None, "code": "overloaded"}
            body = json.dumps({"error": error})
            return route.fulfill(status=503, headers={"retry-after": "600"}, body=body, content_type="application/json")
        return route.continue_()

    page.route("**/v1/jobs", break_line)
    page.evaluate(LISTEN)
    drop(page, clip, "broken.wav")
    row(page, "broken.wav").get_by_text("The server is busy.").wait_for()  # by itself, after two pauses
    assert "broken.wav: The connection was lost." in page.evaluate("window.announced")
    row(page, "broken.wav").get_by_role("button", name="Send now").click()
    row(page, "broken.wav").and_(page.locator("[data-status=finished]")).wait_for()
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert len(named(paged, "broken.wav")) == 1


def test_what_the_server_refuses_says_why(page: Page) -> None:
    def refuse(route: Route) -> None:
        error = {"message": "The queue is closed.", "type": "invalid_request_error", "param": None, "code": "x"}
        route.fulfill(status=400, body=json.dumps({"error": error}), content_type="application/json")

    page.locator(".bring").wait_for()
    page.route("**/v1/jobs", lambda route: refuse(route) if route.request.method == "POST" else route.continue_())
    page.evaluate(DROP, [["refused.wav"], ""])
    row(page, "refused.wav").get_by_text("The queue is closed.").wait_for()
    row(page, "refused.wav").get_by_role("button", name="Remove").click()
    assert row(page, "refused.wav").count() == 0


def test_without_https_it_says_why_it_cannot_record(open_page: Open) -> None:
    page = open_page(path="/health/live")
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', {value: false})")
    page.goto(page.url.replace("/health/live", "/page"))
    page.get_by_text("Recording needs https or localhost").wait_for()
    assert page.get_by_role("button", name="Record", exact=True).count() == 0
