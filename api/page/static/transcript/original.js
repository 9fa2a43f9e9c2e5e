// What the machine heard, beside what stands there now.

import { openDialog } from "../dialog.js";
import { button, h } from "../dom.js";
import { t } from "../messages.js";
import { load } from "./saving.js";
import { shownText } from "./words.js";

/** segment: as the server has it now. onRestore(text). */
export async function openOriginal(jobId, segment, onRestore) {
  const heard = h("p", { dir: "auto" }, t("loading"));
  let found = null;
  const restore = button("tr.restore", () => {
    dialog.close();
    onRestore(shownText(found));
  }, { disabled: true });
  const now = h("div.tr-version", h("b", t("tr.now")), h("p", { dir: "auto" }, shownText(segment)));
  const then = h("div.tr-version", h("b", t("tr.heard")), heard, restore);
  const dialog = openDialog(t("tr.original"), [now, then]);
  try {
    const { segments } = await load(jobId, { original: true });
    found = segments.find(({ id }) => id === segment.id);
    heard.textContent = found ? shownText(found) : "–";
    restore.disabled = !found || shownText(found) === shownText(segment);
  } catch (error) {
    heard.textContent = error.message;
  }
}
