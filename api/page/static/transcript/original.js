// What the machine heard, beside what stands there now.

import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { t } from "../messages.js";
import { load } from "./saving.js";
import { shownText } from "./words.js";

/** segment: as the server has it now. onRestore(text). */
export async function openOriginal(jobId, segment, onRestore) {
  const heard = h("p", { dir: "auto" }, t("loading"));
  const restore = h("button", { type: "button", disabled: true }, t("tr.restore"));
  const now = h("div", { class: "tr-version" }, h("b", {}, t("tr.now")), h("p", { dir: "auto" }, shownText(segment)));
  const then = h("div", { class: "tr-version" }, h("b", {}, t("tr.heard")), heard, restore);
  const dialog = openDialog(t("tr.original"), now, then);
  try {
    const { segments } = await load(jobId, { original: true });
    const found = segments.find(({ id }) => id === segment.id);
    heard.textContent = found ? shownText(found) : "–";
    restore.disabled = !found || shownText(found) === shownText(segment);
    restore.addEventListener("click", () => {
      dialog.close();
      onRestore(shownText(found));
    });
  } catch (error) {
    heard.textContent = error.message;
  }
}
