"""Who is let in: programs of this machine without a key, everybody else with one."""

from __future__ import annotations

import base64
from pathlib import Path

import httpx
import pytest

from tests.acceptance.live import LiveService, assert_error
from tests.services import KEYS

FAKE_TEXT = "w0.0 w0.1 w0.2"
OPEN = ("/health", "/health/ready")
PAGE = ("/", "/page", "/page/style.css")


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"anybody:{password}".encode()).decode()


def ask(service: LiveService, path: str = "/v1/models", **headers: str) -> httpx.Response:
    with service.http(**headers) as client:
        return client.get(path)


def paths(service: LiveService) -> list[tuple[str, str]]:
    """Method and path of everything there is."""
    documented = service.get("/openapi.json").json()["paths"]
    found = [(method.upper(), path) for path, methods in documented.items() for method in methods]
    return [*found, ("GET", "/openapi.json"), ("GET", "/rq/"), ("GET", "/rq/0/data/queues.json")]


def test_a_program_of_this_machine_needs_no_key(quick: LiveService, clip: Path) -> None:
    assert quick.transcribe(clip).json()["text"] == FAKE_TEXT
    assert ask(quick, "/rq/").status_code == 200
    assert ask(quick, "/").status_code == 200


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST."])
def test_it_may_call_the_service_by_the_names_of_this_machine(quick: LiveService, host: str) -> None:
    assert ask(quick, host=f"{host}:{quick.port}").status_code == 200


def test_a_key_that_nobody_asked_for_does_no_harm(quick: LiveService) -> None:
    assert ask(quick, authorization="Bearer unused").status_code == 200


@pytest.mark.parametrize("host", ["host.docker.internal", "gateway.docker.internal", "host.containers.internal"])
def test_a_container_is_told_how_to_get_in(quick: LiveService, clip: Path, host: str) -> None:
    with quick.http(host=f"{host}:{quick.port}") as client:
        response = client.post(
            "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": clip.read_bytes()}
        )
    message = assert_error(response, 401, "invalid_api_key")
    assert "WHISPER_API_KEYS" in message
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_container_is_in_with_a_key(keyed: LiveService, clip: Path) -> None:
    with keyed.http(host=f"host.docker.internal:{keyed.port}") as client:
        response = client.post(
            "/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": clip.read_bytes()}
        )
    assert response.json()["text"] == FAKE_TEXT


@pytest.mark.parametrize(
    "header", ["x-forwarded-for", "x-real-ip", "forwarded", "via", "x-forwarded-host", "cf-connecting-ip"]
)
def test_what_came_through_a_proxy_is_not_of_this_machine(quick: LiveService, keyed: LiveService, header: str) -> None:
    message = assert_error(ask(quick, **{header: "127.0.0.1"}), 401, "invalid_api_key")
    assert "WHISPER_API_KEYS" in message
    assert ask(keyed, **{header: "203.0.113.7"}).status_code == 200


@pytest.mark.parametrize("path", ["/v1/models", "/v1/jobs", "/session", "/rq/"])
def test_a_name_that_is_not_this_machines_is_refused(quick: LiveService, path: str) -> None:
    """Or a web page could make its own name mean 127.0.0.1 and read everything."""
    message = assert_error(ask(quick, path, host="evil.example"), 403, "host_not_allowed")
    assert "WHISPER_ALLOWED_HOSTS" in message


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "null", "http://192.0.2.1"]
)
def test_pages_of_other_sites_are_refused(quick: LiveService, clip: Path, origin: str) -> None:
    before = quick.traces()
    with quick.http(origin=origin) as client:
        response = client.post("/v1/jobs", files={"file": clip.read_bytes()})
    assert_error(response, 403, "origin_not_allowed")
    assert quick.traces() <= before


@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://127.0.0.1:5173"])
def test_pages_of_this_machine_are_let_in(quick: LiveService, origin: str) -> None:
    assert ask(quick, origin=origin).status_code == 200


