"""The files of /docs: complete, compressed, and under a policy that lets nothing else in."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.unit.api_service import assert_error, serving

pytestmark = pytest.mark.asyncio


async def test_the_page_is_under_a_strict_policy(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for path in ("/docs", "/docs/"):
            answer = await running.client.get(path)
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            policy = answer.headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "//" not in answer.text


@pytest.mark.parametrize("name", ["swagger-ui-bundle.js", "swagger-ui.css", "start.js"])
async def test_its_files_are_compressed_for_whoever_takes_that(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path) as running:
        whole = await running.client.get(f"/docs/{name}", headers={"accept-encoding": "identity"})
        small = await running.client.get(f"/docs/{name}", headers={"accept-encoding": "gzip, br"})
        assert small.content == whole.content  # httpx has unpacked it
        assert "content-encoding" not in whole.headers
        assert ("content-encoding" in small.headers) == (name != "start.js")
        assert len(gzip.compress(whole.content)) < 512 * 1024


async def test_nothing_else_is_served_from_there(tmp_path: Path) -> None:
    async with serving(tmp_path) as running:
        for name in ("LICENSE", "index.html", "swagger-ui.css.gz", "..%2fpage.html", "%2e%2e"):
            assert_error(await running.client.get(f"/docs/{name}"), 404, "not_found")


async def test_a_browser_is_asked_for_the_key_as_a_password(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys={"ann": "sk-ann-0123456789"}) as running:
        answer = await running.client.get("/docs")
        assert_error(answer, 401, "invalid_api_key")
        assert answer.headers["www-authenticate"].startswith("Basic")
