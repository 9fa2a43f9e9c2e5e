"""The picture of rooms in docs/ARCHITECTURE.md, drawn from the imports."""

from __future__ import annotations

import ast
import functools
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Lowest first; each may import itself and what lies below. The client has nothing below it, and nobody above needs it.
FLOORS = ("whisper_native", "engines", "worker", "api", "scripts")
Arrows = Mapping[str, set[str]]

_BETWEEN = re.compile(r"(?<=<!-- rooms -->\n).*?(?=<!-- /rooms -->)", re.DOTALL)


def filled(text: str) -> str:
    """The document with the picture between its marks."""
    return _BETWEEN.sub(lambda _: picture(reduced(drawn(rooms()))) + "\n", text)


@functools.cache
def imported(path: Path) -> frozenset[str]:
    """Every module a file imports anywhere in it, in full; of a package also the names taken from it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full here"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _name(node.func) in ("import_module", "__import__"):
            names |= {str(argument.value) for argument in node.args if isinstance(argument, ast.Constant)}
    return frozenset(names)


def _name(function: ast.expr) -> str:
    return getattr(function, "attr", getattr(function, "id", ""))


def room(module: str) -> str:
    """The folder a module lies in. A module directly on a floor and a program's `__main__` are rooms of their own."""
    parts = module.split(".")
    return ".".join(parts[:3] if parts[2:3] == ["__main__"] else parts[:2])


def rooms(root: Path = ROOT) -> Mapping[str, set[str]]:
    """Room -> the rooms it imports."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for floor in FLOORS:
        for path in (root / floor).rglob("*.py"):
            here = room(".".join(path.relative_to(root).with_suffix("").parts))
            there = {room(name) for name in imported(path) if name.partition(".")[0] in FLOORS}
            arrows[here] |= there - {here}
    return arrows


def node(room: str) -> str | None:
    """What stands for a room in the picture; None for what is not drawn: programs and empty packages."""
    floor, _, name = room.partition(".")
    if name.startswith("__init__") or name.endswith("__main__") or (floor == "scripts" and is_module(room)):
        return None
    return floor if floor in ("engines", "whisper_native") and is_module(room) else room


def is_module(room: str) -> bool:
    return not (ROOT / room.replace(".", "/")).is_dir()


def drawn(arrows: Arrows) -> Arrows:
    """The arrows between what is drawn."""
    found: dict[str, set[str]] = defaultdict(set)
    for here, there in arrows.items():
        if start := node(here):
            found[start] |= {end for room in there if (end := node(room)) and end != start}
    return found


def reduced(arrows: Arrows) -> Arrows:
    """Without the arrows that follow from others. Of arrows in a circle it would leave out too many."""
    return {
        here: {end for end in there if not any(end in reached(arrows, other) for other in there)}
        for here, there in arrows.items()
    }


def reached(arrows: Arrows, start: str) -> set[str]:
    """Where the arrows lead from here, in one step or many."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = arrows.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


def picture(arrows: Arrows) -> str:
    """As Mermaid, which GitHub draws: a box for each floor, from the highest to the lowest."""
    lines = ["```mermaid", "flowchart TB"]
    for floor in reversed(FLOORS):
        lines.append(f'  subgraph {floor}["{floor}/"]')
        lines += [f"    {box(room)}" for room in sorted(arrows) if room.partition(".")[0] == floor]
        lines.append("  end")
    lines += [f"  {box_id(here)} --> {box_id(end)}" for here in sorted(arrows) for end in sorted(arrows[here])]
    return "\n".join([*lines, "```"])


def box(room: str) -> str:
    return f"{box_id(room)}[{room.partition('.')[2] or 'vocabulary'}]"


def box_id(room: str) -> str:
    return room.replace(".", "_") if "." in room else f"{room}_"
