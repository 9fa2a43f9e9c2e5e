import { CROSS, h, icon } from "./dom.js";
import { t } from "./messages.js";

export const SENDS = { type: "submit", class: "primary" };

/** Has a form do its work when it is sent, once at a time; the notice says what went wrong. */
export function sends(form, notice, work) {
  let isBusy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isBusy) return;
    isBusy = true;
    try {
      await work();
    } catch (error) {
      notice.textContent = error.message;
    }
    isBusy = false;
  });
}

/** A shown modal <dialog> with a close button; Esc closes it, closing removes it, and the focus goes back.
 * isLasting: only what it holds ends it. */
export function openDialog(title, children, isLasting = false) {
  const before = document.activeElement;
  const close = h("button", { type: "button", class: "plain square", "aria-label": t("close") }, icon(CROSS));
  const head = h("div.dialog-head", h("h2", title), !isLasting && close);
  const dialog = h("dialog", { "aria-label": title }, head, children);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.isConnected && before.focus();
  });
  if (isLasting) {
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.preventDefault());
  }
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
