// Keys that act everywhere. Keys of a single character can be turned off (WCAG 2.1.4).

import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { t } from "./messages.js";

const KEPT = "whisper-native.keys";
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
  try {
    return localStorage.getItem(KEPT) !== "off";
  } catch {
    return true;
  }
}

/** Whether what is typed goes into a field. */
export function isTyping(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

export function listenForKeys() {
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") return moveInList(event);
    if (isTyping(event.target) || !keysAreOn() || document.querySelector("dialog[open]")) return;
    if (event.key === "?") showKeys();
    else if (event.key === "/" && document.getElementById("search")) document.getElementById("search").focus();
    else return;
    event.preventDefault();
  });
}

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
  choice.addEventListener("change", () => {
    try {
      localStorage.setItem(KEPT, choice.checked ? "on" : "off");
    } catch {} // they stay on
  });
  openDialog(
    t("nav.keys"),
    table("keys.list", LIST),
    table("keys.transcript", TRANSCRIPT),
    h("p", { class: "check" }, choice, h("label", { for: choice.id }, t("keys.on"))),
  );
}

function moveInList(event) {
  const row = event.target.closest?.(".row");
  if (!row) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  next?.querySelector(".name[href]")?.focus();
  event.preventDefault();
}
