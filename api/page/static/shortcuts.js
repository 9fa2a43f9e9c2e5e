// Keys that act everywhere. Keys of a single character can be turned off (WCAG 2.1.4).

import { announce } from "./announce.js";
import { t } from "./messages.js";
import { loadPart } from "./part.js";

const KEPT = "whisper-native.keys";

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

export function turnKeys(areOn) {
  try {
    localStorage.setItem(KEPT, areOn ? "on" : "off");
  } catch {} // they stay on
}

/** The list of them. */
export async function showKeys() {
  try {
    (await loadPart("help", "key_list")).showKeys();
  } catch {
    announce(t("failed.offline"));
  }
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

function moveInList(event) {
  const row = event.target.closest?.(".row");
  if (!row) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  next?.querySelector(".name[href]")?.focus();
  event.preventDefault();
}
