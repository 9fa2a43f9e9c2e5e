// Asks for a key and makes it a session. The key itself is kept nowhere.

import { openDialog, SENDS, sends } from "./dialog.js";
import { button, h } from "./dom.js";
import { request } from "./http.js";
import { t } from "./messages.js";

/** Returns once there is a session. isAgain: whether there was one before. */
export async function signIn(isAgain) {
  const problem = h("p.danger", { role: "alert" });
  const key = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const user = h("input.aside", { autocomplete: "username", value: "whisper-native", tabindex: "-1", "aria-hidden": "true" });
  const form = h(
    "form.fields",
    h("p.muted", t(isAgain ? "signIn.again" : "signIn.why")),
    user, // password managers file the key under it
    h("label", { for: "key" }, t("signIn.key")),
    key,
    problem,
    h("div.buttons", button("signIn.title", null, SENDS)),
  );
  const dialog = openDialog(t("signIn.title"), form, true);
  key.focus();
  const send = async () => {
    try {
      await request("/session", { method: "POST", json: { key: key.value }, asks: false });
    } catch (error) {
      key.select();
      throw error.status === 401 ? new Error(t("signIn.wrong")) : error;
    }
    dialog.close();
  };
  sends(form, problem, send);
  await new Promise((done) => dialog.addEventListener("close", done));
}
