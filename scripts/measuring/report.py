"""Figures in, a verdict and a Markdown table out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. wanted: what it must be, in words, or nothing where it is only stated; met: whether it is."""

    name: str
    value: str
    wanted: str = ""
    met: bool | None = None


def markdown(title: str, remarks: Sequence[str], figures: Sequence[Figure]) -> str:
    head = ["| figure | value | wanted | |", "|---|---|---|---|"]
    rows = [f"| {row.name} | {row.value} | {row.wanted} | {_MARKS[row.met]} |" for row in figures]
    return "\n".join([f"# {title}", "", *(f"- {remark}" for remark in remarks), "", *head, *rows, ""])


_MARKS = {True: "met", False: "**not met**", None: ""}
