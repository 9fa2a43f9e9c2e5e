// The recording at a glance: its peaks on a canvas, and a slider over them to jump.

import { h } from "../dom.js";
import { clock } from "../format.js";
import { getJson } from "../http.js";
import { t } from "../messages.js";
import { isPlain } from "../shortcuts.js";

const BAR = 3; // px, with the gap after it
const KEYS = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -60, PageUp: 60 }; // seconds

export class Waveform {
  #peaks = [];
  #time = 0;
  #column = -1; // the last that was played, of the canvas as drawn

  /** onSeek(seconds). */
  constructor(job, onSeek) {
    this.length = job.total_seconds ?? 0;
    this.onSeek = onSeek;
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.element = h(
      "div.tr-wave",
      { role: "slider", tabindex: "0", "aria-label": t("tr.position"), "aria-valuemin": "0" },
      this.canvas,
    );
    this.#listen();
    this.resizes = new ResizeObserver(() => this.#draw());
    this.resizes.observe(this.element);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.#redraw);
    this.#load(job);
  }

  destroy() {
    this.resizes.disconnect();
    this.scheme.removeEventListener("change", this.#redraw);
  }

  disable() {
    this.element.ariaDisabled = true;
    this.element.tabIndex = -1;
  }

  show(time) {
    this.#time = time;
    if (this.#columnAt(time) !== this.#column) this.#draw();
  }

  #redraw = () => this.#draw();

  async #load(job) {
    try {
      this.#peaks = (await getJson(`/v1/jobs/${job.id}/peaks`)).peaks;
    } catch {} // older jobs have none: a plain bar serves as well
    this.#draw();
  }

  #listen() {
    const seek = (event) => {
      const box = this.element.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
      this.onSeek(share * this.length);
    };
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button || this.element.ariaDisabled) return;
      this.element.setPointerCapture(event.pointerId);
      seek(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      if (this.element.hasPointerCapture(event.pointerId)) seek(event);
    });
    this.element.addEventListener("keydown", (event) => {
      const to = this.#keyed(event);
      if (to === null) return;
      event.preventDefault();
      event.stopPropagation();
      this.onSeek(to);
    });
  }

  #keyed(event) {
    if (!isPlain(event)) return null;
    if (event.key === "Home") return 0;
    if (event.key === "End") return this.length;
    return event.key in KEYS ? this.#time + KEYS[event.key] : null;
  }

  #columnAt(time) {
    return this.length ? Math.floor((time / this.length) * (this.element.clientWidth / BAR)) : 0;
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width) return;
    const scale = devicePixelRatio || 1;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(this.element);
    const [played, rest] = [style.getPropertyValue("--accent"), style.getPropertyValue("--wave")];
    this.#column = this.#columnAt(this.#time);
    const columns = Math.floor(width / BAR);
    for (let i = 0; i < columns; i += 1) {
      pen.fillStyle = i <= this.#column && this.#time > 0 ? played : rest;
      const tall = Math.max(2, this.#loudest(i / columns, (i + 1) / columns) * height);
      pen.fillRect(i * BAR, (height - tall) / 2, BAR - 1, tall);
    }
    this.#describe();
  }

  /** Of the peaks between two shares of the recording, from 0 to 1. */
  #loudest(from, to) {
    const peaks = this.#peaks;
    const first = Math.floor(from * peaks.length);
    return Math.max(0, ...peaks.slice(first, Math.max(first + 1, Math.floor(to * peaks.length)))) / 255;
  }

  #describe() {
    this.element.ariaValueMax = Math.round(this.length);
    this.element.ariaValueNow = Math.round(this.#time);
    this.element.ariaValueText = t("tr.position_is", { time: clock(this.#time), length: clock(this.length) });
  }
}
