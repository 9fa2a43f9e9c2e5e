"""Signing in with a key: a cookie that is good for all that the key is, and for as long as there is the key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from api.http.sessions.cookie import LASTS, Sessions
from api.http.sessions.secret import NAME, session_secret
from api.intake.changes import json_body
from tests.unit.api_service import WAV, assert_error, serving

KEYS = {"ann": "sk-ann-0123456789", "n8n.prod": "sk-n8n-0123456789"}
OWN = {"origin": "http://localhost:9001"}


def sessions(secret: bytes = b"s" * 32, keys: Mapping[str, str] = KEYS) -> Sessions:
    return Sessions(lambda: secret, {name: SecretStr(key) for name, key in keys.items()})


class TestCookies:
    @pytest.mark.parametrize("owner", KEYS)
    def test_one_says_whose_it_is_until_it_ends(self, owner: str) -> None:
        cookie = sessions().begin(owner, now=1000.0)
        assert sessions().owner(cookie, now=1000.0) == owner
        assert sessions().owner(cookie, now=1000.0 + LASTS - 1) == owner
        assert sessions().owner(cookie, now=1000.0 + LASTS) is None

    def test_a_key_that_is_removed_or_changed_ends_its_sessions(self) -> None:
        cookie = sessions().begin("ann")
        assert sessions(keys={"n8n.prod": KEYS["n8n.prod"]}).owner(cookie) is None
        assert sessions(keys={**KEYS, "ann": "sk-another"}).owner(cookie) is None

    def test_nobody_else_can_make_one(self) -> None:
        cookie = sessions().begin("ann", now=1000.0)
        name, until, signature = cookie.split(".")
        forged = (
            f"n8n.prod.{until}.{signature}", f"{name}.{int(until) + 1}.{signature}", f"{name}.{until}.",
            f"{name}.{until}.{signature[:-1]}", f"{name}.-1.{signature}", f"{name}.{'9' * 5000}.{signature}",
            f"{name}.{until}.é", "", ".", "..", "ann", f"{name}.²{until}.{signature}",
        )  # fmt: skip
        assert [sessions().owner(value, now=1000.0) for value in forged] == [None] * len(forged)
        assert sessions(b"t" * 32).owner(cookie, now=1000.0) is None

    def test_the_secret_stays_and_nobody_else_may_read_it(self, tmp_path: Path) -> None:
        secret = session_secret(tmp_path / "data")
        assert len(secret) == 32
        assert session_secret(tmp_path / "data") == secret
        assert (tmp_path / "data" / NAME).stat().st_mode & 0o077 == 0
        (tmp_path / "data" / NAME).write_bytes(b"")
        with pytest.raises(ValueError, match="damaged"):
            session_secret(tmp_path / "data")


async def sign_in(browser: httpx.AsyncClient, key: object = KEYS["ann"], **headers: str) -> httpx.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return await browser.post("/session", json={"key": key}, headers=sent or OWN)


@pytest.mark.asyncio
class TestSigningIn:
    async def test_the_cookie_opens_what_the_key_opens(self, tmp_path: Path) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running, running.caller("8.8.8.8") as browser:
            job = running.add_job(owner="ann")
            assert_error(await browser.get("/v1/jobs"), 401, "invalid_api_key")
            signed_out = {"name": None, "needs_key": True, "signed_in": False}
            assert (await browser.get("/session")).json() == signed_out
            answer = await sign_in(browser)
            assert (answer.status_code, answer.content) == (204, b"")
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("whisper_session_9001=ann.")
            for part in ("HttpOnly", "SameSite=strict", "Path=/"):
                assert part in cookie
            assert "Secure" not in cookie
            assert (await browser.get("/session")).json() == {"name": "ann", "needs_key": True, "signed_in": True}
            assert [row["id"] for row in (await browser.get("/v1/jobs")).json()["data"]] == [job.id]
            assert (await browser.get(f"/v1/jobs/{job.id}/audio", headers={"range": "bytes=0-3"})).content == WAV[:4]
            assert (await browser.delete("/session", headers=OWN)).status_code == 204
            assert (await browser.get("/session")).json() == signed_out

    @pytest.mark.parametrize("other", ['theme={"dark":true}', "a b=c", "bare", "x=é"])
    async def test_cookies_of_other_services_on_the_host_are_no_harm(self, tmp_path: Path, other: str) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running, running.caller("8.8.8.8") as browser:
            own = (await sign_in(browser)).headers["set-cookie"].partition(";")[0]
            browser.cookies.clear()
            answer = await browser.get("/session", headers=[(b"cookie", f"{other}; {own}".encode())])
            assert answer.json()["signed_in"] is True

    @pytest.mark.fault(68)
    @pytest.mark.parametrize("name", ["whisper_session_9001", "theme"])
    async def test_a_cookie_that_python_unquotes_for_minutes_keeps_nobody_waiting(
        self, tmp_path: Path, name: str
    ) -> None:
        cookie = f'{name}="' + '\\"' * 30_000 + '"'
        async with serving(tmp_path, api_keys=KEYS) as running, running.caller("8.8.8.8") as stranger:
            for path in ("/health", "/v1/jobs", "/session", "/page/app.js", "/nothing"):
                began = time.process_time()
                await stranger.get(path, headers={"cookie": cookie})
                assert time.process_time() - began < 1.0, path  # it took 20

    async def test_a_key_that_is_no_text_is_no_key(self, tmp_path: Path) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running, running.caller("8.8.8.8") as stranger:
            torn = b'{"key": "\xed\xa0\x80"}'
            assert_error(await stranger.post("/session", content=torn, headers=OWN), 400, "invalid_value", "key")
            half = '{"key": "\\ud800"}'.encode("utf-16")
            assert_error(await stranger.post("/session", content=half, headers=OWN), 401, "invalid_api_key")

    async def test_a_key_that_is_sent_counts_more(self, tmp_path: Path) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running, running.caller() as browser:
            await sign_in(browser)
            other = {"authorization": f"Bearer {KEYS['n8n.prod']}"}
            assert (await browser.get("/session", headers=other)).json()["name"] == "n8n.prod"
            assert_error(
                await browser.get("/v1/jobs", headers={"authorization": "Bearer sk-x"}), 401, "invalid_api_key"
            )

    @pytest.mark.parametrize("key", ["sk-wrong", "", None, 7, ["sk-ann-0123456789"], "é"])
    async def test_another_key_signs_nobody_in(self, tmp_path: Path, key: object) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            answer = await sign_in(running.client, key)
            assert_error(answer, 401, "invalid_api_key")
            assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"key": "' + b"x" * 5000])
    async def test_what_is_no_small_object_is_refused(self, tmp_path: Path, body: bytes) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            answer = await running.client.post("/session", content=body, headers=OWN)
            assert answer.status_code == 400

    async def test_a_key_that_does_not_come_is_not_waited_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(json_body, "PATIENCE", 0.01)

        async def body() -> AsyncIterator[bytes]:
            yield b'{"key": '
            await asyncio.sleep(30)

        async with serving(tmp_path, api_keys=KEYS) as running:
            answer = await running.client.post("/session", content=body(), headers=OWN)
            assert_error(answer, 408, "upload_stalled", "key")

    async def test_half_a_sign_is_no_key(self, tmp_path: Path) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            answer = await running.client.post("/session", content=b'{"key": "\\ud800"}', headers=OWN)
            assert_error(answer, 401, "invalid_api_key")

    async def test_on_https_the_cookie_stays_there(self, tmp_path: Path) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            answer = await sign_in(running.client, origin="https://localhost:9001")
            assert "Secure" in answer.headers["set-cookie"]

    async def test_without_keys_there_is_nothing_to_sign_in_to(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as running:
            keyless = {"name": None, "needs_key": False, "signed_in": False}
            assert (await running.client.get("/session")).json() == keyless
            answer = await sign_in(running.client, "anything")
            assert answer.status_code == 204
            assert "set-cookie" not in answer.headers
            async with running.caller("192.168.1.7") as stranger:
                assert "WHISPER_API_KEYS" in assert_error(await stranger.get("/session"), 401, "invalid_api_key")

    async def test_anybody_may_sign_in_where_nobody_has_to(self, tmp_path: Path) -> None:
        async with serving(tmp_path, api_keys=KEYS, allow_anonymous=True) as running:
            assert (await running.client.get("/session")).json()["needs_key"] is False
            await sign_in(running.client)
            assert (await running.client.get("/session")).json() == {
                "name": "ann", "needs_key": False, "signed_in": True,
            }  # fmt: skip


FOREIGN = [
    {},  # a browser from before 2020 that says nothing
    {"origin": "http://localhost:3000"},  # the same site, so that the cookie is sent
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"},
]


@pytest.mark.asyncio
class TestOtherPages:
    @pytest.mark.parametrize("headers", FOREIGN)
    async def test_a_cookie_changes_nothing_for_them(self, tmp_path: Path, headers: dict[str, str]) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            await sign_in(running.client)
            job = running.add_job(owner="ann")
            for method, path in (("DELETE", ""), ("POST", "/cancel"), ("PATCH", "")):
                answer = await running.client.request(method, f"/v1/jobs/{job.id}{path}", headers=headers)
                assert_error(answer, 403, "origin_not_allowed")
            assert running.job_ids() == [job.id]

    @pytest.mark.parametrize("headers", [OWN, {"sec-fetch-site": "same-origin", "origin": "https://proxied.example"}])
    async def test_our_own_may(self, tmp_path: Path, headers: dict[str, str]) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            await sign_in(running.client)
            job = running.add_job(owner="ann")
            assert (await running.client.delete(f"/v1/jobs/{job.id}", headers=headers)).status_code == 200

    @pytest.mark.parametrize("headers", FOREIGN[1:6])
    async def test_they_sign_nobody_in_or_out(self, tmp_path: Path, headers: dict[str, str]) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            assert_error(await sign_in(running.client, **headers), 403, "origin_not_allowed")
            answer = await running.client.delete("/session", headers=headers)
            assert_error(answer, 403, "origin_not_allowed")

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"sec-fetch-site": "none"}, 200),
            ({"sec-fetch-site": "same-site", "sec-fetch-mode": "navigate"}, 200),  # a link
            ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
            ({"origin": "http://localhost:3000"}, 403),
        ],
    )
    async def test_they_read_nothing_by_it(self, tmp_path: Path, headers: dict[str, str], status: int) -> None:
        async with serving(tmp_path, api_keys=KEYS) as running:
            await sign_in(running.client)
            assert (await running.client.get("/v1/jobs", headers=headers)).status_code == status
