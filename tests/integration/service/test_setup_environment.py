"""Setting up the environment, with real ones: once, again when the lock changes, and clear words where it cannot be."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scripts import setup_environment
from scripts.setup_environment import SetupFailed, ensure, find_python, is_current, venv_python

real_installation = pytest.mark.slow  # by pip; `make test` itself begins with one, of the lock's packages


def make_wheel(directory: Path, version: str, needs: str | None = None) -> str:
    """A wheel of the package `tiny-lock-test`, as a line of a lock file."""
    path = directory / f"tiny_lock_test-{version}-py3-none-any.whl"
    info = f"tiny_lock_test-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("tiny_lock_test.py", f"VERSION = {version!r}\n")
        required = f"Requires-Dist: {needs}\n" if needs else ""
        metadata = f"Metadata-Version: 2.1\nName: tiny-lock-test\nVersion: {version}\n{required}"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"tiny_lock_test.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"tiny-lock-test @ {path.as_uri()} --hash=sha256:{digest}\n"


def installed_version(venv: Path) -> str:
    code = "import tiny_lock_test; print(tiny_lock_test.VERSION)"
    return subprocess.check_output([str(venv_python(venv)), "-c", code], text=True).strip()


@pytest.fixture(scope="module")
def bare_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with pip alone, made once, since that takes seconds."""
    directory = tmp_path_factory.mktemp("bare") / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    return directory


