"""What is packed for a machine without a network, with the real pip and git."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import zipfile
from pathlib import Path

import pytest

from scripts.gpu.pack import PackFailed, Wanted, download, needed_glibc, pack, pip_arguments, project_files


def write_wheel(folder: Path, name: str = "tiny-1.0-py3-none-manylinux_2_17_x86_64.whl") -> str:
    """Its sum."""
    folder.mkdir(exist_ok=True)
    described = {
        "tiny.py": "",
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: no-such-one\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-manylinux_2_17_x86_64\n",
        "tiny-1.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(folder / name, "w") as wheel:
        for path, text in described.items():
            wheel.writestr(path, text)
    return hashlib.sha256((folder / name).read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one place where pip looks for wheels."""
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", (tmp_path / "index").as_uri()), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    (tmp_path / "index").mkdir()
    return tmp_path / "index"


def test_pip_fetches_the_wheel_of_linux_by_its_hash_and_nothing_that_it_asks_for(index: Path, tmp_path: Path) -> None:
    file, wheels = tmp_path / "requirements.txt", tmp_path / "wheels"
    file.write_text(f"tiny==1.0 \\\n    --hash=sha256:{write_wheel(index)}\n")
    download(file, wheels, "3.13")
    assert [each.name for each in wheels.iterdir()] == ["tiny-1.0-py3-none-manylinux_2_17_x86_64.whl"]


def test_a_wheel_with_another_sum_is_refused(index: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "requirements.txt"
    write_wheel(index)
    file.write_text(f"tiny==1.0 \\\n    --hash=sha256:{'0' * 64}\n")
    with pytest.raises(PackFailed, match="reason stands above"):
        download(file, tmp_path / "wheels", "3.12")
    assert "HASHES" in capfd.readouterr().err


def test_without_an_index_it_is_said_and_nothing_is_left(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PackFailed, match="A package index must be reachable"):
        pack(tmp_path / "new" / "target", Wanted("3.12"))
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    for target in (tmp_path, tmp_path / "mine"):
        with pytest.raises(PackFailed, match="not an empty folder"):
            pack(target, Wanted("3.12"))
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


def test_where_nothing_can_be_written_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(PackFailed, match="could not be written"):
        pack(tmp_path / "mine" / "target", Wanted("3.12"))


def test_what_git_tracks_is_packed_and_no_more(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "data").mkdir()
    for name in ("kept.py", "deleted.py", "data/secret", "with a space"):
        (tmp_path / name).write_text(name)
    git("add", "kept.py", "deleted.py", "with a space")
    (tmp_path / "deleted.py").unlink()
    assert project_files(tmp_path) == [Path("kept.py"), Path("with a space")]


def test_outside_of_a_checkout_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(PackFailed, match="git checkout"):
        project_files(tmp_path)


def test_the_oldest_glibc_comes_first() -> None:
    words = pip_arguments(Path("file"), Path("wheels"), "3.13")
    platforms = [after for word, after in itertools.pairwise(words) if word == "--platform"]
    assert platforms[:2] == ["manylinux_2_5_x86_64", "manylinux1_x86_64"]
    assert platforms.index("manylinux2014_x86_64") == platforms.index("manylinux_2_17_x86_64") + 1
    assert platforms[-2:] == ["manylinux_2_39_x86_64", "linux_x86_64"]


def test_the_glibc_that_is_needed_is_that_of_the_most_demanding_wheel(tmp_path: Path) -> None:
    for name in ("a-1-cp312-cp312-manylinux2014_x86_64.manylinux_2_28_x86_64", "b-1-py3-none-any"):
        (tmp_path / f"{name}.whl").touch()
    assert needed_glibc(tmp_path) == "2.17"
    (tmp_path / "c-1-cp312-cp312-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl").touch()
    assert needed_glibc(tmp_path) == "2.27"
