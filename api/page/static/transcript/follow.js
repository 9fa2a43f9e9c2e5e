// Keeps what is being said in view, until the reader scrolls away.

import { button } from "../dom.js";
import { FIELDS, isPlain } from "../shortcuts.js";

const OWN = 700; // ms in which a scroll event may be ours
const SCROLLING = new Set(["PageUp", "PageDown", "Home", "End", "ArrowUp", "ArrowDown"]);

export class Follow {
  #owned = 0; // when we last scrolled, by performance.now()
  #last = -1;
  #stops = new AbortController();

  /** text: TranscriptText. bars(): heights that the bars above and below cover, in px. */
  constructor(text, bars) {
    Object.assign(this, { text, bars, isOn: true });
    this.button = button("tr.back_to_now", () => this.resume(), { class: "tr-back-to-now", hidden: true });
    this.#listen();
  }

  destroy() {
    this.#stops.abort();
  }

  /** i: the segment that is being said. */
  at(i) {
    const isNew = i !== this.#last;
    this.#last = i;
    if (isNew && this.isOn && i >= 0) this.#keep();
  }

  resume() {
    this.#set(true);
    if (this.#last >= 0) this.#scroll();
  }

  /** From a segment that the reader is looking at already. */
  from(i) {
    this.#last = i;
    this.#set(true);
  }

  stop() {
    if (this.#last >= 0) this.#set(false);
  }

  #set(isOn) {
    this.isOn = isOn;
    this.button.hidden = isOn;
  }

  #keep() {
    const box = this.#box();
    const { above, below } = this.bars();
    const bottom = innerHeight - below;
    if (box.top < above || box.bottom > above + (bottom - above) * 0.75) this.#scroll();
  }

  #scroll() {
    this.#owned = performance.now();
    const box = this.#box();
    const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const isFar = Math.abs(box.top) > 2 * innerHeight; // a long way is not worth watching
    this.text.reveal(this.#last, isCalm || isFar ? "instant" : "smooth");
  }

  #box() {
    return this.text.rows[this.#last]?.getBoundingClientRect();
  }

  #isInView() {
    const box = this.#box();
    const { above, below } = this.bars();
    return !box || (box.bottom > above && box.top < innerHeight - below);
  }

  #listen() {
    const on = (name, act) => addEventListener(name, act, { passive: true, signal: this.#stops.signal });
    on("wheel", () => this.stop());
    on("touchmove", (event) => event.target.closest?.(".tr-wave") || this.stop());
    on("keydown", (event) => {
      const isTaken = event.target.closest?.(`${FIELDS}, [contenteditable], [role=slider], dialog`);
      if (isPlain(event) && SCROLLING.has(event.key) && !isTaken) this.stop();
    });
    // Whatever else moves the page: the scroll bar, the browser's search, a screen reader.
    on("scroll", () => {
      if (this.isOn && performance.now() - this.#owned > OWN && !this.#isInView()) this.stop();
    });
  }
}
