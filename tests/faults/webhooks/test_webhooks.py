"""Webhooks to receivers that are down, slow, rude or not who they say, from the service as it runs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from standardwebhooks import Webhook as Verifier

from tests.acceptance.live import LiveService, assert_error, nothing_left, until
from tests.receiver import Received, Receiver, Reply, receiving, statuses
from tests.services import SCALES, Start
from worker.webhooks.keys import new_secret

SECRET = new_secret()
TIMEOUT = 2.0  # seconds
SLOW = 61.0  # seconds
SETTINGS = {
    "WHISPER_ENGINE": "fake",
    "WHISPER_WEBHOOK_SECRET": SECRET,
    "WHISPER_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "WHISPER_WEBHOOK_TIMEOUT": str(TIMEOUT),
    "WHISPER_WEBHOOK_SCHEDULE": "0,0.2,0.2,2,600",
}


@pytest.fixture(scope="module", params=SCALES)
def scale(request: pytest.FixtureRequest) -> float:
    return float(request.param)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def hooked(
    start_service: Start, authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory, scale: float
) -> LiveService:
    """It calls back on loopback, tries four times within three seconds and then not for ten minutes."""
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    return start_service("hooked", **SETTINGS, WHISPER_WEBHOOK_CA_FILE=str(ca_file), WHISPER_TIME_SCALE=str(scale))


def senders(service: LiveService) -> list[psutil.Process]:
    """The process that calls back; none for a moment after its death."""
    found = []
    for child in psutil.Process(service.running.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.cmdline()[1:3] == ["-m", "worker.webhooks"]:
                found.append(child)
    return found


def delivery(service: LiveService, job_id: str) -> dict[str, Any]:
    [found] = service.get(f"/v1/jobs/{job_id}/deliveries").json()["data"]
    return dict(found)


def settled(service: LiveService, job_id: str, status: str = "delivered") -> dict[str, Any]:
    service.ended(job_id)
    until(lambda: delivery(service, job_id)["status"] == status, f"{job_id}: {status}", timeout=40)
    return delivery(service, job_id)


def tried(service: LiveService, job_id: str, times: int = 1) -> dict[str, Any]:
    """The delivery once it was tried so often."""
    service.ended(job_id)
    until(lambda: len(delivery(service, job_id)["attempts"]) >= times, f"{job_id}: {times} attempts", timeout=40)
    return delivery(service, job_id)


def responses(found: dict[str, Any]) -> list[int | None]:
    return [attempt["response_status"] for attempt in found["attempts"]]


def assert_one_event(requests: list[Received]) -> None:
    """All of them are one event, each signed at its own time."""
    assert len({request.headers["webhook-id"] for request in requests}) == 1
    assert len({request.body for request in requests}) == 1
    for request in requests:
        Verifier(SECRET).verify(request.body, request.headers)
        assert abs(int(request.headers["webhook-timestamp"]) - request.at) < 10


@pytest.mark.fault(37)
def test_a_receiver_that_is_down_for_three_attempts_gets_it_at_the_fourth(hooked: LiveService, clip: Path) -> None:
    with receiving() as reserved:
        port = reserved.port
    job_id = hooked.submit(clip, webhook_url=f"http://127.0.0.1:{port}/hook")
    tried(hooked, job_id, 3)
    with receiving(port=port) as receiver:
        [request] = receiver.wait(1)
        found = settled(hooked, job_id)
    assert responses(found) == [None, None, None, 200]
    assert_one_event([request])
    assert request.headers["webhook-id"] == found["id"]
    assert all("Connection refused" in attempt["error"] for attempt in found["attempts"][:3])


@pytest.mark.fault(37)
def test_every_attempt_has_the_same_id_a_new_timestamp_and_a_valid_signature(hooked: LiveService, clip: Path) -> None:
    with receiving(statuses(500, 502, 404, 200)) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        requests = receiver.wait(4)
        assert responses(settled(hooked, job_id)) == [500, 502, 404, 200]
    assert_one_event(requests)
    assert requests[3].headers["webhook-timestamp"] > requests[0].headers["webhook-timestamp"]
    assert requests[3].at - requests[2].at >= 2


@pytest.mark.fault(38)
def test_slow_receivers_hold_neither_transcription_nor_other_call_backs(hooked: LiveService, clip: Path) -> None:
    with receiving(statuses(Reply(silent=SLOW))) as slow, receiving() as quick:
        held = [hooked.submit(clip, webhook_url=slow.url()) for _ in range(8)]
        slow.wait(4)
        began = time.monotonic()
        hooked.submit(clip, webhook_url=quick.url(host="localhost"))
        assert hooked.transcribe(clip).status_code == 200
        quick.wait(1)
        assert time.monotonic() - began < 12, "one after another, the slow ones take 16 s"
        found = tried(hooked, held[0])
        first = found["attempts"][0]
        assert first["error"] == f"There was no answer within {TIMEOUT:g} s."
        assert first["seconds"] < TIMEOUT + 8
        with hooked.http() as client:
            for job_id in held:
                client.delete(f"/v1/jobs/{job_id}")


@pytest.mark.fault(38)
@pytest.mark.parametrize(("status", "state"), [(200, "delivered"), (500, "pending")])
def test_an_answer_without_end_is_cut_off(hooked: LiveService, clip: Path, status: int, state: str) -> None:
    with receiving(statuses(Reply(status, body=b"", endless=True))) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        found = tried(hooked, job_id)
        assert found["attempts"][0]["response_status"] == status
        assert found["attempts"][0]["seconds"] < TIMEOUT + 8
        assert found["status"] == state
        until(lambda: receiver.endless_bytes > 0, "it has begun to answer")
        assert receiver.endless_bytes < 50 * 1024 * 1024


@pytest.mark.fault(39)
@pytest.mark.parametrize("status", [500, 503, 429, 409, 400, 401, 404])
def test_what_is_not_taken_is_tried_again(hooked: LiveService, clip: Path, status: int) -> None:
    with receiving(statuses(status, 200)) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        assert_one_event(receiver.wait(2))
        assert responses(settled(hooked, job_id)) == [status, 200]


@pytest.mark.fault(39)
@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_receiver_is_given_the_time_it_asks_for(hooked: LiveService, clip: Path, status: int) -> None:
    with receiving(statuses(Reply(status, {"retry-after": "3"}), 200)) as receiver:
        hooked.submit(clip, webhook_url=receiver.url())
        first, second = receiver.wait(2)
    assert 3 <= second.at - first.at < 30, "the next in turn comes after ten minutes"


@pytest.mark.fault(39)
def test_a_workflow_that_is_about_to_wait_is_asked_again_every_moment(hooked: LiveService, clip: Path) -> None:
    """n8n's Wait node: 409 until the execution is parked. More attempts than the schedule has."""
    busy = Reply(409, body=b'{"code":409,"message":"The execution \\"7\\" is running already."}')
    with receiving(statuses(busy, busy, busy, busy, busy, busy, 200)) as receiver:
        hooked.submit(clip, webhook_url=receiver.url("/webhook-waiting/7?signature=" + "0" * 64))
        requests = receiver.wait(7, timeout=30)
    assert_one_event(requests)
    assert requests[1].at - requests[0].at < 5


