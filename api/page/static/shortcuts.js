// Keys that act everywhere. Keys of a single character can be turned off (WCAG 2.1.4).

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { keep, kept } from "./kept.js";
import { t } from "./messages.js";

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

export function keysAreOn() {
  return kept("keys") !== "off";
}

export const FIELDS = "input, textarea, select";

/** Without a key that makes it another. */
export function isPlain(event) {
  return !event.ctrlKey && !event.metaKey && !event.altKey;
}

/** As they stand on the reader's keyboard. */
function keyNames(names) {
  return names.replace("Ctrl", t("keys.ctrl")).replace("Space", t("keys.space"));
}

/** The list of them. */
export function showKeys() {
  const table = (title, keys) => [
    h("h3", t(title)),
    h("dl.keys", keys.map(([names, what]) => h("div", h("dt", h("kbd", keyNames(names))), h("dd", t(what))))),
  ];
  const choice = h("input", { type: "checkbox", checked: keysAreOn(), onchange: () => keep("keys", choice.checked ? "on" : "off") });
  const on = h("label.check", choice, t("keys.on"));
  openDialog(t("nav.keys"), [table("keys.list", LIST), table("keys.transcript", TRANSCRIPT), on]);
}

export function listenForKeys() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || !isPlain(event)) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") return moveInList(event);
    if (event.target.isContentEditable || event.target.closest?.(FIELDS) || !keysAreOn() || document.querySelector("dialog[open]")) return;
    if (event.key === "?") showKeys();
    else if (event.key === "/" && document.getElementById("search")) document.getElementById("search").focus();
    else return;
    event.preventDefault();
  });
}

function moveInList(event) {
  const row = event.target.closest?.(".row");
  if (!row) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  next?.querySelector(".name[href]")?.focus();
  event.preventDefault();
}
