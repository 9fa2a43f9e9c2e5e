"""Packs what the check needs on a machine without a network: the project's files, wheels, and a script that does it."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engines.weights.ctranslate2 import CARRIED_BASE, weights_on_this_machine
from scripts.gpu.lock import requirements
from scripts.gpu.made import TOKENIZER, TOKENIZER_FILES
from scripts.gpu.parts import NAME, SUMS, write_parts

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
FOLDER = "whisper-native-gpu"  # what the parts unpack to
GLIBC = range(5, 40)  # 2.5 to 2.39: a wheel's name has the oldest it runs on
PARTS = ("project", "wheels", "weights of base", "CUDA libraries")
_MANYLINUX = {"manylinux1": 5, "manylinux2010": 12, "manylinux2014": 17}


class PackFailed(Exception):
    """Says what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """python: of the other machine. below: bytes of a part, if it is to come in parts."""

    python: str
    has_cuda: bool = True
    has_weights: bool = True
    below: int | None = None

    @property
    def lock(self) -> str:
        return "requirements-cuda.txt" if self.has_cuda else "requirements.txt"

    @property
    def without(self) -> tuple[str, ...]:
        return () if self.has_weights else CARRIED_BASE


def pack(target: Path, wanted: Wanted) -> str:
    """Fills the folder, and says what is in it and what to do with it. Raises PackFailed, and leaves nothing then."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise PackFailed(f"'{target}' is not an empty folder. Name one that is empty, or yet to be made.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
            folder = Path(aside) / FOLDER
            folder.mkdir()
            _gather(folder, wanted)
            said = _sizes(folder)
            if wanted.below:
                folder = _split(folder, wanted.below)
            if target.exists():
                target.rmdir()
            folder.rename(target)
    except OSError as error:
        raise PackFailed(f"'{target}' could not be written: {error.strerror or error}.") from error
    return f"{said}\n\n{_next_steps(target, wanted)}"


def project_files(root: Path = ROOT) -> list[Path]:
    """What git tracks, as it lies here: no data, no environments, no logs."""
    command = ["git", "ls-files", "-z"]
    try:
        ended = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackFailed(f"'{root}' has to be a git checkout, and git installed: git says what to pack.") from error
    names = [Path(name) for name in ended.stdout.split("\0") if name]
    return [name for name in names if (root / name).is_file()]  # not those deleted here


def pip_arguments(file: Path, wheels: Path, python: str) -> list[str]:
    """Of `pip download`: for Linux on x86-64, the wheel that wants the oldest glibc first."""
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in GLIBC]
    for old, minor in _MANYLINUX.items():
        platforms.insert(platforms.index(f"manylinux_2_{minor}_x86_64") + 1, f"{old}_x86_64")
    return [
        *("download", "--no-deps", "--require-hashes", "--only-binary", ":all:"),
        *("--implementation", "cp", "--python-version", python),
        *(word for platform in (*platforms, "linux_x86_64") for word in ("--platform", platform)),
        *("--quiet", "--no-input", "--disable-pip-version-check", "--dest", str(wheels), "--requirement", str(file)),
    ]


def needed_glibc(wheels: Path) -> str:
    """The oldest that all of the wheels run on."""
    minors = [min(found) for each in wheels.glob("*.whl") if (found := list(_glibc_of(each.name)))]
    return f"2.{max(minors, default=GLIBC[0])}"


def _glibc_of(wheel: str) -> Iterator[int]:
    for name, minor in _MANYLINUX.items():
        if f"{name}_" in wheel:
            yield minor
    yield from map(int, re.findall(r"manylinux_2_(\d+)_", wheel))


def _gather(folder: Path, wanted: Wanted) -> None:
    for name in project_files():
        (folder / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / "project" / name)
    if not wanted.has_weights:
        _carry_tokenizer(folder / "project" / "data" / "models" / TOKENIZER)
    file, wheels = folder / "requirements.txt", folder / "wheels"
    lock = (ROOT / wanted.lock).read_text(encoding="utf-8")
    file.write_text(requirements(lock, wanted.python, wanted.without), encoding="utf-8")
    print(f"Fetching what {wanted.lock} pins, for Python {wanted.python} on Linux ...", flush=True)
    download(file, wheels, wanted.python)
    script = (Path(__file__).parent / "check.sh").read_text(encoding="utf-8")
    models = "base made:large-v3-turbo" if wanted.has_weights else "made:base made:large-v3-turbo"
    script = script.replace("@PYTHON@", wanted.python).replace("@MODELS@", f"--models {models}")
    (folder / "check.sh").write_text(script, encoding="utf-8", newline="\n")
    (folder / "README.txt").write_text(_readme(wanted, wheels), encoding="utf-8")


def _carry_tokenizer(target: Path) -> None:
    source = weights_on_this_machine("base", ROOT / "data")
    if source is None:
        raise PackFailed("The model base, whose tokenizer is to be packed, is not here. Install requirements.txt.")
    target.mkdir(parents=True)
    for name in TOKENIZER_FILES:
        shutil.copyfile(source / name, target / name)


def download(file: Path, wheels: Path, python: str) -> None:
    """Fetches what the file names and checks its hashes. Raises PackFailed."""
    pip = [sys.executable, "-m", "pip"]
    quiet = subprocess.DEVNULL
    if subprocess.call([*pip, "--version"], stdout=quiet, stderr=quiet) != 0:  # an environment made by uv has none
        subprocess.call([sys.executable, "-m", "ensurepip", "--default-pip"])
    if subprocess.call([*pip, *pip_arguments(file, wheels, python)]) != 0:
        raise PackFailed(
            "The wheels could not be fetched; the reason stands above. A package index must be reachable (the network, "
            "or the mirror that pip is set up for), and the disk must have room for a gigabyte (a third without "
            "CUDA's libraries), twice if in parts."
        )


def _split(folder: Path, size: int) -> Path:
    parts = folder.with_name("parts")
    parts.mkdir()
    write_parts(folder, parts, size)
    return parts


def _sizes(folder: Path) -> str:
    sizes = dict.fromkeys(PARTS, 0)
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            sizes[_part_of(file.relative_to(folder))] += file.stat().st_size
    rows = [f"{part:16} {size / 1e6:8.1f} MB" for part, size in [*sizes.items(), ("all", sum(sizes.values()))]]
    return "\n".join(rows)


def _part_of(file: Path) -> str:
    if file.parts[0] != "wheels":
        return "project"
    if file.name.startswith("nvidia_"):
        return "CUDA libraries"
    return "weights of base" if file.name.startswith(CARRIED_BASE) else "wheels"


def _readme(wanted: Wanted, wheels: Path) -> str:
    return f"""\
