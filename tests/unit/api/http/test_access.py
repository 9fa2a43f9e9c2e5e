"""Who is served: keys, the machine's own programs, and nobody who only looks like one."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers

from api.http.access import owner_of
from api.http.errors import ApiError
from tests.unit.api_service import WAV, api_settings, assert_error, serving

KEYS = {"ann": "sk-ann-0123456789", "n8n": "sk-n8n-0123456789"}


def owner(
    peer: str | None, method: str = "GET", /, *, settings: Mapping[str, Any] | None = None, **headers: str
) -> str:
    named = {"host": "localhost:9001", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return owner_of(Headers(named), peer, method, api_settings(**(settings or {})))


def refusal(peer: str | None, method: str = "GET", /, **arguments: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        owner(peer, method, **arguments)  # type: ignore[arg-type]
    return caught.value


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anyone:{password}".encode()).decode()


class TestWithoutKeys:
    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
    def test_this_machines_programs_are_served(self, peer: str) -> None:
        assert owner(peer) == "local"
        assert owner(peer, authorization="Bearer sk-anything", openai_organization="") == "local"

    @pytest.mark.parametrize("peer", ["192.168.1.7", "10.0.0.1", "8.8.8.8", "fe80::1%eth0", "testclient", None])
    def test_others_are_told_the_settings_that_let_them_in(self, peer: str | None) -> None:
        error = refusal(peer)
        assert (error.status, error.code) == (401, "invalid_api_key")
        assert "WHISPER_API_KEYS" in error.message
        assert "WHISPER_ALLOW_ANONYMOUS" in error.message

    @pytest.mark.parametrize(
        "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"]
    )
    def test_what_came_through_a_proxy_is_not_of_this_machine(self, header: str) -> None:
        assert refusal("127.0.0.1", **{header: "127.0.0.1"}).code == "invalid_api_key"

    @pytest.mark.parametrize("host", ["host.docker.internal:9001", "HOST.docker.internal."])
    def test_a_container_is_not_of_this_machine_though_it_comes_from_loopback(self, host: str) -> None:
        error = refusal("127.0.0.1", host=host)
        assert (error.status, error.code) == (401, "invalid_api_key")
        assert "WHISPER_API_KEYS" in error.message

    @pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:9001", "[::1]:9001", "192.168.1.7:9001"])
    def test_hosts_that_no_web_page_can_fake_pass(self, host: str) -> None:
        assert owner("127.0.0.1", host=host) == "local"

    @pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:9001", "127.0.0.1.evil.example"])
    def test_a_foreign_host_is_refused(self, host: str) -> None:
        error = refusal("127.0.0.1", host=host)
        assert (error.status, error.code) == (403, "host_not_allowed")
        assert "WHISPER_ALLOWED_HOSTS" in error.message

    def test_a_named_host_passes(self) -> None:
        allowed = {"allowed_hosts": ("nas.local",)}
        assert owner("127.0.0.1", settings=allowed, host="NAS.local:9001") == "local"
        assert owner("127.0.0.1", settings=allowed, origin="http://nas.local") == "local"

    @pytest.mark.parametrize("origin", ["http://localhost:9001", "http://localhost:3000", "http://127.0.0.1"])
    def test_pages_of_this_machine_pass(self, origin: str) -> None:
        assert owner("127.0.0.1", "POST", origin=origin) == "local"

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example",
            "null",
            "http://localhost.evil.example",
            "http://192.168.1.9",
            "http://a@evil.example",
        ],
    )
    def test_foreign_pages_are_refused(self, origin: str) -> None:
        error = refusal("127.0.0.1", "POST", origin=origin)
        assert (error.status, error.code) == (403, "origin_not_allowed")
        assert "WHISPER_CORS_ORIGINS" in error.message

    def test_a_page_that_is_named_passes(self) -> None:
        named = {"cors_origins": ("https://app.example", "app://obsidian.md")}
        for origin in ("https://app.example", "HTTPS://APP.example", "app://obsidian.md"):
            assert owner("127.0.0.1", "POST", settings=named, origin=origin) == "local"
        for origin in ("http://app.example", "https://app.example:8443", "https://sub.app.example", "app://other"):
            assert refusal("127.0.0.1", "POST", settings=named, origin=origin).code == "origin_not_allowed"
        assert refusal("192.168.1.7", settings=named, origin="https://app.example").code == "invalid_api_key"

    def test_anonymous_serves_everyone_but_foreign_pages(self) -> None:
        open_to_all = {"allow_anonymous": True}
        assert owner("8.8.8.8", settings=open_to_all, host="nas.local", x_forwarded_for="9.9.9.9") == "local"
        assert owner("8.8.8.8", settings=open_to_all, host="nas.local", origin="http://nas.local") == "local"
        error = refusal("8.8.8.8", settings=open_to_all, host="nas.local", origin="https://evil.example")
        assert error.code == "origin_not_allowed"


class TestWithKeys:
    settings = {"api_keys": KEYS}  # noqa: RUF012

    @pytest.mark.parametrize("name", KEYS)
    def test_a_keys_name_is_the_owner(self, name: str) -> None:
        assert owner("8.8.8.8", settings=self.settings, authorization=f"Bearer {KEYS[name]}") == name
        assert owner("8.8.8.8", settings=self.settings, authorization=basic(KEYS[name])) == name

    def test_a_container_and_a_proxy_are_in_with_a_key(self) -> None:
        bearer = f"Bearer {KEYS['ann']}"
        assert owner("127.0.0.1", settings=self.settings, host="host.docker.internal", authorization=bearer) == "ann"
        assert owner("127.0.0.1", settings=self.settings, x_forwarded_for="8.8.8.8", authorization=bearer) == "ann"

    @pytest.mark.parametrize("header", ["x_api_key", "api_key"])
    def test_a_key_may_come_in_the_headers_of_other_services(self, header: str) -> None:
        key: dict[str, str] = {header: KEYS["ann"]}
        assert owner("8.8.8.8", settings=self.settings, **key) == "ann"
        assert owner("8.8.8.8", settings=self.settings, authorization=" ", **key) == "ann"
        assert owner("8.8.8.8", settings=self.settings, authorization=f"Bearer {KEYS['n8n']}", **key) == "n8n"
        assert refusal("8.8.8.8", settings=self.settings, **{header: "sk-wrong"}).code == "invalid_api_key"

    @pytest.mark.parametrize(
        "authorization",
        ["", "Bearer", "Bearer ", "Bearer sk-ann-012345678", "Bearer Größe", "Token sk-ann-0123456789",
         "Basic !!!", "Basic /w==", basic(""), "sk-ann-0123456789", f"Bearer {'x' * 60_000}"],
    )  # fmt: skip
    def test_even_this_machine_needs_one(self, authorization: str) -> None:
        error = refusal("127.0.0.1", settings=self.settings, authorization=authorization)
        assert (error.status, error.code) == (401, "invalid_api_key")
        assert "Authorization: Bearer" in error.message
        assert len(error.message) < 300

    def test_a_browsers_remembered_password_is_no_use_to_other_sites(self) -> None:
        remembered = basic(KEYS["ann"])
        arguments = {"settings": self.settings, "authorization": remembered, "origin": "https://evil.example"}
        assert refusal("8.8.8.8", "POST", **arguments).code == "origin_not_allowed"
        assert owner("8.8.8.8", "POST", settings=self.settings, authorization=remembered, host="nas.local",
                     origin="http://nas.local") == "ann"  # fmt: skip

    def test_a_foreign_page_is_refused_with_a_key_too(self) -> None:
        """Its browser would keep the answer from it."""
        bearer = f"Bearer {KEYS['ann']}"
        arguments = {"settings": self.settings, "authorization": bearer, "origin": "https://app.example"}
        error = refusal("8.8.8.8", "POST", **arguments)
        assert error.code == "origin_not_allowed"
        assert "WHISPER_CORS_ORIGINS=https://app.example" in error.message

    def test_any_page_that_has_a_key_passes_if_the_setting_says_so(self) -> None:
        any_page = {"api_keys": KEYS, "cors_origins": ("*",)}
        bearer = f"Bearer {KEYS['ann']}"
        for origin in ("https://app.example", "null", "capacitor://localhost"):
            assert owner("8.8.8.8", "POST", settings=any_page, authorization=bearer, origin=origin) == "ann"
        assert refusal("8.8.8.8", "POST", settings=any_page, origin="https://app.example").code == "invalid_api_key"

    def test_a_remembered_password_is_no_use_to_any_page_that_is_not_named(self) -> None:
        arguments = {"authorization": basic(KEYS["ann"]), "origin": "https://evil.example"}
        any_page = {"api_keys": KEYS, "cors_origins": ("*",)}
        assert refusal("8.8.8.8", "POST", settings=any_page, **arguments).code == "origin_not_allowed"
        named = {"api_keys": KEYS, "cors_origins": ("https://evil.example",)}
        assert owner("8.8.8.8", "POST", settings=named, **arguments) == "ann"

    def test_anonymous_beside_keys_still_refuses_a_wrong_key(self) -> None:
        both = {"api_keys": KEYS, "allow_anonymous": True}
        assert owner("8.8.8.8", settings=both) == "local"
        assert owner("8.8.8.8", settings=both, authorization=f"Bearer {KEYS['ann']}") == "ann"
        assert refusal("8.8.8.8", settings=both, authorization="Bearer wrong").code == "invalid_api_key"


@pytest.mark.asyncio
async def test_every_path_but_health_is_behind_the_rule(tmp_path: Path) -> None:
    async with serving(tmp_path) as running, running.caller("192.168.1.7") as stranger:
        for path in ("/v1/models", "/v1/jobs", "/rq/", "/rq/static/css/main.css", "/openapi.json", "/nothing"):
            response = await stranger.get(path)
            assert_error(response, 401, "invalid_api_key")
            assert response.headers["www-authenticate"].startswith("Basic" if path.startswith("/rq/") else "Bearer")
        assert (await stranger.get("/health")).json() == {"status": "ok"}
        assert (await stranger.get("/health/ready")).status_code == 503


@pytest.mark.asyncio
async def test_a_refused_upload_leaves_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys=KEYS) as running:
        response = await running.client.post("/v1/jobs", files={"file": WAV}, headers={"authorization": "Bearer wrong"})
        assert_error(response, 401, "invalid_api_key")
        assert (running.leftovers(), running.job_ids()) == ([], [])


@pytest.mark.asyncio
async def test_a_key_sees_its_own_jobs_only(tmp_path: Path) -> None:
    async with serving(tmp_path, api_keys=KEYS) as running:
        job = running.add_job(owner="ann")
        running.finish(job.id)
        async with running.caller(authorization=f"Bearer {KEYS['ann']}") as ann:
            assert [row["id"] for row in (await ann.get("/v1/jobs")).json()["data"]] == [job.id]
        async with running.caller(authorization=f"Bearer {KEYS['n8n']}") as other:
            assert (await other.get("/v1/jobs")).json()["data"] == []
            here = f"/v1/jobs/{job.id}"
            for method, path in (
                ("GET", here), ("DELETE", here), ("POST", f"{here}/cancel"), ("GET", f"{here}/transcript"),
                ("GET", f"{here}/audio"),
            ):  # fmt: skip
                assert_error(await other.request(method, path), 404, "job_not_found", "id")
        assert running.store.outcome(job.id) is not None


def test_a_password_that_is_no_base64_is_a_wrong_key() -> None:
    for value in ("ÿ", "YW5u", "YTp\u00e9", "!!!", "//8=", "YTr/"):
        refused = refusal("8.8.8.8", settings={"api_keys": KEYS}, authorization=f"Basic {value}")
        assert (refused.status, refused.code) == (401, "invalid_api_key"), value


NONSENSE = (
    "http://[",
    "http://[::1",
    "[",
    "://",
    "http://",
    "\\",
    "http://a:b:c",
    "%",
    "null",
    " ",
    "http://a@[",
    ",;=",
)


@pytest.mark.fault(74)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "name",
    ["origin", "host", "authorization", "prefer", "range", "idempotency-key", "last-event-id", "content-type", "cookie",
     "accept", "x-forwarded-for", "if-range", "content-encoding"],
)  # fmt: skip
async def test_a_header_that_makes_no_sense_is_never_an_error_of_ours(tmp_path: Path, name: str) -> None:
    async with serving(tmp_path, model="base") as running:
        job = running.add_job()
        paths = ["/", "/rq/", "/v1/models", "/v1/nothing", f"/v1/jobs/{job.id}/audio", f"/v1/jobs/{job.id}"]
        for value in NONSENSE:
            for path in paths:
                answer = await running.client.get(path, headers={name: value})
                assert answer.status_code < 500, (path, value)
            headers = {"content-type": "audio/wav", name: value}
            answer = await running.client.post("/v1/jobs", content=WAV, headers=headers)
            assert answer.status_code < 500, value
