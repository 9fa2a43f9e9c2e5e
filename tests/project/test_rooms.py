"""Floors and rooms: imports point one way, and a folder can be surveyed."""

from __future__ import annotations

import graphlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

from scripts.documents.rooms import FLOORS, ROOT, drawn, imported, rooms

MAX_MODULES = 12  # in one folder
MAX_LINES = 300


def files(floor: str) -> list[Path]:
    found = sorted((ROOT / floor).rglob("*.py"))
    assert found, f"no file in {floor}: the test looks in the wrong place"
    return found


@pytest.mark.parametrize("floor", FLOORS[:-1])  # scripts may import anything, and nobody but tests imports them
def test_no_import_points_up(floor: str) -> None:
    above = {*FLOORS[FLOORS.index(floor) + 1 :], "tests"}
    for path in files(floor):
        assert not {name.partition(".")[0] for name in imported(path)} & above, f"{path} imports from above"


def test_the_client_needs_three_small_packages_and_nothing_of_the_service() -> None:
    with_extra = ROOT / "whisper_native" / "mcp"
    small = [path for path in files("whisper_native") if with_extra not in path.parents]
    ours = {name.partition(".")[0] for path in small for name in imported(path)}
    assert ours - set(sys.stdlib_module_names) <= {"whisper_native", "click", "httpx", "rich"}
    more = {name.partition(".")[0] for path in with_extra.glob("*.py") for name in imported(path)}
    assert more - set(sys.stdlib_module_names) <= {"whisper_native", "mcp", "mcp_types", "anyio", "pydantic"}
    for floor in set(FLOORS) - {"whisper_native"}:
        assert not [path for path in files(floor) if any(name.startswith("whisper_native") for name in imported(path))]


def test_the_wheel_has_all_of_scripts_that_the_service_imports() -> None:
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    shipped = [name for name in wheel["wheel"]["force-include"] if name.startswith("scripts/")]
    paths = [path for name in shipped for path in ((ROOT / name).rglob("*.py") if "." not in name else [ROOT / name])]
    needed = {name.replace(".", "/") for path in paths for name in imported(path) if name.startswith("scripts.")}
    assert not [name for name in needed if not any(name.startswith(each.removesuffix(".py")) for each in shipped)]


def test_arrows_between_rooms_go_one_way() -> None:
    assert list(graphlib.TopologicalSorter(rooms()).static_order())


def test_the_test_sees_an_arrow_that_closes_a_circle(tmp_path: Path) -> None:
    for name, line in (("engines/low/a.py", "import engines.high.b"), ("engines/high/b.py", "import engines.low.a")):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f"def late() -> None:\n    {line}\n")
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(rooms(tmp_path)).prepare()


@pytest.mark.parametrize("floor", FLOORS)
def test_a_folder_has_at_most_twelve_modules_and_a_module_300_lines(floor: str) -> None:
    for folder in {path.parent for path in files(floor)}:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= MAX_MODULES, f"{folder} has {len(modules)} modules"
    long = {str(path): lines for path in files(floor) if (lines := len(path.read_text().splitlines())) > MAX_LINES}
    assert long == {}


def test_engines_know_no_redis_no_http_and_no_settings() -> None:
    for path in files("engines"):
        libraries = {name.partition(".")[0] for name in imported(path)}
        assert not libraries & {"redis", "rq", "fastapi", "starlette", "pydantic_settings"}, path.name
        source = path.read_text(encoding="utf-8")
        assert not any(name in source for name in ("os.environ", "getenv")), f"{path.name} reads the environment"


def test_every_room_says_in_one_line_what_it_holds() -> None:
    folders = {path.parent for floor in FLOORS for path in files(floor)}
    for folder in folders:
        lines = (folder / "__init__.py").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 1, folder
        assert re.fullmatch(r'"""[A-Z].{10,}\."""', lines[0]), folder


def test_programs_and_empty_packages_are_not_drawn() -> None:
    boxes = drawn(rooms())
    assert {"engines", "worker.queue", "api.routes", "scripts.service"} <= set(boxes)
    assert not [box for box in boxes if "__" in box or box.startswith("scripts.download")]
