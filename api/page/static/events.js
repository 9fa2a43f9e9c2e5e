// The one stream of all jobs of whoever is signed in. Browsers allow few connections, so hidden tabs have none.

import { getJson, request } from "./http.js";

const NAMES = ["job", "progress", "positions", "deleted", "reset"];
const MAX_PAUSE = 30_000; // milliseconds

const listeners = new Set();
const watchers = new Set();
let source = null;
let last = null; // the id of the last event
let pause = 1000;
let timer = 0;
let isConnected = true;
let hasBegun = false; // a stream was open, or was waited for in vain
const waiting = []; // for the first one

/** listener(name, data); returns the function that ends it. */
export function subscribe(listener) {
  listeners.add(listener);
  open();
  return () => {
    listeners.delete(listener);
    if (!listeners.size) close();
  };
}

/** watcher(isConnected), told at once and at each change; returns the function that ends it. */
export function watchConnection(watcher) {
  watchers.add(watcher);
  watcher(isConnected);
  return () => watchers.delete(watcher);
}

/** Returns once the stream is open: what is read then misses nothing. After a second without one, too. */
export function whenOpen() {
  if (hasBegun) return Promise.resolve();
  return new Promise((done) => {
    waiting.push(done);
    setTimeout(begin, 1000);
  });
}

function begin() {
  hasBegun = true;
  for (const done of waiting.splice(0)) done();
}

function open() {
  if (source || !listeners.size || document.hidden) return;
  clearTimeout(timer);
  source = new EventSource(`/v1/jobs/events${last ? `?last_event_id=${encodeURIComponent(last)}` : ""}`);
  source.onopen = () => {
    pause = 1000;
    tell(true);
    if (hasBegun && last === null) say("reset", {});
    begin();
  };
  source.onerror = failed;
  for (const name of NAMES) source.addEventListener(name, heard);
}

function close() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function heard(event) {
  last = event.lastEventId || last;
  say(event.type, JSON.parse(event.data || "{}"));
}

function say(name, data) {
  for (const listener of [...listeners]) listener(name, data);
}

async function failed() {
  const gaveUp = source?.readyState === EventSource.CLOSED; // else the browser tries again by itself
  if (gaveUp) close();
  try {
    const session = await getJson("/session");
    if (session.needs_key && !session.signed_in) {
      close();
      await request("/v1/jobs?limit=1"); // asks for a key
      last = null;
      return open();
    }
  } catch {
    tell(false);
  }
  if (!gaveUp || source) return;
  timer = setTimeout(open, pause);
  pause = Math.min(2 * pause, MAX_PAUSE);
}

function tell(connected) {
  if (connected === isConnected) return;
  isConnected = connected;
  for (const watcher of watchers) watcher(connected);
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("offline", failed); // a server on the same machine may answer all the same
addEventListener("online", () => {
  close();
  open();
});
