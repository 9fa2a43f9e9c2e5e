"""The picture of rooms in docs/ARCHITECTURE.md is the one the imports draw."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

from tests.unit.project.test_rooms import FLOORS, ROOT, rooms

DOCUMENT = ROOT / "docs" / "ARCHITECTURE.md"
Arrows = Mapping[str, set[str]]


def node(room: str) -> str | None:
    """What stands for a room in the picture; None for what is not drawn: programs and empty packages."""
    floor, _, name = room.partition(".")
    if name.startswith("__init__") or name.endswith("__main__") or (floor == "scripts" and is_module(room)):
        return None
    return floor if floor == "engines" and is_module(room) else room


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


def test_the_picture_shows_the_imports_between_rooms() -> None:
    right = picture(reduced(drawn(rooms())))
    [shown] = re.findall(r"<!-- rooms -->\n(.*?)\n?<!-- /rooms -->", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert shown == right, f"The imports have changed. Put this between the marks in {DOCUMENT.name}:\n\n{right}\n"


def test_every_room_says_in_one_line_what_it_holds() -> None:
    folders = {path.parent for floor in FLOORS for path in (ROOT / floor).rglob("*.py")}
    for folder in folders:
        lines = (folder / "__init__.py").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 1, folder
        assert re.fullmatch(r'"""[A-Z].{10,}\."""', lines[0]), folder


def test_what_follows_from_other_arrows_is_not_drawn() -> None:
    arrows: Arrows = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert reduced(arrows) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}
