"""Every link in a document leads to a file that is there, and to a heading in it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.project.documents import DOCUMENTS, ROOT, anchors, links, name, spans, text

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
FLOORS = ("api", "worker", "engines", "scripts", "whisper_native")


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(path: Path) -> None:
    for link in links(text(path)):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), f"{link}: there is no such file"
        if anchor:
            assert anchor in anchors(text(target)), f"{link}: there is no such heading"


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if path.name != "CHANGELOG.md"], ids=name)
def test_every_file_and_folder_that_is_named_exists(path: Path) -> None:
    """By its path from the root, or a module by its name alone."""
    for span in spans(text(path)):
        if re.fullmatch(r"(api|worker|engines|scripts|tests|docs|examples)/[\w./-]+", span):
            assert (ROOT / span).exists(), span
        elif re.fullmatch(r"\w+\.py", span):
            assert any(next((ROOT / floor).rglob(span), None) for floor in FLOORS), span


def test_every_module_that_a_comment_names_exists() -> None:
    """As `api/app.py` or as `api.app`, with a name that is in it or without."""
    for remark in (
        remark for floor in FLOORS for path in (ROOT / floor).rglob("*.py") for remark in remarks(text(path))
    ):
        for file in re.findall(rf"\b(?:{'|'.join(FLOORS)})(?:/\w+)+\.py\b", remark):
            assert (ROOT / file).exists(), file
        for dotted in re.findall(rf"(?<![\w./])(?:{'|'.join(FLOORS)})(?:\.[a-z_]\w*)+", remark):
            module = ROOT / dotted.replace(".", "/")
            assert is_module(module) or module.parent.with_suffix(".py").exists(), dotted


def is_module(path: Path) -> bool:
    return path.is_dir() or path.with_suffix(".py").exists()


def remarks(source: str) -> Iterator[str]:
    """The docstrings of a module, and its comments if they name a module."""
    if re.search(rf"#.*\b(?:{'|'.join(FLOORS)})[/.]", source):  # or reading all tokens took seconds
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield token.string
    for node in documented(ast.parse(source)):
        yield ast.get_docstring(node) or ""


def documented(node: Documented) -> Iterator[Documented]:
    """The module, class or function itself and those that stand in its body."""
    yield node
    for inner in node.body:
        if isinstance(inner, Documented):
            yield from documented(inner)


def test_every_document_is_reached_from_the_readme() -> None:
    found, ahead = {ROOT / "README.md"}, [ROOT / "README.md"]
    while ahead:
        path = ahead.pop()
        targets = {(path.parent / link.partition("#")[0]).resolve() for link in links(text(path)) if "://" not in link}
        new = {target for target in targets if target.suffix == ".md" and target.exists()} - found
        found |= new
        ahead += new
    assert {name(path) for path in DOCUMENTS} <= {path.relative_to(ROOT).as_posix() for path in found}


def test_anchors_are_githubs() -> None:
    document = "# What `x` does, and why\n\n## Twice\n\n```\n# no heading\n```\n\n## Twice\n\n## [A link](x.md) too\n"
    assert anchors(document) == {"what-x-does-and-why", "twice", "twice-1", "a-link-too"}
