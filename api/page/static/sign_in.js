// Who uses the page: a key becomes a session, a cookie that scripts cannot read. The key itself is kept nowhere.

import { announce } from "./announce.js";
import { openLastingDialog } from "./dialog.js";
import { h } from "./dom.js";
import { getJson, request } from "./http.js";
import { t } from "./messages.js";

/** As GET /session has it: {name, needs_key, signed_in}. */
export let session = { name: null, needs_key: false, signed_in: false };

let asking = null; // the promise of everybody who waits for the same sign-in
const watchers = new Set();

export function watchSession(watcher) {
  watchers.add(watcher);
}

export async function loadSession() {
  session = await getJson("/session");
  for (const watcher of watchers) watcher(session);
}

export async function signOut() {
  await request("/session", { method: "DELETE" });
  location.reload(); // what one person saw is nobody else's
}

/** Returns once somebody has signed in. What lies below the dialog stays as it is. */
export function askForKey() {
  asking ??= ask().finally(() => (asking = null));
  return asking;
}

async function ask() {
  const before = session.name;
  await new Promise((done) => showForm(done, before));
  await loadSession();
  announce(t("signIn.done"));
  if (before && session.name !== before) location.reload();
}

function showForm(done, before) {
  const problem = h("p", { class: "danger", role: "alert" });
  const key = h("input", { id: "key", type: "password", autocomplete: "current-password", required: true, spellcheck: "false" });
  const user = h("input", { class: "aside", autocomplete: "username", value: "whisper-native", tabindex: "-1", "aria-hidden": "true" });
  const form = h(
    "form",
    { class: "fields" },
    h("p", { class: "muted" }, t(before ? "signIn.again" : "signIn.why")),
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
