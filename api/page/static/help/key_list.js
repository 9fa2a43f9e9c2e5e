// What the keyboard does, in the list and in a transcript.

import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { t } from "../messages.js";
import { keysAreOn, turnKeys } from "../shortcuts.js";

const LIST = [["/", "keys.search"], ["↑ ↓", "keys.rows"], ["?", "keys.help"]];
const TRANSCRIPT = [
  ["Space, Esc", "keys.play"],
  ["Ctrl + ← →", "keys.jump"],
  ["Alt + ↑ ↓", "keys.segment"],
  ["[ ]", "keys.speed"],
  ["/", "keys.find"],
  ["E", "keys.edit"],
  ["Enter", "keys.editDone"],
  ["Ctrl + Enter", "keys.editNext"],
  ["Ctrl + Z, Y", "keys.undo"],
  ["F1 F2", "keys.editJump"],
  ["F3 F4", "keys.editSpeed"],
];

/** As they stand on the reader's keyboard. */
function keyNames(names) {
  return names.replace("Ctrl", t("keys.ctrl")).replace("Space", t("keys.space"));
}

export function showKeys() {
  const table = (title, keys) => [
    h("h3", {}, t(title)),
    h("dl", { class: "keys" }, keys.map(([names, what]) => h("div", {}, h("dt", {}, h("kbd", {}, keyNames(names))), h("dd", {}, t(what))))),
  ];
  const choice = h("input", { type: "checkbox", id: "keys-on", checked: keysAreOn() });
  choice.addEventListener("change", () => turnKeys(choice.checked));
  openDialog(
    t("nav.keys"),
    table("keys.list", LIST),
    table("keys.transcript", TRANSCRIPT),
    h("p", { class: "check" }, choice, h("label", { for: choice.id }, t("keys.on"))),
  );
}
