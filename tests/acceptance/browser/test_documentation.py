"""Swagger UI at /docs, in a real browser: it loads nothing from elsewhere, breaks no policy and sends its key."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.live import LiveService
from tests.browser import Page, browsing
from tests.services import KEYS

# As typing does it: React hears of nothing less.
TYPE = """(selector, text) => {
  const field = document.querySelector(selector);
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, text);
  field.dispatchEvent(new Event("input", {bubbles: true}));
}"""
BEARER = "#auth-bearer-value"
LOGOUT = ".auth-container button[aria-label='Remove authorization']"
OPERATION = "#operations-models-list_models"
# The status of the answer that it got.
SHOWN = f"document.querySelector('{OPERATION} .live-responses-table tbody .response-col_status')?.innerText"


@pytest.fixture(scope="module")
def page(keyed: LiveService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The documentation of a service with keys, opened with one in the browser's prompt."""
    with browsing(tmp_path_factory.mktemp("profile"), "--window-size=1200,1600") as page:
        page.remember(KEYS["ben"])
        page.open(f"{keyed.url}/docs")
        page.until("document.querySelectorAll('.opblock').length > 10")
        yield page


def has(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)}) !== null"


def click(page: Page, selector: str) -> None:
    page.until(has(selector))
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def authorize(page: Page, key: str) -> None:
    click(page, ".auth-wrapper .authorize")
    page.until(f"{has(BEARER)} || {has(LOGOUT)}")
    if page.run(has(LOGOUT)):  # it has a key already
        click(page, LOGOUT)
    page.until(has(BEARER))
    page.run(f"({TYPE})('{BEARER}', {json.dumps(key)})")
    page.run(f"document.querySelector('{BEARER}').closest('form').querySelector('button.authorize').click()")
    click(page, ".btn-done")


def test_it_shows_every_operation_and_loads_nothing_from_elsewhere(page: Page, keyed: LiveService) -> None:
    document = keyed.get("/openapi.json").json()
    operations = sum(len(methods) for methods in document["paths"].values())
    page.until(f"document.querySelectorAll('.opblock').length >= {operations}")
    assert page.run("document.querySelector('.info .version').innerText").strip() == document["info"]["version"]
    assert page.errors == []
    assert {url for url in page.requests if not url.startswith((keyed.url, "data:"))} == set()


def test_authorize_sends_the_key_that_is_typed_there(page: Page) -> None:
    """And not the password that the browser remembers, which would do."""
    click(page, f"{OPERATION} .opblock-summary-control")
    click(page, f"{OPERATION} .try-out__btn")
    for key, expected in (("sk-wrong", "401"), (KEYS["anna"], "200")):
        authorize(page, key)
        click(page, f"{OPERATION} .execute")
        page.until(f"({SHOWN})?.includes('{expected}')")
