"""The page in a real browser: whatever it complains of, and whatever it asks of another host, fails the test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import browser as browsers
from tests.acceptance.live import LiveService
from tests.services import Start

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

OPTIONS = (
    "--use-fake-device-for-media-stream",  # a microphone that beeps
    "--use-fake-ui-for-media-stream",  # that may be used unasked
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
)
VIOLATIONS = """addEventListener("securitypolicyviolation", event =>
  console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`))"""
DEADLINE = 60_000  # milliseconds; only a very busy machine needs as much

Complaints = list[str]
Open = Callable[..., "Page"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with the last test of the page: while Playwright runs, no test of this process can start an event loop."""
    program = browsers.find()
    playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    with playwright.sync_playwright() as started:
        options = [*OPTIONS, *(["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else [])]
        launched = started.chromium.launch(executable_path=program, args=options)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def paged(start_lasting: Start) -> LiveService:
    """Makes up a word for each second of speech, with a window at a time so that its text comes in parts."""
    return start_lasting(
        "paged", WHISPER_ENGINE="fake", WHISPER_SPEAKER_MODEL="fake", WHISPER_WEBHOOK_ALLOWED_HOSTS="localhost"
    )


@pytest.fixture(scope="package")
def everyday(browser: Browser) -> Iterator[BrowserContext]:
    """For tests that want nothing special of the browser: it has the page's files already."""
    with context_of(browser) as context:
        yield context


@pytest.fixture
def open_page(browser: Browser, everyday: BrowserContext, paged: LiveService) -> Iterator[Open]:
    """Opens the page of a service (`paged`, if it is not said); with Playwright's options in a context of its own."""
    complaints: Complaints = []
    with ExitStack() as opened:

        def start(service: LiveService = paged, path: str = "/page", **options: object) -> Page:
            context = opened.enter_context(context_of(browser, **options)) if options else everyday
            page = context.new_page()
            opened.callback(leave, page)
            watch(page, service.url, complaints)
            page.goto(f"{service.url}{path}")
            return page

        yield start
    assert complaints == []


@contextmanager
def context_of(browser: Browser, **options: object) -> Iterator[BrowserContext]:
    context = browser.new_context(**{"locale": "en-GB", **options})  # type: ignore[arg-type]  # as they come
    context.set_default_timeout(DEADLINE)
    context.add_init_script(VIOLATIONS)
    yield context
    context.close()


def leave(page: Page) -> None:
    """Leaves nothing behind that the next page in the same context would find."""
    if page.url.startswith("http"):
        page.evaluate("localStorage.clear()")
    page.close()
    page.context.clear_cookies()


@pytest.fixture
def page(open_page: Open) -> Page:
    return open_page()


def watch(page: Page, url: str, complaints: Complaints) -> None:
    def heard(message: ConsoleMessage) -> None:
        # The browser itself says so of any answer from 400 on; the tests look at what the page makes of it.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            complaints.append(message.text)

    def asked(request: Request) -> None:
        if not request.url.startswith((f"{url}/", "data:", "blob:")):
            complaints.append(f"asks elsewhere: {request.url}")

    page.on("console", heard)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", asked)


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, which finds what keeps people out: the script to put into a page."""
    package = pytest.importorskip("axe_playwright_python", reason="no axe-core: pip install axe-playwright-python")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
