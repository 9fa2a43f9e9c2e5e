"""The documentation says what there is: every setting, endpoint, model and command, and nothing of one machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakeredis import FakeRedis
from fastapi import FastAPI
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings
from starlette.routing import BaseRoute, Mount, Route

from api.app import create_app
from api.settings import ApiSettings
from engines.weights.ctranslate2 import CTRANSLATE2_REPOSITORIES
from scripts.service.config import LauncherSettings
from tests.unit.api_service import api_settings, worker_settings
from worker.settings import WorkerSettings
from worker.store.job_store import LocalStore

ROOT = Path(__file__).parents[3]
SETTINGS: tuple[type[BaseSettings], ...] = (ApiSettings, WorkerSettings, LauncherSettings)

# A home directory, or a mirror of a package index: what one machine has and no other.
PRIVATE = re.compile(r"(?<![\w.~$}])/(?:home|Users|root|work)/\w|https?://[^\s\"'`]+/(?:simple|pypi)\b")


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def settings_table() -> str:
    """The README's table of settings, as their classes say it."""
    rows = [_row(name, field) for each in SETTINGS for name, field in each.model_fields.items()]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _row(name: str, field: FieldInfo) -> str:
    alias: Any = field.validation_alias
    default = field.get_default(call_default_factory=True, validated_data={})
    setting = alias.choices[0] if alias else f"WHISPER_{name.upper()}"
    return f"| `{setting}` | {_shown(default)} | {field.description} |"


def _shown(default: object) -> str:
    if default is None or default == {} or default == ():
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def test_the_readme_has_every_setting_with_its_default_and_meaning(readme: str) -> None:
    table = settings_table()
    assert table in readme, f"The settings have changed. Put this table into README.md:\n\n{table}\n"
    names = set(re.findall(r"^\| `((?:NATIVE_)?WHISPER_\w+)` \|", readme, flags=re.MULTILINE))
    assert names == set(re.findall(r"`((?:NATIVE_)?WHISPER_\w+)` \|", table)), "the README has settings there are not"


def test_every_setting_named_anywhere_exists(readme: str) -> None:
    """Also in running text, in messages to users and in the architecture's description."""
    known = set(re.findall(r"^\| `(\w+)`", settings_table(), flags=re.MULTILINE))
    places = [ROOT / "README.md", ROOT / "docs" / "ARCHITECTURE.md", *ROOT.glob("api/*.py"), *ROOT.glob("engines/*.py")]
    for path in places:
        named = set(re.findall(r"(?<!\.)\b(?:NATIVE_)?WHISPER_[A-Z_]+\b", path.read_text(encoding="utf-8")))
        # a variable of the reader's own shell that holds a key, in examples; after a dot it is a library's own name
        assert named - {"WHISPER_API_KEY", "WHISPER_"} <= known, path.name


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    store = LocalStore(tmp_path_factory.mktemp("store"))
    return create_app(api_settings(), worker_settings(), store=store, redis=FakeRedis())


def endpoints(routes: Iterable[BaseRoute]) -> Iterator[str]:
    """Method and path of each, with what was included from other routers."""
    for route in routes:
        included = getattr(route, "original_router", None)  # newer versions of FastAPI keep it as one route
        if included is not None:
            yield from endpoints(included.routes)
        elif isinstance(route, Mount):
            yield f"GET {route.path}"
        elif isinstance(route, Route):
            path = route.path.replace(":path", "")
            yield from (f"{method} {path}" for method in route.methods or () if method != "HEAD")


def test_the_readme_has_every_endpoint_and_no_other(app: FastAPI, readme: str) -> None:
    there_are = set(endpoints(app.routes))
    assert len(there_are) > 12
    first_cells = re.findall(r"^\| (`[A-Z]+ /[^|]*) \|", readme, flags=re.MULTILINE)
    assert set(re.findall(r"`([A-Z]+ /[^`]*)`", " ".join(first_cells))) == there_are


def test_the_readme_has_every_model(readme: str) -> None:
    section = readme.partition("## Models")[2].partition("\n## ")[0]
    missing = [name for name in CTRANSLATE2_REPOSITORIES if f"`{name}`" not in section]
    assert missing == []


@pytest.mark.parametrize("name", ["README.md", "docs/ARCHITECTURE.md", "docs/RELIABILITY.md"])
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = re.findall(r"(?:`|^)make ([a-z][a-z-]*)", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(named) <= targets
    assert named or name != "README.md"


@pytest.mark.parametrize("name", ["README.md", "docs/ARCHITECTURE.md", "docs/RELIABILITY.md", "CHANGELOG.md"])
def test_every_link_to_a_file_leads_somewhere(name: str) -> None:
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert "://" in target or (path.parent / target).exists(), target


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)\n\n(.*)", text, flags=re.MULTILINE)
    assert sections[0][0] == "Unreleased"
    assert sections[0][1].startswith("- ")


def test_no_file_speaks_of_the_machine_it_was_written_on() -> None:
    """Neither a home directory nor a package index; what git ignores is not looked at."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("this is no git checkout")
    found = []
    for name in filter(None, listed.split("\0")):
        data = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in data:
            lines = data.decode("utf-8").splitlines()
            found += [f"{name}:{number}: {line}" for number, line in enumerate(lines, 1) if PRIVATE.search(line)]
    assert found == []
