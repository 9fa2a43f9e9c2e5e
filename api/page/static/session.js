// Who uses the page: a key becomes a session, a cookie that scripts cannot read.

import { announce } from "./announce.js";
import { getJson, request } from "./http.js";
import { t } from "./messages.js";
import { signIn } from "./sign_in.js";
import { Watchers } from "./watchers.js";

/** As GET /session has it: {name, needs_key, signed_in}. */
export let session = {};

let asking = null; // the promise of everybody who waits for the same sign-in
export const sessions = new Watchers(); // told of each change

export async function loadSession() {
  session = await getJson("/session");
  sessions.tell();
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
  await signIn(Boolean(before));
  await loadSession();
  announce(t("signIn.done"));
  if (before && session.name !== before) location.reload();
}
