// Requests to our own server. An answer of 401 asks for a key, and the request is repeated once there is one.

import { t } from "./messages.js";

let askKey = null;

/** ask: async, returns once somebody has signed in. */
export function onSignedOut(ask) {
  askKey = ask;
}

/** The Response if it is ok; throws an Error with {status, code} else. */
export async function request(path, { json, asks = true, ...options } = {}) {
  if (json) {
    options.body = JSON.stringify(json);
    options.headers = { "Content-Type": "application/json", ...options.headers };
  }
  for (;;) {
    const response = await fetched(path, options);
    if (response.ok) return response;
    const error = readError(response.status, await response.text());
    if (error.status !== 401 || !asks || !askKey) throw error;
    await askKey();
  }
}

export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/** What the server says went wrong; text: its answer's body. */
export function readError(status, text) {
  let read = { message: `HTTP ${status}` };
  try {
    read = JSON.parse(text).error ?? read;
  } catch {}
  return Object.assign(new Error(read.message), { status, code: read.code });
}

/** Whether what went wrong may be right the next time. */
export function passes(status) {
  return [0, 408, 425, 429].includes(status) || status >= 500;
}

async function fetched(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw Object.assign(new Error(t("failed.offline")), { status: 0 });
  }
}