def test_with_keys_everything_but_health_needs_one(keyed: LiveService) -> None:
    found = paths(keyed)
    assert len(found) > 15
    with httpx.Client(base_url=keyed.url, trust_env=False, verify=False) as nobody:
        for method, path in found:
            response = nobody.request(method, path)
            if path in OPEN:
                assert response.status_code == 200
                continue
            message = assert_error(response, 401, "invalid_api_key")
            assert "WHISPER_API_KEYS" in message
            wanted = "Basic" if path.startswith("/rq/") else "Bearer"
            assert response.headers["www-authenticate"].partition(" ")[0] == wanted, path


@pytest.mark.parametrize("path", PAGE)
def test_the_page_is_only_code_which_everybody_may_have(keyed: LiveService, quick: LiveService, path: str) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False, verify=False) as nobody:
        assert nobody.get(path).status_code == 200
    assert ask(quick, path, **{"x-forwarded-for": "203.0.113.7"}).status_code == 200


def test_a_browser_that_is_signed_in_needs_no_key(keyed: LiveService) -> None:
    """Over its own page alone, and until it signs out."""
    own = {"origin": keyed.url}
    with httpx.Client(base_url=keyed.url, trust_env=False, verify=False) as browser:
        assert browser.get("/session").json() == {"name": None, "needs_key": True, "signed_in": False}
        assert browser.post("/session", json={"key": KEYS["ben"]}, headers=own).status_code == 204
        assert browser.get("/session").json()["name"] == "ben"
        assert browser.get("/v1/jobs").status_code == 200
        assert_error(browser.post("/v1/jobs", content=b"x"), 403, "origin_not_allowed")
        assert_error(browser.post("/v1/jobs", content=b"x", headers=own), 400, "invalid_content_type", "file")
        assert browser.delete("/session", headers=own).status_code == 204
        assert browser.get("/v1/jobs").status_code == 401


@pytest.mark.parametrize("authorization", ["Bearer sk-wrong", basic("sk-wrong"), "Basic !!!", "Bearer", "Digest x"])
def test_a_wrong_key_is_refused_and_not_repeated(keyed: LiveService, authorization: str) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False, verify=False) as client:
        response = client.get("/v1/models", headers={"authorization": authorization})
    assert "sk-" not in assert_error(response, 401, "invalid_api_key")


def test_a_key_in_the_address_is_none(keyed: LiveService) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False, verify=False) as client:
        response = client.get("/v1/models", params={"api_key": KEYS["anna"], "key": KEYS["anna"]})
    assert_error(response, 401, "invalid_api_key")
    assert KEYS["anna"] not in keyed.log()


@pytest.mark.parametrize("header", ["X-API-Key", "api-key"])
def test_a_key_may_come_in_the_headers_of_other_services(keyed: LiveService, header: str) -> None:
    with httpx.Client(base_url=keyed.url, trust_env=False, verify=False) as client:
        assert client.get("/v1/models", headers={header: KEYS["ben"]}).status_code == 200
        assert client.get("/v1/models", headers={header: "sk-wrong"}).status_code == 401


def test_a_client_that_has_only_an_address_puts_its_key_there(keyed: LiveService, clip: Path) -> None:
    address = keyed.url.replace("://", f"://x:{KEYS['ben']}@")
    with httpx.Client(base_url=address, trust_env=False, verify=False, timeout=60) as client:
        response = client.post("/audio/transcriptions", files={"file": clip.read_bytes()})
    assert response.json()["text"] == FAKE_TEXT


@pytest.mark.parametrize("path", ["/rq/", "/rq/0/data/queues.json", "/v1/models", "/v1/jobs"])
def test_a_browser_sends_the_key_as_its_password(keyed: LiveService, path: str) -> None:
    assert ask(keyed, path, authorization=basic(KEYS["ben"])).status_code == 200


def test_a_password_a_browser_remembers_is_of_no_use_to_other_sites(keyed: LiveService, clip: Path) -> None:
    before = keyed.traces()
    with keyed.http(authorization=basic(KEYS["ben"]), origin="https://evil.example") as client:
        response = client.post("/v1/jobs", files={"file": clip.read_bytes()})
    assert_error(response, 403, "origin_not_allowed")
    assert keyed.traces() <= before