@pytest.mark.fault(40)
def test_a_receiver_that_is_gone_is_not_tried_again(hooked: LiveService, clip: Path) -> None:
    with receiving(statuses(410)) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        found = settled(hooked, job_id, "gone")
        assert (responses(found), found["next_attempt_at"]) == ([410], None)
        hooked.post(f"/v1/jobs/{job_id}/redeliver")
        receiver.wait(2)


@pytest.mark.fault(41)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_not_followed(hooked: LiveService, clip: Path, status: int) -> None:
    with receiving() as inside, receiving(lambda *_: Reply(status, {"location": inside.url("/secret")})) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        found = tried(hooked, job_id, 2)
        assert (responses(found)[:2], found["status"]) == ([status] * 2, "pending")
        assert inside.requests == []


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def secure(authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[Receiver]:
    signed_by, name = request.param
    with receiving(tls=server_context(authority if signed_by == "ours" else trustme.CA(), name)) as receiver:
        yield receiver


@pytest.mark.fault(42)
@pytest.mark.parametrize("secure", [("theirs", "127.0.0.1"), ("ours", "hooks.example.com")], indirect=True)
def test_a_certificate_of_another_authority_or_name_is_refused_in_clear_words(
    hooked: LiveService, clip: Path, secure: Receiver
) -> None:
    job_id = hooked.submit(clip, webhook_url=secure.url())
    error = tried(hooked, job_id)["attempts"][0]["error"]
    assert "certificate is not trusted" in error
    assert "WHISPER_WEBHOOK_CA_FILE" in error
    assert secure.requests == []


@pytest.mark.fault(42)
@pytest.mark.parametrize("secure", [("ours", "127.0.0.1")], indirect=True)
def test_a_certificate_of_the_configured_authority_is_trusted(
    hooked: LiveService, clip: Path, secure: Receiver
) -> None:
    assert responses(settled(hooked, hooked.submit(clip, webhook_url=secure.url()))) == [200]


@pytest.mark.fault(43)
def test_a_sender_killed_between_delivery_and_record_delivers_again(hooked: LiveService, clip: Path) -> None:
    [victim] = until(lambda: senders(hooked), "the sender")

    def answer(number: int, request: Received) -> Reply:
        if number == 1:
            victim.kill()
            victim.wait(10)
        return Reply()

    with receiving(answer) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        requests = receiver.wait(2, timeout=40)
        assert responses(settled(hooked, job_id)) == [200]
    assert_one_event(requests)
    assert requests[1].at - requests[0].at < 25


@pytest.mark.fault(11)
def test_a_redis_that_lost_everything_costs_no_call_back(hooked: LiveService, clip: Path) -> None:
    with receiving(statuses(Reply(503, {"retry-after": "4"}), 200)) as receiver:
        hooked.submit(clip, webhook_url=receiver.url())
        receiver.wait(1)
        with hooked.redis() as redis:
            redis.flushall()
        assert_one_event(receiver.wait(2, timeout=30))


@pytest.mark.fault(53)
def test_line_breaks_in_what_a_job_says_of_itself_reach_no_header(hooked: LiveService, clip: Path) -> None:
    bad = "a\r\nX-Injected: 1\r\n\r\nb"
    with receiving() as receiver:
        sent = {"webhook_url": receiver.url(), "metadata": json.dumps({bad: bad}), "prompt": bad}
        answer = hooked.post("/v1/jobs", data=sent, files={"file": (bad, clip.read_bytes())})
        assert answer.status_code == 202
        [request] = receiver.wait(1)
    assert "x-injected" not in request.header_names
    data = json.loads(request.body)["data"]
    assert data["metadata"] == {bad: bad}
    assert "\n" not in data["file"]["name"]
    Verifier(SECRET).verify(request.body, request.headers)


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    ("field", "value", "status", "code"),
    [
        ("webhook_headers", '{"X-A": "1\\r\\nX-Injected: 1"}', 400, "invalid_value"),
        ("webhook_headers", '{"X-A\\r\\nX-Injected": "1"}', 400, "invalid_value"),
        ("webhook_url", "http://127.0.0.1:5678/\r\nX-Injected: 1", 422, "webhook_not_allowed"),
    ],
)
def test_line_breaks_in_what_becomes_of_a_request_are_refused(
    hooked: LiveService, clip: Path, field: str, value: str, status: int, code: str
) -> None:
    with nothing_left(hooked):
        sent = {"webhook_url": "http://127.0.0.1:5678/", field: value}
        assert_error(hooked.post("/v1/jobs", data=sent, files={"file": clip.read_bytes()}), status, code, field)


