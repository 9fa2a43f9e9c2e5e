// The transcript on the page: one text node a segment, and words marked by the CSS Custom Highlight API.
//
// Segments stand in groups with `content-visibility: auto`. An element a word, or that property on every segment, costs
// ten times as much at a hundred thousand words.

import { h } from "../dom.js";
import { clock } from "../format.js";
import { t } from "../messages.js";
import { shownText } from "./words.js";

const UNSURE = 0.5; // words of a lower probability are marked
const MANY = 8000; // segments
const LINE = 26; // px, for the height of groups that were not drawn yet
const KINDS = ["spoken", "found", "found-now", "unsure"]; // of highlights; the last of two that overlap is on top

/** Moves with the text: a place in it that is marked. */
function rangeIn(node, from, to) {
  const range = new Range();
  range.setStart(node, Math.min(from, node.length));
  range.setEnd(node, Math.min(to, node.length));
  return range;
}

export class TranscriptText {
  #groups = [];
  #near = new Set(); // groups in or close to the view
  #marks = new Map(); // group → [[highlight, range], …]
  #spoken = -1; // segment
  chosen = 0; // the segment that keys and tools act on
  #word = -2; // in it; -1 before its first

  /** words: Words. hrefOf(seconds): a link to a moment. nameOf(speaker): as shown. found(i): ranges that search found
   * in a segment. language: of the text. */
  constructor(words, { hrefOf, nameOf, found, language }) {
    Object.assign(this, { words, hrefOf, nameOf, found });
    this.size = words.segments.length > MANY ? 20 : 10;
    this.element = h("div.tr-text", { lang: language });
    this.said = words.segments.map((segment) => h("p.tr-said", { dir: "auto" }, shownText(segment)));
    this.rows = words.segments.map((segment, i) => this.#row(segment, i));
    this.rows.forEach((_, i) => this.label(i));
    this.#build();
    this.highlights = Object.fromEntries(KINDS.map((kind) => [kind, this.#highlight(kind)]));
    this.watcher = new IntersectionObserver((seen) => this.#watch(seen), { rootMargin: "50% 0px" });
    this.#groups.forEach((group) => this.watcher.observe(group));
  }

  destroy() {
    this.watcher.disconnect();
    for (const [kind, highlight] of Object.entries(this.highlights)) // a view that came later may have its own by now
      if (highlight && CSS.highlights.get(kind) === highlight) CSS.highlights.delete(kind);
  }

  /** The segment an element stands in; -1 if none. */
  indexOf(element) {
    const row = element?.closest?.(".tr-seg");
    return row && this.element.contains(row) ? Number(row.dataset.i) : -1;
  }

  /** The text as it stands there: a correction too that the server has not got yet. */
  shown(i) {
    const isOurs = this.rows[i].classList.contains("waiting");
    return isOurs ? this.said[i].textContent : shownText(this.words.segments[i]);
  }

  /** Shows a correction that the server has not got yet. */
  wait(i, text) {
    this.rows[i].classList.add("waiting");
    this.redraw(i, text);
  }

  /** After a correction. `text`: as shown; the segment's own if left out. */
  redraw(i, text = shownText(this.words.segments[i])) {
    const said = this.said[i];
    if (said.textContent !== text) said.textContent = text; // a caret in it stays where it is
    if (this.#spoken === i) this.#word = -2; // marked anew at the next frame
    this.label(i);
    if (i + 1 < this.rows.length) this.label(i + 1);
    this.remark([this.#groupOf(i)]);
  }

  /** Who speaks stands where it changes. */
  label(i) {
    const { speaker } = this.words.segments[i];
    const isNew = speaker && this.words.segments[i - 1]?.speaker !== speaker;
    const shown = this.rows[i].querySelector(".tr-speaker");
    if (!isNew) return shown?.remove();
    if (shown) shown.textContent = this.nameOf(speaker);
    else this.said[i].before(h("b.tr-speaker", { dir: "auto" }, this.nameOf(speaker)));
  }

  /** Marks the word that is said at this time. Returns the segment's index. */
  speak(time) {
    const i = this.words.segmentAt(time);
    const word = i < 0 ? -1 : this.words.wordAt(i, time);
    if (i !== this.#spoken) {
      this.rows[this.#spoken]?.classList.remove("now");
      this.rows[i]?.classList.add("now");
      this.#word = -2;
    }
    this.#spoken = i;
    if (word !== this.#word) this.#mark(i, word);
    return i;
  }

  #mark(i, word) {
    this.#word = word;
    const { spoken } = this.highlights;
    const node = i < 0 ? null : this.said[i].firstChild;
    if (!spoken) return;
    if (word < 0 || !node || node.nodeType !== Node.TEXT_NODE) return spoken.clear();
    const { from, to } = this.words.table(i);
    spoken.clear();
    // Until the server has aligned a correction nobody knows its words' times.
    const isWaiting = this.rows[i].classList.contains("waiting");
    spoken.add(isWaiting ? rangeIn(node, 0, node.length) : rangeIn(node, from[word], to[word]));
  }

  choose(i) {
    if (i === this.chosen) return;
    if (this.chosen >= 0) this.#time(this.chosen).tabIndex = -1;
    this.#time(i).tabIndex = 0;
    this.chosen = i;
  }

  focus(i) {
    this.choose(i);
    this.#time(i).focus({ preventScroll: true });
  }

  /** Scrolls the segment into the middle of the view. */
  reveal(i, behavior = "instant") {
    this.rows[i]?.scrollIntoView({ block: "center", behavior });
  }

  /** Marks anew what search found and the model was unsure of. groups: their numbers; all that are near if left out. */
  remark(groups = [...this.#near]) {
    for (const group of groups) {
      this.#unmark(group);
      if (this.#near.has(group)) this.#markGroup(group);
    }
  }

  /** Where the caret would go at a point: the segment and the character of its text; null if there is no text. */
  at(x, y) {
    const place = document.caretPositionFromPoint?.(x, y);
    const range = place ? null : document.caretRangeFromPoint?.(x, y);
    const node = place?.offsetNode ?? range?.startContainer;
    const i = this.indexOf(node?.parentElement);
    if (i < 0 || node.parentElement !== this.said[i]) return null;
    return { i, offset: place?.offset ?? range.startOffset };
  }

  #row(segment, i) {
    const href = this.hrefOf(segment.start);
    const time = h("a.tr-time", { href, tabindex: i ? "-1" : "0" }, clock(segment.start));
    return h("div.tr-seg", { "data-i": i }, time, this.said[i]);
  }

  #build() {
    const perLine = Math.max(30, Math.min(80, (globalThis.innerWidth - 120) / 8)); // characters
    for (let first = 0; first < this.rows.length; first += this.size) {
      const rows = this.rows.slice(first, first + this.size);
      const group = h("div.tr-group", { "data-group": this.#groups.length }, rows);
      const lines = rows.map((row) => Math.ceil(row.textContent.length / perLine) || 1);
      const height = lines.reduce((sum, count) => sum + count * LINE + 8, 0);
      group.style.setProperty("contain-intrinsic-block-size", `auto ${height}px`);
      this.#groups.push(group);
    }
    if (!this.rows.length) this.#groups.push(h("p.muted", t("tr.no_words")));
    this.element.append(...this.#groups);
  }

  #highlight(kind) {
    if (!globalThis.CSS?.highlights) return null;
    const highlight = new Highlight();
    highlight.priority = KINDS.length - KINDS.indexOf(kind);
    CSS.highlights.set(kind, highlight);
    return highlight;
  }

  #groupOf(i) {
    return Math.floor(i / this.size);
  }

  #time(i) {
    return this.rows[i].firstElementChild;
  }

  #watch(seen) {
    for (const { target, isIntersecting } of seen) {
      const group = Number(target.dataset.group);
      this.#near[isIntersecting ? "add" : "delete"](group);
      this.remark([group]);
    }
  }

  #markGroup(group) {
    const marks = [];
    const end = Math.min((group + 1) * this.size, this.rows.length);
    for (let i = group * this.size; i < end; i += 1) {
      const node = this.said[i].firstChild;
      if (node?.nodeType !== Node.TEXT_NODE) continue;
      if (!this.rows[i].classList.contains("waiting"))
        for (const [from, to] of this.words.unsure(i, UNSURE)) marks.push(["unsure", rangeIn(node, from, to)]);
      for (const [from, to, kind] of this.found(i)) marks.push([kind, rangeIn(node, from, to)]);
    }
    for (const [kind, range] of marks) this.highlights[kind]?.add(range);
    this.#marks.set(group, marks);
  }

  #unmark(group) {
    for (const [kind, range] of this.#marks.get(group) ?? []) this.highlights[kind]?.delete(range);
    this.#marks.delete(group);
  }
}
