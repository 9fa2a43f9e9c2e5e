// The one stream of all jobs of whoever is signed in. Browsers allow few connections, so hidden tabs have none.

import { getJson, request } from "./http.js";
import { Watchers } from "./watchers.js";

const NAMES = ["job", "progress", "positions", "deleted", "reset"];
const MAX_PAUSE = 30_000; // milliseconds

const listeners = new Watchers();
const connection = new Watchers();
let source = null;
let last = null; // the id of the last event
let pause = 1000;
let openTimer = 0;
let isConnected = true;
let hasBegun = false; // a stream was open, or was waited for in vain
let begin = null;
const begun = new Promise((done) => {
  begin = () => {
    hasBegun = true;
    done();
  };
});

/** listener(name, data); returns the function that ends it. */
export function subscribe(listener) {
  const end = listeners.watch(listener);
  openStream();
  return () => {
    end();
    if (!listeners.size) closeStream();
  };
}

/** watcher(isConnected), told at once and at each change; returns the function that ends it. */
export function watchConnection(watcher) {
  watcher(isConnected);
  return connection.watch(watcher);
}

/** Returns once the stream is open: what is read then misses nothing. After a second without one, too. */
export function whenOpen() {
  setTimeout(begin, 1000);
  return begun;
}

function openStream() {
  if (source || !listeners.size || document.hidden) return;
  clearTimeout(openTimer);
  source = new EventSource(`/v1/jobs/events${last ? `?last_event_id=${encodeURIComponent(last)}` : ""}`);
  source.onopen = () => {
    pause = 1000;
    setConnected(true);
    if (hasBegun && last === null) listeners.tell("reset", {});
    begin();
  };
  source.onerror = failed;
  for (const name of NAMES) source.addEventListener(name, heard);
}

function closeStream() {
  clearTimeout(openTimer);
  source?.close();
  source = null;
}

function heard(event) {
  last = event.lastEventId || last;
  listeners.tell(event.type, JSON.parse(event.data || "{}"));
}

async function failed() {
  const gaveUp = source?.readyState === EventSource.CLOSED; // else the browser tries again by itself
  if (gaveUp) closeStream();
  try {
    const session = await getJson("/session");
    if (session.needs_key && !session.signed_in) {
      closeStream();
      await request("/v1/jobs?limit=1"); // asks for a key
      last = null;
      return openStream();
    }
  } catch {
    setConnected(false);
  }
  if (!gaveUp || source) return;
  openTimer = setTimeout(openStream, pause);
  pause = Math.min(2 * pause, MAX_PAUSE);
}

function setConnected(connected) {
  if (connected === isConnected) return;
  isConnected = connected;
  connection.tell(connected);
}

document.addEventListener("visibilitychange", () => (document.hidden ? closeStream() : openStream()));
addEventListener("offline", failed); // a server on the same machine may answer all the same
addEventListener("online", () => {
  closeStream();
  openStream();
});