@pytest.mark.fault(57)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.1:{port}/",
        "http://0x7f.1:{port}/",
        "http://2130706433:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
    ],
)
def test_an_address_inside_is_refused_at_submission(quick: LiveService, clip: Path, url: str) -> None:
    with receiving() as receiver, nothing_left(quick):
        sent = {"webhook_url": url.format(port=receiver.port)}
        answer = quick.post("/v1/jobs", data=sent, files={"file": clip.read_bytes()})
        message = assert_error(answer, 422, "webhook_not_allowed", "webhook_url")
        assert "WHISPER_WEBHOOK_ALLOWED_HOSTS" in message
        assert receiver.requests == []


@pytest.mark.fault(57)
def test_an_address_that_was_allowed_at_submission_is_checked_again_at_sending(tmp_path: Path, clip: Path) -> None:
    """Takes over 10 s: two starts of a service."""
    service = LiveService(tmp_path, SETTINGS)
    with receiving(statuses(503)) as receiver:
        service.start()
        try:
            job_id = service.submit(clip, webhook_url=receiver.url())
            tried(service, job_id)
            service.stop()
            before = len(receiver.requests)
            service.settings = {**SETTINGS, "WHISPER_WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/8"}
            service.start()
            times = len(delivery(service, job_id)["attempts"])
            service.post(f"/v1/jobs/{job_id}/redeliver")
            error = tried(service, job_id, times + 1)["attempts"][-1]["error"]
        finally:
            service.stop()
    assert "WHISPER_WEBHOOK_ALLOWED_HOSTS=127.0.0.1" in error
    assert len(receiver.requests) == before


