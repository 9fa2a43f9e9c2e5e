"""What browsers are sent in place of the page's modules means the same as they do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api.page.joining import _EXPORT, _IMPORT, joined_module, joined_sheet, reached, squeezed
from api.page.static_files import FOLDER
from tests.unit.api.page.modules import told

# What browsers ask for, by the page's HTML and by `import()`.
SENT = ("app.js", "messages.de.js", "messages.en.js", "transcript/view.js")
_TOP = re.compile(r"^(?:export )?(?:async function|function|class|const|let) (\w+)", re.MULTILINE)
# Node's own parser; what code is written as, and where, is no part of what it means.
_PARSED = """
const { createRequire } = await import("node:module");
const { parse } = createRequire(import.meta.url)("internal/deps/acorn/acorn/dist/acorn");
const { readFileSync } = await import("node:fs");
const bare = (key, value) => (["start", "end", "raw"].includes(key) ? undefined : value);
const meant = (code) => JSON.stringify(parse(code, { ecmaVersion: "latest", sourceType: "module" }), bare);
"""
_MODULES = {
    "base.js": """globalThis.log = ["base"];
export let count = 0;
export function add() {
  log.push(++count);
}
""",
    "left.js": """import { add, count } from "./base.js";

export const left = () => `${add()} // ${count}`;
log.push("left");
""",
    "app.js": """import { left } from "./left.js";
import {
  add,
} from "./base.js";

add();
log.push("app");
log.push(left());
import("./part/view.js").then((part) => part.show());
""",
    "part/own.js": """import { count } from "../base.js";

export class Own {
  #count = count; // as it was

  get text() {
    return `own ${this.#count} of ${count}`;
  }
}
""",
    "part/view.js": """import { add } from "../base.js";
import { Own } from "./own.js";

log.push("view");

export function show() {
  const own = new Own();
  add();
  log.push(own.text);
}
""",
}
# As long as it takes for all that is asked for by `import()` to be there.
_FINISH = "setTimeout(() => tell(globalThis.log), 100);"


def modules() -> dict[str, str]:
    return {path.relative_to(FOLDER).as_posix(): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.js")}


def test_without_comments_and_spaces_every_module_means_what_it_meant(tmp_path: Path) -> None:
    pairs = {name: [text, squeezed(text, ".js")] for name, text in modules().items()}
    assert not any("//" in after.replace("://", "") for _, after in pairs.values())  # the comments are gone
    (tmp_path / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    script = """
    const pairs = Object.entries(JSON.parse(readFileSync("pairs.json", "utf-8")));
    tell(pairs.filter(([, [before, after]]) => meant(before) !== meant(after)).map(([name]) => name));
    """
    assert told(tmp_path, _PARSED + script, "--expose-internals") == []


def test_what_is_sent_is_a_module_and_has_no_name_twice(tmp_path: Path) -> None:
    """Else it would not be parsed."""
    (tmp_path / "sent.json").write_text(json.dumps([joined_module(name, FOLDER) for name in SENT]), encoding="utf-8")
    script = 'tell(JSON.parse(readFileSync("sent.json", "utf-8")).map(meant).filter((each) => !each));'
    assert told(tmp_path, _PARSED + script, "--expose-internals") == []


def test_every_module_is_sent_once() -> None:
    first = set(reached("app.js", FOLDER))
    rest = [name for sent in SENT[1:] for name in reached(sent, FOLDER) if name not in first]
    assert sorted([*first, *rest]) == sorted(modules())


def test_what_comes_with_the_first_can_be_asked_for_by_itself() -> None:
    """By a page that was opened before an upgrade."""
    assert joined_module("dom.js", FOLDER) == modules()["dom.js"]


def test_a_name_in_a_stack_says_which_module_it_is_of() -> None:
    found = [name for path, text in modules().items() if "messages." not in path for name in _TOP.findall(text)]
    assert [name for name in set(found) if found.count(name) > 1] == []


@pytest.mark.parametrize("name", sorted(modules()))
def test_imports_and_exports_are_as_joining_takes_them(name: str) -> None:
    text = modules()[name]
    assert len(re.findall(r"^import\b", text, re.MULTILINE)) == len(_IMPORT.findall(text))
    assert len(re.findall(r"^export\b", text, re.MULTILINE)) == len(_EXPORT.findall(text))
    assert not any(" as " in names for names, _ in _IMPORT.findall(text))
    if "import(" in text:  # by an address that is counted from where it is sent
        assert name in reached("app.js", FOLDER)
        assert "/" not in name


def test_joined_modules_run_once_in_their_order_and_share_what_changes(tmp_path: Path) -> None:
    folder = tmp_path / "page"
    (folder / "part").mkdir(parents=True)
    for name, text in _MODULES.items():
        (folder / name).write_text(text)
    sent = tmp_path / "sent"
    (sent / "part").mkdir(parents=True)
    for name in ("app.js", "part/view.js"):
        (sent / name).write_text(joined_module(name, folder))
    assert "Own" not in (sent / "app.js").read_text()
    logs = [told(tmp_path, f'await import("./{each}/app.js");{_FINISH}') for each in ("page", "sent")]
    assert logs[0] == logs[1]
    assert logs[0] == ["base", "left", 1, "app", 2, "undefined // 2", "view", 3, "own 2 of 3"]


def test_style_sheets_come_in_one() -> None:
    sheet = joined_sheet("style.css", FOLDER)
    assert "@import" not in sheet
    assert "/*" not in sheet
    lines = [line for path in FOLDER.rglob("*.css") for line in path.read_text(encoding="utf-8").splitlines()]
    selectors = [line.partition(" {")[0] for line in lines if line.startswith(".") and "," not in line]
    assert len(selectors) > 100
    assert [each for each in selectors if squeezed(each, ".css") not in sheet] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("/* why */ .a :focus > b , i { color : red ; margin: 0 1px ; }", ".a :focus>b,i{color:red;margin:0 1px}"),
        ('.a { width: calc(100% - 2 * 3px); content: "a; b"; }', '.a{width:calc(100% - 2 * 3px);content:"a; b"}'),
        ("@media (a: b) { .c { d: e; } }", "@media (a:b){.c{d:e}}"),
    ],
)
def test_a_style_sheet_loses_only_what_means_nothing(before: str, after: str) -> None:
    assert squeezed(before, ".css") == after
