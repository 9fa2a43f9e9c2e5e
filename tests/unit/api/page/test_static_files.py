"""The page's files: found by name below one folder, compressed, and never sent twice."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from api.page import routes, static_files
from api.page.static_files import sent_file, static_file, version
from tests.unit.api_service import assert_error, serving

SCRIPT = "// why\n" * 100 + "export const words = [];\n"
SENT = "const words=[];\nexport{words};"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "static"
    (folder / "transcript").mkdir(parents=True)
    link = '<link rel="modulepreload" href="/page/transcript/view.js">'
    (folder / "index.html").write_text(f"<!doctype html>{link}" + "<p>page</p>" * 100)
    (folder / "transcript" / "view.js").write_text(SCRIPT)
    (folder / "app.js").write_text("")
    (folder / "notes.txt").write_text("not of the page")
    (tmp_path / "outside.js").write_text("secret")
    (folder / "C:outside.js").write_text("on another drive of Windows")
    return folder


@pytest.mark.parametrize(
    "name",
    ["", "nothing.js", "notes.txt", "../outside.js", "transcript/../../outside.js", "/etc/passwd", "transcript",
     "transcript//view.js", "./index.html", "a\0.js", "..\\outside.js", "C:/outside.js", "C:outside.js",
     "x" * 5000 + ".js"],
)  # fmt: skip
def test_nothing_else_is_a_file_of_the_page(folder: Path, name: str) -> None:
    assert static_file(name, folder) is None


def test_a_file_that_changes_is_read_again(folder: Path) -> None:
    before = static_file("transcript/view.js", folder)
    (folder / "transcript" / "view.js").write_text("changed")
    after = static_file("transcript/view.js", folder)
    assert before is not None
    assert after is not None
    assert (before.content, after.content) == (SCRIPT.encode(), b"changed")
    assert before.etag != after.etag


@pytest.mark.asyncio
async def test_a_browser_keeps_files_until_one_is_changed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "static_file", lambda name: static_file(name, folder))
    monkeypatch.setattr(routes, "sent_file", lambda name: sent_file(name, folder))
    monkeypatch.setattr(routes, "version", lambda: version(folder))
    async with serving(tmp_path / "data") as running:

        async def link() -> str:
            page = await running.client.get("/")
            assert page.headers["cache-control"] == "no-cache"
            return page.text.partition('href="')[2].partition('"')[0]

        before = await link()
        kept = await running.client.get(before)
        assert (kept.text, kept.headers["cache-control"]) == (SENT, routes.KEPT)
        assert (await running.client.get("/page/transcript/view.js")).text == SCRIPT  # as it lies there
        (folder / "transcript" / "view.js").write_text("export class Changed {}")
        static_files._state.cache_clear()  # which a second does too
        assert await link() != before
        late = await running.client.get(before)  # a page that was opened before
        assert (late.text, late.headers["cache-control"]) == ("class Changed{}\nexport{Changed};", "no-cache")


@pytest.mark.asyncio
async def test_nobody_needs_a_key_for_the_page(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "static_file", lambda name: static_file(name, folder))
    async with serving(tmp_path / "data", api_keys={"ann": "sk-ann"}) as running, running.caller("8.8.8.8") as nobody:
        assert (await nobody.get("/")).text == (await nobody.get("/page/")).text
        page = await nobody.get("/")
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
        assert "unsafe" not in policy
        script = await nobody.get("/page/transcript/view.js", headers={"accept-encoding": "gzip"})
        assert script.headers["content-encoding"] == "gzip"
        assert script.headers["content-type"].startswith("text/javascript")
        assert script.headers["x-content-type-options"] == "nosniff"
        assert script.text == SCRIPT
        plain = await nobody.get("/page/transcript/view.js", headers={"accept-encoding": "identity"})
        assert "content-encoding" not in plain.headers
        again = await nobody.get("/page/transcript/view.js", headers={"if-none-match": f'"x", {plain.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == plain.headers["etag"]
        assert_error(await nobody.get("/page/outside.js"), 404, "not_found")
        assert_error(await nobody.get("/v1/jobs"), 401, "invalid_api_key")


def test_what_is_sent_compressed_is_the_file(folder: Path) -> None:
    file = static_file("transcript/view.js", folder)
    assert file is not None
    assert file.gzipped is not None
    assert gzip.decompress(file.gzipped) == file.content


@pytest.mark.parametrize("name", ["app.js", "transcript/view.js", "style.css", "messages.de.js"])
def test_what_the_page_asks_for_comes_with_all_that_it_imports(name: str) -> None:
    file, plain = sent_file(name), static_file(name)
    assert file is not None
    assert plain is not None
    assert file.gzipped is not None
    assert gzip.decompress(file.gzipped) == file.content
    assert file.content_type == plain.content_type
    assert file.etag != plain.etag


def test_a_module_that_imports_what_is_not_there_is_not_there(folder: Path) -> None:
    (folder / "broken.js").write_text('import { a } from "./nothing.js";\n')
    assert sent_file("broken.js", folder) is None
    assert sent_file("../outside.js", folder) is None
