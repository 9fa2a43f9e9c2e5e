// What can be done with one segment: a few buttons beside the one that is pointed at, focused or was clicked.

import { announce } from "../announce.js";
import { copy } from "../copy.js";
import { button, h } from "../dom.js";
import { clock } from "../format.js";
import { t } from "../messages.js";

export class Tools {
  #i = -1;

  /** actions: { edit(i), speaker(i), original(i) }; speaker is left out if speakers were not told apart. */
  constructor(text, words, actions) {
    Object.assign(this, { text, words });
    const tool = (key, act) => button(key, () => act(this.#i));
    this.element = h(
      "span.tr-tools",
      { role: "group" },
      tool("tr.edit", actions.edit),
      actions.speaker && tool("tr.speaker", actions.speaker),
      tool("tr.original", actions.original),
      tool("tr.link", (i) => this.#copyLink(i)),
    );
    text.element.addEventListener("pointerover", (event) => this.#at(event));
    text.element.addEventListener("focusin", (event) => this.#at(event));
  }

  /** Shows them beside a segment. */
  put(i) {
    if (i < 0 || i === this.#i) return;
    this.#i = i;
    this.element.ariaLabel = t("tr.tools_at", { time: clock(this.words.segments[i].start) });
    this.text.rows[i].append(this.element);
  }

  #at(event) {
    const isBusy = this.element.contains(document.activeElement) && event.type === "pointerover";
    if (event.pointerType === "touch" || isBusy || this.element.contains(event.target)) return;
    this.put(this.text.indexOf(event.target));
  }

  async #copyLink(i) {
    const url = new URL(this.text.hrefOf(this.words.segments[i].start), location.href);
    announce((await copy(url.href)) ? t("tr.link_copied") : url.href);
  }
}
