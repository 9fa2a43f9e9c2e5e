// What the keyboard does in a transcript; the list that says so is the page's (`shortcuts.js`).

import { FIELDS, isPlain, keysAreOn } from "../shortcuts.js";

const PRESSED = "button, a, summary, label, [role=slider]"; // Space is theirs
const ALWAYS = { escape: ["toggle"], "ctrl arrowleft": ["skip", -1], "ctrl arrowright": ["skip", 1] };
const EDITING = { f1: ["skip", -1], f2: ["skip", 1], f3: ["speed", -1], f4: ["speed", 1] };
const READING = { "alt arrowup": ["segment", -1], "alt arrowdown": ["segment", 1], "ctrl z": ["undo"], "ctrl y": ["redo"] };
const SINGLE = { "[": ["speed", -1], "]": ["speed", 1], e: ["edit"], "/": ["search"] };

/** actions: { toggle, skip(steps), segment(step), speed(step), edit, undo, redo, search }; editing(): whether a segment
 * is being corrected. Acts until the signal. */
export function listen(actions, editing, signal) {
  const act = (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const chosen = chosenBy(event, editing());
    if (!chosen) return;
    const [name, ...values] = chosen;
    event.preventDefault();
    actions[name](...values);
  };
  addEventListener("keydown", act, { signal });
}

function chosenBy(event, isEditing) {
  if (event.target.closest?.(FIELDS)) return null;
  const key = event.key.toLowerCase();
  const name = (event.ctrlKey || event.metaKey ? "ctrl " : "") + (event.altKey ? "alt " : "") + key;
  if (ALWAYS[name]) return ALWAYS[name];
  if (isEditing) return EDITING[name]; // Ctrl + Z undoes the typing there
  if (name === "ctrl z" && event.shiftKey) return ["redo"];
  if (READING[name]) return READING[name];
  if (name === " ") return event.target.closest?.(PRESSED) ? null : ["toggle"];
  const isSingle = isPlain(event) || event.getModifierState?.("AltGraph"); // [ ] need AltGr on many keyboards
  return isSingle && keysAreOn() ? SINGLE[key] : null;
}
