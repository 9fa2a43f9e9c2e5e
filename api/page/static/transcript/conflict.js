// A segment that was corrected here and elsewhere: both texts, and which is to stand.

import { button, h } from "../dom.js";
import { t } from "../messages.js";
import { shownText } from "./words.js";

/** Shown below the segment. conflict: { mine, theirs } of a Saver. onChoose(isMine). */
export function conflictBox(conflict, nameOf, onChoose) {
  const shown = (text, speaker) => (speaker ? `${nameOf(speaker)}: ` : "") + (text ?? "");
  const mine = shown(conflict.mine.text ?? shownText(conflict.mine.base), conflict.mine.speaker);
  const theirs = conflict.theirs
    ? shown(shownText(conflict.theirs), "speaker" in conflict.mine ? conflict.theirs.speaker : null)
    : t("tr.removed_there");
  const choice = (title, text, key, isMine, isPossible = true) =>
    h(
      "div.tr-version",
      h("b", title),
      h("p", { dir: "auto" }, text),
      isPossible && button(key, () => onChoose(isMine)),
    );
  return h(
    "div.tr-conflict",
    { role: "group", "aria-label": t("tr.conflict") },
    h("p", t("tr.conflict")),
    choice(t("tr.yours"), mine, "tr.keep_yours", true, Boolean(conflict.theirs)),
    choice(t("tr.theirs"), theirs, "tr.take_theirs", false),
  );
}
