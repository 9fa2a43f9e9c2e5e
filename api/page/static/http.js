// Requests to our own server. An answer of 401 asks for a key, and the request is repeated once there is one.

export class HttpError extends Error {
  /** status: 0 without a connection; code: the service's own, or "offline". */
  constructor(status, code, message, headers) {
    super(message);
    Object.assign(this, { status, code, headers });
  }
}

let askForKey = null;

/** ask: async, returns once somebody has signed in. */
export function onSignedOut(ask) {
  askForKey = ask;
}

/** The Response if it is ok; throws HttpError. */
export async function request(path, { method = "GET", json, headers = {}, signal, keepalive, asks = true } = {}) {
  const sent = json === undefined ? headers : { "Content-Type": "application/json", ...headers };
  const body = json === undefined ? undefined : JSON.stringify(json);
  for (;;) {
    const response = await send(path, { method, headers: sent, body, signal, keepalive });
    if (response.ok) return response;
    const error = readError(response.status, await response.text(), response.headers);
    if (error.status !== 401 || !asks || !askForKey) throw error;
    await askForKey();
  }
}

export async function getJson(path, options) {
  return (await request(path, options)).json();
}

/** What the server says went wrong; text: its answer's body. */
export function readError(status, text, headers) {
  try {
    const { code, message } = JSON.parse(text).error;
    return new HttpError(status, code, message, headers);
  } catch {
    return new HttpError(status, "unknown", `HTTP ${status}`, headers);
  }
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new HttpError(0, "offline", error.message, new Headers());
  }
}
