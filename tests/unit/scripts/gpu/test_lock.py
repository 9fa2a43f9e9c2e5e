"""A lock is read for Linux on x86-64, whatever machine reads it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scripts.gpu.lock import requirements
from scripts.gpu.pack import PYTHONS

LOCK = (Path(__file__).parents[4] / "requirements-cuda.txt").read_text(encoding="utf-8")


def names(text: str) -> set[str]:
    return set(re.findall(r"^([^=\s]+)==", text, flags=re.MULTILINE))


@pytest.mark.parametrize("python", PYTHONS)
def test_only_what_is_for_other_systems_is_left_out(python: str) -> None:
    left_out = names(LOCK) - names(requirements(LOCK, python))
    for name in left_out - {"async-timeout"}:
        (entry,) = re.findall(rf"^{name}==.*", LOCK, flags=re.MULTILINE)
        assert re.search("sys_platform == '(win32|emscripten|darwin)'|sys_platform != 'linux'", entry), entry
    assert "colorama" in left_out
    assert "nvidia-cublas-cu12" not in left_out


def test_of_a_package_with_two_versions_that_of_linux_is_taken() -> None:
    text = requirements(LOCK, "3.12")
    assert len(re.findall("^nvidia-cublas-cu12==", text, flags=re.MULTILINE)) == 1
    assert LOCK.count("nvidia-cublas-cu12==") == 2


def test_what_some_patch_of_the_version_needs_is_packed() -> None:
    assert "async-timeout" in names(requirements(LOCK, "3.11"))
    assert "async-timeout" not in names(requirements(LOCK, "3.12"))


def test_conditions_are_gone_and_hashes_stay() -> None:
    hashes = " \\\n    --hash=sha256:a \\\n    --hash=sha256:b\n"
    lock = f"one==1.0 ; sys_platform == 'linux'{hashes}two==2{hashes}"
    assert requirements(lock, "3.13") == f"one==1.0{hashes}two==2{hashes}"


def test_a_package_can_be_left_out_by_its_module_s_name() -> None:
    assert names(requirements(LOCK, "3.12")) - names(requirements(LOCK, "3.12", ["faster_whisper"])) == {
        "faster-whisper"
    }
