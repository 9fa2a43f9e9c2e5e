// Who uses the page: a key becomes a session, a cookie that scripts cannot read.

import { announce } from "./announce.js";
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
  const { signIn } = await import("./sign_in.js");
  await signIn(before !== null);
  await loadSession();
  announce(t("signIn.done"));
  if (before && session.name !== before) location.reload();
}
