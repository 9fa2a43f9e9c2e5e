// Asks for a key and makes it a session. The key itself is kept nowhere.

import { openLastingDialog } from "./dialog.js";
import { h } from "./dom.js";
import { request } from "./http.js";
import { t } from "./messages.js";

/** Returns once there is a session. isAgain: whether there was one before. */
export function signIn(isAgain) {
  return new Promise((done) => showForm(done, isAgain));
}

function showForm(done, isAgain) {
  const problem = h("p", { class: "danger", role: "alert" });
  const key = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const user = h("input", { class: "aside", autocomplete: "username", value: "whisper-native", tabindex: "-1", "aria-hidden": "true" });
  const form = h(
    "form",
    { class: "fields" },
    h("p", { class: "muted" }, t(isAgain ? "signIn.again" : "signIn.why")),
    user, // password managers file the key under it
    h("label", { for: "key" }, t("signIn.key")),
    key,
    problem,
    h("div", { class: "buttons" }, h("button", { class: "primary" }, t("signIn.do"))),
  );
  const dialog = openLastingDialog(t("signIn.title"), form);
  key.focus();
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await request("/session", { method: "POST", json: { key: key.value }, asks: false });
      dialog.close();
      done();
    } catch (error) {
      problem.textContent = error.status === 401 ? t("signIn.wrong") : error.status ? error.message : t("failed.offline");
      key.select();
    }
  });
}
