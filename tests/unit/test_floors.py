"""api -> worker -> engines: an import never points up, and a face needs no brain."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("engines", "worker", "api")  # lowest first; each may import itself and what lies below
OUTSIDE = ("scripts", "tests")  # may import anything, and nobody imports them
BACKENDS = ("ctranslate2", "faster_whisper", "onnxruntime", "torch", "mlx", "pywhispercpp", "av", "tokenizers")


def files(floor: str) -> list[Path]:
    found = sorted((ROOT / floor).rglob("*.py"))
    assert found, f"no file in {floor}: the test looks in the wrong place"
    return found


def imported(path: Path) -> set[str]:
    """Every module a file imports anywhere in it, by its top-level name."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full here"
            names.add(node.module or "")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            names |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("floor", FLOORS)
def test_no_import_points_up(floor: str) -> None:
    above = {*FLOORS[FLOORS.index(floor) + 1 :], *OUTSIDE}
    for path in files(floor):
        assert not imported(path) & above, f"{path.relative_to(ROOT)} imports from above"


def test_engines_know_no_redis_no_http_and_no_settings() -> None:
    for path in files("engines"):
        assert not imported(path) & {"redis", "rq", "fastapi", "starlette", "pydantic_settings"}, path.name
        source = path.read_text(encoding="utf-8")
        assert not any(name in source for name in ("os.environ", "getenv")), f"{path.name} reads the environment"


def test_the_test_sees_an_import_that_points_up(tmp_path: Path) -> None:
    (tmp_path / "low.py").write_text("def late() -> None:\n    from api.app import create_app\n")
    assert imported(tmp_path / "low.py") == {"api"}


def test_what_the_api_needs_of_the_floors_below_loads_no_backend() -> None:
    modules = "worker.queue, worker.store, worker.maintenance, engines.registry, engines.models"
    program = f"import sys, {modules}; print([name for name in {BACKENDS} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
