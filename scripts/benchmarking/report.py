"""Figures in; a verdict, a Markdown table, JSON and a plot out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. wanted: what it must be, in words, or nothing if it is only stated; met: whether it is."""

    name: str
    value: str
    wanted: str = ""
    met: bool | None = None


@dataclass
class Report:
    """What was measured so far; `write` may be called after every step."""

    title: str
    remarks: list[str]
    figures: dict[str, list[Figure]] = field(default_factory=dict)  # by step
    bars: dict[str, dict[str, float]] = field(default_factory=dict)  # by plot: value by name
    raw: dict[str, Any] = field(default_factory=dict)

    def write(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.md").write_text(self.markdown(), encoding="utf-8")
        content = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (directory / f"{name}.json").write_text(content + "\n", encoding="utf-8")
        if self.bars:
            _plot(self.bars, directory / f"{name}.png")

    def markdown(self) -> str:
        parts = [f"# {self.title}", "", *(f"- {remark}" for remark in self.remarks), ""]
        for step, figures in self.figures.items():
            parts += [f"## {step}", "", table(figures), ""]
        return "\n".join(parts)

    @property
    def is_met(self) -> bool:
        return all(figure.met is not False for figures in self.figures.values() for figure in figures)


def table(figures: Sequence[Figure]) -> str:
    head = ["| figure | value | wanted | |", "|---|---|---|---|"]
    rows = [f"| {row.name} | {row.value} | {row.wanted} | {_MARKS[row.met]} |" for row in figures]
    return "\n".join(head + rows)


_MARKS = {True: "met", False: "**not met**", None: ""}


def _plot(bars: dict[str, dict[str, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(len(bars), 1, figsize=(9, 1.2 + 1.6 * len(bars)), squeeze=False)
    for axis, (title, values) in zip(axes[:, 0], bars.items(), strict=True):
        names = list(values)[::-1]
        drawn = axis.barh(names, [values[name] for name in names], color="#4477aa")
        axis.bar_label(drawn, fmt="%.2f", padding=3)
        axis.set_title(title, loc="left", fontsize=10)
        axis.margins(x=0.15)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
