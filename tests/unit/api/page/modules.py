"""The page's modules without a browser: in the Node that Playwright brings, with as much of a browser as they touch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from api.page.static_files import FOLDER

_BROWSER = """
class Element extends EventTarget {
  children = []; dataset = {}; attributes = {}; textContent = "";
  style = { setProperty() {} }; classList = { toggle() {}, add() {}, remove() {}, contains: () => false };
  append(...nodes) { this.children.push(...nodes); }
  replaceChildren(...nodes) { this.children = nodes; }
  setAttribute(name, value) { this.attributes[name] = value; }
  getBoundingClientRect() { return { bottom: 0 }; }
  scrollIntoView() {}
  get lastElementChild() { return this.children.at(-1); }
}
globalThis.document = Object.assign(new Element(), {
  createElement: () => new Element(), getElementById: () => new Element(), documentElement: {}, hidden: false,
});
globalThis.addEventListener = () => {};
globalThis.innerHeight = 1000;
const tell = (value) => { console.log(JSON.stringify(value)); process.exit(); };
"""


def run(folder: Path, script: str) -> Any:
    """What the script tells (`tell(value)`). folder: for a copy of the modules, beside which the script lies."""
    shutil.copytree(FOLDER, folder / "page")  # makes the folder, too
    return told(folder, script)


def told(folder: Path, script: str, *options: str) -> Any:
    """The same without the page's modules. options: Node's own"""
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "test.js").write_text(_BROWSER + script, encoding="utf-8")
    playwright = pytest.importorskip("playwright", reason="no Playwright: pip install playwright")
    node = Path(playwright.__file__).parent / "driver" / ("node.exe" if os.name == "nt" else "node")
    ended = subprocess.run(
        [node, *options, "test.js"], cwd=folder, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)
