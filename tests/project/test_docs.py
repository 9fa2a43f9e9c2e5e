"""The documentation says what there is: every setting, endpoint and model, and nothing of one machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from fakeredis import FakeRedis
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route

from api.app import create_app
from engines.registry import ENGINES
from engines.weights.ctranslate2 import CTRANSLATE2_REPOSITORIES
from scripts import write_docs
from scripts.documents.configuration import GROUPS, settings
from tests.project.documents import DOCUMENTS, ROOT, name, text
from tests.unit.api_service import api_settings, worker_settings
from worker.runtime.version import VERSION
from worker.store.job_store import LocalStore

MAX_README_LINES = 150
# Said otherwise here before -> the field's word for it.
FIELD_WORDS = {"call-back": "webhook", "blotted out": "redacted", "sign of life": "heartbeat", "janitor": "maintenance"}

OF_THE_CLIENT = ("WHISPER_URL", "WHISPER_KEY")  # variables that the command reads, and no settings of the service

# A home directory, or a mirror of a package index: what one machine has and no other.
PRIVATE = re.compile(r"(?<![\w.~$}])/(?:home|Users|root|work)/\w|https?://[^\s\"'`]+/(?:simple|pypi)\b")


def test_the_readme_is_read_in_a_few_minutes() -> None:
    assert len(text(ROOT / "README.md").splitlines()) <= MAX_README_LINES


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_documents_use_the_words_of_the_field(path: Path) -> None:
    found = [f"{word}: say {better}" for word, better in FIELD_WORDS.items() if word in text(path).lower()]
    assert found == []


@pytest.mark.parametrize("document", write_docs.DOCUMENTS)
def test_what_is_written_from_the_code_is_up_to_date(document: str) -> None:
    shown = text(ROOT / document)
    assert shown == write_docs.DOCUMENTS[document](shown), "Run `make docs` and commit what it writes."


def test_every_setting_is_in_one_group() -> None:
    grouped = [setting for names in GROUPS.values() for setting in names]
    assert sorted(grouped) == sorted(settings())


def test_every_setting_is_described() -> None:
    assert [each.name for each in settings().values() if not each.meaning] == []


def test_every_setting_named_anywhere_exists() -> None:
    """Also in messages to users."""
    known = set(settings())
    sources = [path for floor in ("api", "engines") for path in (ROOT / floor).rglob("*.py")]
    for path in [*DOCUMENTS, *sources]:
        named = set(re.findall(r"(?<!\.)\b(?:NATIVE_)?WHISPER_[A-Z_]+\b", text(path)))
        # a variable of the reader's own shell that holds a key, in examples; after a dot it is a library's own name
        assert named - {"WHISPER_API_KEY", "WHISPER_", *OF_THE_CLIENT} <= known, name(path)


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


def test_every_endpoint_is_documented_once_and_no_other(app: FastAPI) -> None:
    there_are = sorted(set(endpoints(app.routes)))
    assert len(there_are) > 12
    first_cells = [
        cell for path in DOCUMENTS for cell in re.findall(r"^\| (`[A-Z]+ /[^|]*) \|", text(path), re.MULTILINE)
    ]
    assert sorted(re.findall(r"`([A-Z]+ /[^`]*)`", " ".join(first_cells))) == there_are


def test_every_model_is_listed() -> None:
    document = text(ROOT / "docs" / "MODELS.md")
    assert [model for model in CTRANSLATE2_REPOSITORIES if f"`{model}`" not in document] == []


def test_every_engine_is_listed() -> None:
    document = text(ROOT / "docs" / "ENGINES.md")
    assert [engine for engine in ENGINES if engine != "fake" and f"| `{engine}`" not in document] == []


def test_the_changelog_has_what_is_unreleased_and_this_version() -> None:
    """As https://keepachangelog.com wants it."""
    sections = re.findall(r"^## \[(.+?)\](.*)$", text(ROOT / "CHANGELOG.md"), flags=re.MULTILINE)
    assert sections[0] == ("Unreleased", "")
    assert sections[1][0] == VERSION
    assert all(re.fullmatch(r" - \d{4}-\d\d-\d\d", date) for _, date in sections[1:])
    kinds = set(re.findall(r"^### (.*)$", text(ROOT / "CHANGELOG.md"), flags=re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_no_file_speaks_of_the_machine_it_was_written_on() -> None:
    """Neither a home directory nor a package index; what git ignores is not looked at."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    if not listed:
        pytest.skip("this is no git checkout")
    found = []
    for listed_name in filter(None, listed.split("\0")):
        data = (ROOT / listed_name).read_bytes() if (ROOT / listed_name).is_file() else b""
        if b"\0" not in data:
            lines = data.decode("utf-8").splitlines()
            found += [f"{listed_name}:{number}: {line}" for number, line in enumerate(lines, 1) if PRIVATE.search(line)]
    assert found == []