@pytest.fixture
def venv(project: Path, bare_environment: Path) -> Path:
    """An environment that has its Python and nothing of the lock yet."""
    return Path(shutil.copytree(bare_environment, project / "environment", symlinks=True))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose lock files name a package of our own, on a machine without uv."""
    monkeypatch.setattr(setup_environment, "ROOT", tmp_path)
    monkeypatch.delenv("PYTHON", raising=False)
    monkeypatch.setattr(shutil, "which", without_uv)
    for name in ("requirements.txt", "requirements-dev.txt"):
        (tmp_path / name).write_text(make_wheel(tmp_path, "1.0"))
    return tmp_path


real_which = shutil.which


def without_uv(name: str) -> str | None:
    return None if name == "uv" else real_which(name)


@real_installation
def test_it_sets_up_once_and_again_when_the_lock_changes(
    project: Path, venv: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ensure(venv=venv) == venv_python(venv)
    assert installed_version(venv) == "1.0"
    capfd.readouterr()
    ensure(venv=venv)
    assert capfd.readouterr().out == ""  # nothing to do, nothing said
    (project / "requirements.txt").write_text(make_wheel(project, "2.0"))
    ensure(venv=venv)
    assert installed_version(venv) == "2.0"


@real_installation
def test_what_the_tests_need_includes_what_the_service_needs(project: Path, venv: Path) -> None:
    ensure(dev=True, venv=venv)
    assert is_current(dev=True, venv=venv)
    assert is_current(dev=False, venv=venv)
    (project / "requirements-dev.txt").write_text(make_wheel(project, "2.0"))
    assert not is_current(dev=True, venv=venv)
    assert is_current(dev=False, venv=venv)


@real_installation
def test_on_apple_silicon_the_engine_for_its_gpu_comes_along_without_what_it_says_it_needs(
    project: Path, venv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "requirements-mlx.txt").write_text(make_wheel(project, "3.0", needs="not-to-be-had"))
    ensure(venv=venv)
    assert installed_version(venv) == "1.0"
    (project / "requirements.txt").write_text(make_wheel(project, "2.0"))
    monkeypatch.setattr(setup_environment, "_is_apple_silicon", lambda: True)
    ensure(venv=venv)
    assert installed_version(venv) == "3.0"


@real_installation
def test_an_engine_is_added_by_its_extra(project: Path, venv: Path) -> None:
    wheel = make_wheel(project, "4.0").partition(" --hash")[0]
    (project / "pyproject.toml").write_text(f"[project.optional-dependencies]\nwhisper-cpp = ['{wheel}']\n")
    setup_environment.add_extra("whisper-cpp", venv)
    assert installed_version(venv) == "4.0"
    assert is_current(dev=False, venv=venv)


@real_installation
def test_all_engines_have_an_environment_of_their_own(
    project: Path, bare_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv = Path(shutil.copytree(bare_environment, project / "engines", symlinks=True))
    (project / "requirements-engines.txt").write_text(make_wheel(project, "5.0"))
    monkeypatch.setattr(setup_environment, "TORCH", make_wheel(project, "6.0").partition(" --hash")[0])
    assert setup_environment.ensure_engines(venv) == venv_python(venv)
    assert installed_version(venv) == "6.0", "in no lock, so it comes after the lock's"
    monkeypatch.setattr(setup_environment, "TORCH", "not-to-be-had")
    setup_environment.ensure_engines(venv)  # nothing to do


@real_installation
def test_a_package_that_is_not_the_pinned_one_is_refused(project: Path, venv: Path) -> None:
    line = (project / "requirements.txt").read_text()
    (project / "requirements.txt").write_text(line.split("sha256:")[0] + "sha256:" + "0" * 64 + "\n")
    with pytest.raises(SetupFailed, match="could not be installed"):
        ensure(venv=venv)
    assert not is_current(dev=False, venv=venv)


@real_installation
@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_an_environment_whose_python_is_gone_is_made_anew(venv: Path) -> None:
    venv_python(venv).unlink()
    venv_python(venv).symlink_to("/no/such/python")
    ensure(venv=venv)
    assert installed_version(venv) == "1.0"


def test_a_directory_that_is_no_environment_is_left_alone(project: Path) -> None:
    venv = project / "environment"
    venv.mkdir()
    (venv / "thesis.txt").touch()
    with pytest.raises(SetupFailed, match="is in the way"):
        ensure(venv=venv)
    assert (venv / "thesis.txt").exists()


def test_an_environment_that_cannot_be_made_leaves_no_half_one(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_environment, "find_python", lambda: real_which("false") or "false")
    with pytest.raises(SetupFailed, match="python3-venv"):
        ensure(venv=project / "environment")
    assert not (project / "environment").exists()


@real_installation
@pytest.mark.skipif(not real_which("uv"), reason="uv is not on PATH here")
def test_uv_does_the_same_where_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", real_which)
    venv = project / "environment"
    ensure(venv=venv)
    assert installed_version(venv) == "1.0"


@real_installation
@pytest.mark.skipif(os.name == "nt", reason="a shell script stands in for uv")
def test_where_uv_fails_pip_is_tried(
    project: Path, venv: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broken_uv = project / "uv"
    broken_uv.write_text("#!/bin/sh\nexit 1\n")
    broken_uv.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(broken_uv) if name == "uv" else real_which(name))
    ensure(venv=venv)
    assert installed_version(venv) == "1.0"
    assert "trying pip" in capfd.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="shell scripts stand in for Pythons")
class TestFindingPython:
    def stand_in(self, directory: Path, name: str, version: str) -> Path:
        path = directory / name
        path.write_text(f"#!/bin/sh\necho {version}\n")
        path.chmod(0o755)
        return path

    @pytest.fixture(autouse=True)
    def machine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """One on which the script itself runs under a Python that is too old, and nothing else is installed."""
        monkeypatch.delenv("PYTHON", raising=False)
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "executable", str(self.stand_in(tmp_path, "old", "3 9")))

    def test_a_suitable_one_on_path_is_found(self, tmp_path: Path) -> None:
        self.stand_in(tmp_path, "python3", "3 9")
        self.stand_in(tmp_path, "python3.13", "broken")
        right = self.stand_in(tmp_path, "python3.12", "3 12")
        assert find_python() == str(right)

    def test_none_is_a_clear_error(self, tmp_path: Path) -> None:
        self.stand_in(tmp_path, "python3", "3 14")
        with pytest.raises(SetupFailed, match=r"Python 3\.11, 3\.12 or 3\.13 is needed and was not found"):
            find_python()

    def test_the_one_asked_for_is_taken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stand_in(tmp_path, "python3.12", "3 12")
        mine = self.stand_in(tmp_path, "mine", "3 11")
        monkeypatch.setenv("PYTHON", str(mine))
        assert find_python() == str(mine)

    def test_one_asked_for_that_will_not_do_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PYTHON", str(self.stand_in(tmp_path, "mine", "3 10")))
        with pytest.raises(SetupFailed, match=r"PYTHON is set to '.*mine', which is not"):
            find_python()
