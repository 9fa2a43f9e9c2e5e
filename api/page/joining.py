"""What browsers are sent in place of the page's many small modules: few, without comments and indentation.

Fifty files that are compressed one by one take half as much again as all in one. So a module comes with all that it
imports, but for what `START` has, from which it imports the rest. That takes modules as ours are: each import from one
line's start, by the names of what stands behind `export`, and no name twice over all of them. Names stay, so an error's
stack still says whose it is; each module begins a line.

No library does it: those that only shorten modules have no wheels for macOS and Windows, which our locks demand.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

START = "app.js"  # there before any other
_IMPORT = re.compile(r'^import \{([\w,\s]+)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async function|function|class|const|let) (\w+))", re.MULTILINE)
_SHEET = re.compile(r'^@import "([^"]+)";\n', re.MULTILINE)
# Each text ends with its line or file at the latest, so that no pattern looks at anything twice.
_TEXT = r'("(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?|`(?:\\.|[^`\\])*`?)'
_COMMENT = re.compile(_TEXT + r"|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_SPACE = {
    ".js": re.compile(_TEXT + r"|\s*(?:,\s*(?=[])}])|;\s*(?=}))|\s*([][{}();,=<>!&|?:*])\s*|(\s)\s*"),
    ".css": re.compile(_TEXT + r"|\s*;\s*(?=})|\s*([{};,>]|:(?=\s))\s*|(\s)\s*"),
}


def squeezed(text: str, suffix: str) -> str:
    """A module or style sheet without comments, and without white space that means nothing. suffix: .js or .css"""
    code = _COMMENT.sub(lambda found: found[1] or "", text).strip()
    return _SPACE[suffix].sub(lambda found: found[1] or found[2] or (" " if found[3] else ""), code)


def joined_sheet(name: str, folder: Path) -> str:
    """A style sheet with those that it imports in their places."""
    text = (folder / name).read_text(encoding="utf-8")
    beside = posixpath.dirname(name)
    whole = _SHEET.sub(lambda found: joined_sheet(posixpath.join(beside, found[1]), folder) + "\n", text)
    return squeezed(whole, ".css")


def joined_module(name: str, folder: Path) -> str:
    """A module with all that it imports and START has not. What START has is left as it lies there."""
    first = reached(START, folder)
    if name == START:
        modules, lines = first, []
        others = {path.relative_to(folder).as_posix() for path in folder.rglob("*.js")} - set(first)
        exports = sorted({each for other in others for each in _taken(other, _read(other, folder), first)})
    elif name in first:
        return first[name]
    else:
        modules = {each: text for each, text in reached(name, folder).items() if each not in first}
        shared = sorted({taken for each, text in modules.items() for taken in _taken(each, text, first)})
        start = posixpath.relpath(START, posixpath.dirname(name) or ".")
        lines = [f'import{{{",".join(shared)}}}from"./{start}";'] if shared else []
        exports = _EXPORT.findall(modules[name])
    lines += [squeezed(_EXPORT.sub("", _IMPORT.sub("", text)), ".js") for text in modules.values()]
    return "\n".join([*lines, f"export{{{','.join(exports)}}};"])


def reached(name: str, folder: Path, found: dict[str, str] | None = None) -> dict[str, str]:
    """The texts of a module and of all that it imports, by their names, each after what it imports itself."""
    found = {} if found is None else found
    if name not in found:
        text = _read(name, folder)
        for other, _ in _imports(name, text):
            reached(other, folder, found)
        found[name] = text
    return found


def _taken(name: str, text: str, modules: dict[str, str]) -> Iterator[str]:
    """What a module imports from these."""
    return (imported for other, names in _imports(name, text) if other in modules for imported in names)


def _imports(name: str, text: str) -> Iterator[tuple[str, list[str]]]:
    for names, other in _IMPORT.findall(text):
        yield posixpath.normpath(posixpath.join(posixpath.dirname(name), other)), re.findall(r"\w+", names)


def _read(name: str, folder: Path) -> str:
    return (folder / name).read_text(encoding="utf-8")
