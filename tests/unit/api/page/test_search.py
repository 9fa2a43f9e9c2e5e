"""What is looked for in a transcript on the page."""

from __future__ import annotations

from pathlib import Path

from tests.unit.api.page.modules import run


def test_whatever_is_typed_is_looked_for_as_it_is(tmp_path: Path) -> None:
    script = r"""
    const { expression, rangesIn } = await import("./page/transcript/search.js");
    const all = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).filter((sign) => sign.trim());
    const signs = [...all, "e-mail", "a / b", "\u2013", "\u00df"];
    tell(signs.filter((sign) => rangesIn(`<${sign}>`, expression(sign, true)).length === 0));
    """
    assert run(tmp_path, script) == []
