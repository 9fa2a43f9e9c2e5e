import { h, icon } from "./dom.js";
import { t } from "./messages.js";

const CROSS = "M4 4l8 8M12 4l-8 8";

/** A shown modal <dialog> with a close button; Esc closes it, closing removes it, and the focus goes back. */
export function openDialog(title, ...children) {
  return show(title, true, children);
}

/** One that only its own buttons end. */
export function openLastingDialog(title, ...children) {
  const dialog = show(title, false, children);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());
  return dialog;
}

let count = 0;

function show(title, closes, children) {
  const before = document.activeElement;
  const id = `dialog-${++count}`;
  const close = h("button", { type: "button", class: "plain square", "aria-label": t("close") }, icon(CROSS));
  const head = h("div", { class: "dialog-head" }, h("h2", { id }, title), closes && close);
  const dialog = h("dialog", { "aria-labelledby": id }, head, ...children);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.isConnected && before.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