@pytest.mark.fault(58)
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/_FLUSHALL",
        "http://user:pass@127.0.0.1/",
        "http://127.0.0.1:6379/",
        "http://127.0.0.1:22/",
        "unix:///run/docker.sock",
        "//127.0.0.1/",
    ],
)
def test_what_is_no_receiver_of_http_is_refused_at_submission(hooked: LiveService, clip: Path, url: str) -> None:
    with nothing_left(hooked):
        answer = hooked.post("/v1/jobs", data={"webhook_url": url}, files={"file": clip.read_bytes()})
        assert_error(answer, 422, "webhook_not_allowed", "webhook_url")


def test_a_deleted_jobs_call_back_is_never_made(hooked: LiveService, clip: Path) -> None:
    with receiving(statuses(Reply(503, {"retry-after": "8"}))) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        receiver.wait(1)
        tried(hooked, job_id)
        with hooked.http() as client:
            assert client.delete(f"/v1/jobs/{job_id}").status_code == 200
        with hooked.redis() as redis:
            until(lambda: not redis.zscore("whisper:webhooks:due", job_id), "it is forgotten")
        assert len(receiver.requests) == 1


def test_a_sender_that_is_asked_to_stop_lets_a_call_under_way_end(hooked: LiveService, clip: Path) -> None:
    [victim] = until(lambda: senders(hooked), "the sender")
    asked: list[float] = []

    def answer(number: int, request: Received) -> Reply:
        if number == 1:
            os.kill(victim.pid, signal.SIGTERM)
            asked.append(time.monotonic())
        return Reply(silent=0.5)

    with receiving(answer) as receiver:
        job_id = hooked.submit(clip, webhook_url=receiver.url())
        assert responses(settled(hooked, job_id)) == [200]
        until(lambda: victim not in senders(hooked), "it has stopped")
        assert time.monotonic() - asked[0] < 9, "the grace is 10 s"
        until(lambda: senders(hooked), "another is there")
    assert len(receiver.requests) == 1