whisper-native's check of a GPU, for a machine without a network that has

- Linux on x86-64, with glibc {needed_glibc(wheels)} or newer
- Python {wanted.python} with its modules venv and ensurepip
- NVIDIA's driver, 525 or newer
- {_cuda(wanted)}

    sh check.sh                                  within 8 minutes; what it finds is left in the folder results
    sh check.sh --device cpu --models base       a trial without a GPU, no result

check.sh makes an environment in this folder, of these wheels alone, and says at its top what else it takes.
{_weights(wanted)}
"""


def _cuda(wanted: Wanted) -> str:
    if wanted.has_cuda:
        return "nothing of CUDA: its libraries are among the wheels"
    return "cuBLAS 12, which is not among the wheels: libcublas.so.12 has to be found (LD_LIBRARY_PATH)"


def _weights(wanted: Wanted) -> str:
    made = "Random ones in the shape of large-v3-turbo are made there (1.6 GB), for time and memory, not for words."
    if wanted.has_weights:
        return f"The weights of the model base are among the wheels. {made}"
    return f"No weights are carried. {made} So are some in that of base."


def _next_steps(target: Path, wanted: Wanted) -> str:
    if not wanted.below:
        return f"Carry '{target}' to the other machine, and run there:\n\n    sh {shlex.quote(target.name)}/check.sh"
    parts = f"{len(list(target.glob(f'{NAME}.*')))} parts of at most {wanted.below / 1e6:g} MB"
    return (
        f"Carry '{target}' ({parts}) to the other machine, and run there, in it:"
        f"\n\n    sha256sum -c {SUMS} && cat {NAME}.* | tar x && sh {FOLDER}/check.sh"
    )
