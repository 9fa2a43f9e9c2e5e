// Finds in the transcript, counts all, and replaces.

import { announce } from "../announce.js";
import { button, h } from "../dom.js";
import { t } from "../messages.js";

const NONE = [];
const PAUSE = 120; // ms after the last key

/** What to look for, as it is: whatever is special in expressions stands for itself; any white space for any. */
export function expression(sought, isExact) {
  const literal = sought.trim().replace(/[\\^$.*+?()[\]{}|]/g, "\\$&").replace(/\s+/g, "\\s+");
  return new RegExp(literal, isExact ? "gu" : "giu");
}

/** All ranges [from, to) of the expression in a text. */
export function rangesIn(text, sought) {
  return Array.from(text.matchAll(sought), (match) => [match.index, match.index + match[0].length]);
}

export class Search {
  #hits = new Map(); // segment → [[from, to], …]
  #order = []; // [segment, which of its hits]
  #at = -1; // in that order
  #timer = 0;
  #said = ""; // what became of a replacement, until the reader goes on

  /** text: TranscriptText; editor: Editor. onGo(i): before a hit is shown. */
  constructor({ text, words, editor, onGo, onClose }) {
    Object.assign(this, { text, words, editor, onGo, onClose });
    this.element = this.#build();
  }

  /** What is marked in a segment: [from, to, highlight]. */
  found(i) {
    const [segment, which] = this.#order[this.#at] ?? NONE;
    const ranges = this.#hits.get(i) ?? NONE;
    return ranges.map(([from, to], r) => [from, to, segment === i && which === r ? "found-now" : "found"]);
  }

  open() {
    this.element.hidden = false;
    this.field.focus({ preventScroll: true }); // it stands in view: the text is to stay where it is read
    this.field.select();
  }

  close() {
    this.element.hidden = true;
    this.field.value = "";
    this.#run();
    this.onClose();
  }

  /** After corrections. */
  again() {
    if (this.field.value.trim()) this.#run(this.#at);
  }

  /** step: 1 to the next hit, -1 to the one before. */
  go(step) {
    if (this.#timer) this.#run(); // asked for before the typing was looked at
    const { length } = this.#order;
    if (!length) return;
    this.#said = "";
    this.#at = (this.#at + step + length) % length;
    const i = this.#order[this.#at][0];
    this.onGo(i);
    this.text.remark();
    this.text.choose(i);
    this.text.reveal(i);
    this.#count();
  }

  #build() {
    this.field = h("input", { type: "search", "aria-label": t("tr.search"), placeholder: t("tr.search"), dir: "auto" });
    this.by = h("input", { type: "text", "aria-label": t("tr.replace_by"), placeholder: t("tr.replace_by"), dir: "auto" });
    this.exact = h("input", { type: "checkbox", onchange: () => this.#run() });
    this.count = h("output.tr-count");
    this.field.addEventListener("input", () => this.#soon());
    const replacing = h("div", { hidden: true }, this.by);
    replacing.append(button("tr.replace", () => this.replace()), button("tr.replace_all", () => this.replaceAll()));
    const opens = button("tr.replace_open", () => {
      replacing.hidden = !replacing.hidden;
      opens.ariaExpanded = !replacing.hidden;
      if (!replacing.hidden) this.by.focus({ preventScroll: true });
    });
    opens.ariaExpanded = false;
    const step = (key, sign, by) => h("button", { type: "button", "aria-label": t(key), onclick: () => this.go(by) }, sign);
    const [previous, next] = [step("tr.previous", "↑", -1), step("tr.next", "↓", 1)];
    const exact = h("label", this.exact, t("tr.exact"));
    const close = button("close", () => this.close());
    return h(
      "div.tr-search",
      { role: "search", hidden: true, onkeydown: (event) => this.#keyed(event) },
      h("div", h("span.tr-sought", this.field, this.count), previous, next, exact, opens, close),
      replacing,
    );
  }

  #keyed(event) {
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter" && event.target === this.field) this.go(event.shiftKey ? -1 : 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #soon() {
    this.#said = "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#run(), PAUSE);
  }

  #run(at = -1) {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#hits.clear();
    this.#order = [];
    const sought = this.field.value.trim() ? expression(this.field.value, this.exact.checked) : null;
    for (let i = 0; sought && i < this.words.segments.length; i += 1) {
      const ranges = rangesIn(this.text.shown(i), sought);
      if (ranges.length) this.#hits.set(i, ranges);
      for (let r = 0; r < ranges.length; r += 1) this.#order.push([i, r]);
    }
    this.#at = Math.min(at, this.#order.length - 1);
    this.text.remark();
    this.#count();
  }

  #count() {
    const { length } = this.#order;
    const isAsked = Boolean(this.field.value.trim());
    const values = { n: length, at: this.#at + 1 };
    const shown = this.#at < 0 ? t("tr.hits", values) : t("tr.hit_of", values);
    this.count.textContent = isAsked ? this.#said || shown : "";
  }

  /** The hit that is shown, then on to the next. */
  replace() {
    if (this.#at < 0) return this.go(1);
    const [i, which] = this.#order[this.#at];
    const [from, to] = this.#hits.get(i)[which];
    const text = this.text.shown(i);
    const value = text.slice(0, from) + this.by.value + text.slice(to);
    const at = this.#at;
    this.editor.change([{ id: this.words.segments[i].id, field: "text", value }]);
    this.#run(at - 1);
    this.go(1);
  }

  replaceAll() {
    if (this.#timer) this.#run();
    const sought = expression(this.field.value, this.exact.checked);
    const count = this.#order.length;
    const changes = [...this.#hits.keys()].map((i) => ({
      id: this.words.segments[i].id,
      field: "text",
      value: this.text.shown(i).replace(sought, () => this.by.value),
    }));
    if (!changes.length) return;
    this.editor.change(changes);
    this.#said = t("tr.replaced", { n: count });
    this.#run();
    announce(this.#said);
  }
}
