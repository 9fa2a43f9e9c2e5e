// Corrects one segment at a time, in place. The text goes to the server as it is typed; what it is to be shown as, and
// when its words are said, comes back from there.

import { clock } from "../format.js";
import { t } from "../messages.js";
import { shownText } from "./words.js";

const WHILE = {
  contenteditable: "plaintext-only",
  role: "textbox",
  "aria-multiline": "true",
  spellcheck: "true",
};

const normal = (text) => text.replace(/\s+/g, " ").trim();

function placeCaret(element, offset) {
  const node = element.firstChild;
  const selection = getSelection();
  if (node && offset !== undefined) selection.collapse(node, Math.min(offset, node.length));
  else selection.selectAllChildren(element), selection.collapseToEnd();
}

export class Editor {
  index = -1; // the segment that is being corrected
  #before = "";

  /** text: TranscriptText; saver: Saver; history: History. idOf(name): of a speaker, as the job lists them. */
  constructor({ text, words, saver, history, idOf }) {
    Object.assign(this, { text, words, saver, history, idOf });
    text.element.addEventListener("input", () => this.#typed());
    text.element.addEventListener("keydown", (event) => this.#keyed(event));
    text.element.addEventListener("focusout", (event) => this.#left(event));
  }

  get isOpen() {
    return this.index >= 0;
  }

  /** offset: of the caret; at the end if left out. */
  begin(i, offset) {
    if (this.index === i) return;
    this.end();
    const said = this.text.said[i];
    this.index = i;
    this.#before = said.textContent;
    for (const [name, value] of Object.entries(WHILE)) said.setAttribute(name, value);
    if (!said.isContentEditable) said.setAttribute("contenteditable", "true"); // browsers before 2025
    said.setAttribute("aria-label", t("tr.correct_at", { time: clock(this.words.segments[i].start) }));
    this.text.rows[i].classList.add("editing");
    this.text.choose(i);
    said.focus({ preventScroll: true });
    placeCaret(said, offset);
  }

  /** Sends what was typed, and makes the segment text again. */
  end({ focus = false } = {}) {
    const i = this.index;
    if (i < 0) return;
    this.index = -1;
    const said = this.text.said[i];
    for (const name of [...Object.keys(WHILE), "aria-label"]) said.removeAttribute(name);
    this.text.rows[i].classList.remove("editing");
    const after = normal(said.textContent);
    this.history.add([{ id: this.words.segments[i].id, field: "text", before: this.#before, after }]);
    const isWaiting = this.text.rows[i].classList.contains("waiting");
    this.text.redraw(i, isWaiting ? after : shownText(this.words.segments[i]));
    if (isWaiting) this.saver.flush();
    if (focus) this.text.focus(i);
  }

  /** Corrects segments otherwise than by typing. changes: [{ id, field, value }]. */
  apply(changes) {
    this.end();
    for (const { id, field, value } of changes) {
      const i = this.words.indexes.get(id);
      this.saver.change(this.words.segments[i], { [field]: value });
      if (field === "text") this.text.wait(i, value);
      else this.words.segments[i] = { ...this.words.segments[i], speaker: value };
      if (field === "speaker") this.text.redraw(i, this.text.said[i].textContent);
    }
    this.saver.flush();
  }

  /** As `apply`, and it can be undone. */
  change(changes) {
    const before = ({ id, field }) => this.#valueOf(this.words.indexes.get(id), field);
    const step = changes.map((change) => ({ ...change, before: before(change), after: change.value }));
    this.apply(changes);
    this.history.add(step);
  }

  #valueOf(i, field) {
    return field === "text" ? this.text.shown(i) : (this.idOf(this.words.segments[i].speaker) ?? null);
  }

  #typed() {
    if (!this.isOpen) return;
    const text = normal(this.text.said[this.index].textContent);
    this.text.rows[this.index].classList.add("waiting");
    this.saver.change(this.words.segments[this.index], { text });
  }

  #keyed(event) {
    if (!this.isOpen || event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation(); // the link that gets the focus is not to be followed
    const next = this.index + 1;
    if ((event.ctrlKey || event.metaKey) && next < this.words.segments.length) {
      this.begin(next, 0);
      this.text.rows[next].scrollIntoView({ block: "nearest" });
    } else this.end({ focus: true });
  }

  #left(event) {
    if (!this.isOpen || event.target !== this.text.said[this.index]) return;
    if (document.hasFocus()) this.end();
    else this.saver.flush(); // another window is in front: the caret stays
  }
}
