"""What a reader of a transcript waits for, measured in the page itself."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

PLAYED = 6.0  # seconds
JUMPS = 25
TYPED = "the quick brown fox jumps over the lazy dog"
READY = 120_000  # milliseconds that a transcript may take to be there

_FRAME = """const frame = () => new Promise(done => requestAnimationFrame(() => {
  const channel = new MessageChannel();  // its message comes once the frame is drawn
  channel.port1.onmessage = done;
  channel.port2.postMessage(0);
}));"""
_DRAWN = f"async () => {{ {_FRAME} await frame(); return performance.now() / 1000; }}"
_PLAYED = """seconds => new Promise(done => {
  const frames = [], end = performance.now() + 1000 * seconds;
  let last = performance.now();
  const next = now => {
    frames.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(next); else done(frames.slice(1));
  };
  requestAnimationFrame(next);
})"""
_JUMPED = f"""async count => {{
  {_FRAME}
  const rows = document.querySelectorAll('.tr-seg'), taken = [];
  let place = 7;
  for (let n = 0; n < count; n += 1) {{
    place = (place * 1103515245 + 12345) % 2147483648;
    const row = rows[place % rows.length], began = performance.now();
    row.scrollIntoView({{block: 'center'}});
    row.querySelector('.tr-time').click();
    await frame();
    taken.push(performance.now() - began);
    await new Promise(done => setTimeout(done, 30));
  }}
  return taken;
}}"""
_LISTEN = f"""() => {{
  {_FRAME}
  window.keyTimes = [];
  addEventListener('keydown', () => {{
    const began = performance.now();
    frame().then(() => window.keyTimes.push(performance.now() - began));
  }}, true);
}}"""
_SOUGHT = f"""async () => {{
  {_FRAME}
  const field = document.querySelector('.tr-search input');
  field.value = 'th';
  const began = performance.now();
  field.dispatchEvent(new Event('input'));
  field.dispatchEvent(new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true}}));
  await frame();
  return performance.now() - began;
}}"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds and milliseconds as their names say; ready: from the address to the first frame with the text."""

    ready_s: float
    frames_per_s: float
    frame_p95_ms: float
    frame_max_ms: float
    jump_p50_ms: float
    jump_max_ms: float
    key_p50_ms: float
    key_p95_ms: float
    key_max_ms: float
    search_ms: float

    def rounded(self) -> dict[str, float]:
        return {name: round(value, 2 if name == "ready_s" else 1) for name, value in asdict(self).items()}


def measure(page: Page, address: str) -> Figures:
    """page: a new one. address: of a job on the page."""
    page.goto(address)
    page.wait_for_selector("[data-ready]", timeout=READY)
    ready = page.evaluate(_DRAWN)
    page.evaluate("document.querySelector('audio').play()")
    frames = page.evaluate(_PLAYED, PLAYED)
    jumps = page.evaluate(_JUMPED, JUMPS)
    keys = _typed(page)
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    return Figures(
        ready_s=ready,
        frames_per_s=1000 * len(frames) / sum(frames),
        frame_p95_ms=_share(frames, 0.95),
        frame_max_ms=max(frames),
        jump_p50_ms=statistics.median(jumps),
        jump_max_ms=max(jumps),
        key_p50_ms=statistics.median(keys),
        key_p95_ms=_share(keys, 0.95),
        key_max_ms=max(keys),
        search_ms=page.evaluate(_SOUGHT),
    )


def _typed(page: Page) -> list[float]:
    page.evaluate("document.querySelector('audio').pause()")
    page.keyboard.press("e")  # the segment that was jumped to
    page.wait_for_selector(".tr-said[contenteditable]")
    page.evaluate(_LISTEN)
    page.keyboard.type(TYPED, delay=60)
    taken: list[float] = page.evaluate("window.keyTimes")
    return taken


def _share(values: list[float], share: float) -> float:
    return sorted(values)[int(share * len(values))]
