// Whether the corrections are saved, in words; and what can be done if they are not.

import { announce } from "../announce.js";
import { button, h } from "../dom.js";
import { t } from "../messages.js";

const TROUBLE = new Set(["failed", "refused", "conflict"]);

export class SaveState {
  constructor(saver) {
    this.saver = saver;
    this.text = h("span");
    this.now = button("tr.save_now", () => saver.flush(), { hidden: true });
    this.element = h("div.tr-save", this.text, this.now);
  }

  show() {
    const { state, message, conflicts } = this.saver;
    const shown = message || t(`tr.save_${state}`, { n: conflicts.size });
    const isNews = shown !== this.text.textContent;
    this.text.textContent = shown;
    this.element.classList.toggle("trouble", TROUBLE.has(state));
    this.now.hidden = state !== "failed" && state !== "refused";
    if (isNews && TROUBLE.has(state)) announce(shown);
  }
}
