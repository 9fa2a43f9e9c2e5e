// What the keyboard does in a transcript; the list that says so is the page's (`shortcuts.js`).

import { keysAreOn } from "../shortcuts.js";

const FIELDS = "input, textarea, select";
const PRESSED = "button, a, summary, label, [role=slider]"; // Space is theirs

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
  const isControl = (event.ctrlKey || event.metaKey) && !event.altKey;
  const isAlone = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.target.closest?.(FIELDS)) return null;
  if (isAlone && event.key === "Escape") return ["toggle"];
  if (isControl) return withControl(event, isEditing);
  if (isEditing) return isAlone ? whileEditing(event.key) : null;
  if (event.altKey && !isControl && event.key === "ArrowUp") return ["segment", -1];
  if (event.altKey && !isControl && event.key === "ArrowDown") return ["segment", 1];
  if (isAlone && event.key === " ") return event.target.closest?.(PRESSED) ? null : ["toggle"];
  return isAlone || event.getModifierState?.("AltGraph") ? single(event.key) : null; // [ ] need AltGr on many keyboards
}

function withControl(event, isEditing) {
  if (event.key === "ArrowLeft") return ["skip", -1];
  if (event.key === "ArrowRight") return ["skip", 1];
  if (isEditing) return null; // there it undoes the typing
  const key = event.key.toLowerCase();
  if (key === "z") return event.shiftKey ? ["redo"] : ["undo"];
  return key === "y" ? ["redo"] : null;
}

const whileEditing = (key) => ({ F1: ["skip", -1], F2: ["skip", 1], F3: ["speed", -1], F4: ["speed", 1] })[key] ?? null;

function single(key) {
  if (!keysAreOn()) return null;
  return { "[": ["speed", -1], "]": ["speed", 1], e: ["edit"], E: ["edit"], "/": ["search"] }[key] ?? null;
}
