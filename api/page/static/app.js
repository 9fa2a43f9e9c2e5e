// The page's frame: its header, and which view the address shows.

import { announce } from "./announce.js";
import { takeFromEverywhere } from "./bring.js";
import { button, failure, h, select } from "./dom.js";
import { watchConnection } from "./events.js";
import { getJson, onSignedOut } from "./http.js";
import { followJobs, putJob } from "./jobs.js";
import { showList } from "./list.js";
import { languages, locale, setLocale, t } from "./messages.js";
import { askForKey, loadSession, session, sessions, signOut } from "./session.js";
import { listenForKeys, showKeys } from "./shortcuts.js";
import { connectUploads, retryLostUploads } from "./upload.js";
import { showUse } from "./use_it.js";

const header = document.getElementById("header");
const main = document.getElementById("main");
const notice = document.getElementById("notice");
let view = null; // {destroy()}
let known = null; // what the server says of itself
let number = 0; // of the view, as one may come when the next is asked for

const JOB = /^#\/jobs\/([\w-]+)(?:\?(.*))?$/;

async function route() {
  const mine = ++number;
  view?.destroy();
  view = null;
  const place = h("div"); // of its own, so that a late view writes where nobody looks
  main.replaceChildren(place);
  drawHeader();
  try {
    const opened = await openView(place, location.hash);
    if (mine === number) view = opened;
    else opened?.destroy();
  } catch (error) {
    if (mine === number) showFailure(error);
  }
}

async function openView(place, hash) {
  const job = JOB.exec(hash);
  if (job) {
    const { showTranscript } = await import("./transcript/view.js");
    return showTranscript(place, job[1], Number(new URLSearchParams(job[2]).get("t")) || 0);
  }
  const info = await serverInfo();
  if (hash.startsWith("#/help")) return showUse(place, info);
  return showList(place, info);
}

/** GET /v1/info, asked once. */
async function serverInfo() {
  known ??= await getJson("/v1/info");
  connectUploads(putJob, known.limits.max_upload_bytes);
  return known;
}

function showFailure(error) {
  main.replaceChildren(h("div.state", failure(error, route)));
  announce(error.message);
}

function drawHeader() {
  const link = (hash, key, isHere) => h("a", { href: hash, "aria-current": isHere ? "page" : null }, t(key));
  const isHelp = location.hash.startsWith("#/help");
  const onchange = (event) => switchLanguage(event.target.value);
  const choice = select({ "aria-label": t("nav.language"), onchange }, Object.entries(languages), locale);
  const keys = button("nav.keys", showKeys, { class: "plain shortcuts" });
  const account = session.needs_key && session.signed_in && [
    h("bdi.muted", session.name),
    button("nav.signOut", signOut, { class: "plain" }),
  ];
  header.replaceChildren(
    h("nav", link("#/", "nav.recordings", !isHelp), link("#/help", "nav.use", isHelp)),
    h("div.account", choice, keys, account),
  );
  document.getElementById("skip").textContent = t("skip");
}

async function switchLanguage(language) {
  try {
    await setLocale(language);
  } catch {
    announce(t("failed.offline"));
  }
  route();
  header.querySelector("select").focus();
}

async function start() {
  onSignedOut(askForKey);
  sessions.watch(drawHeader);
  watchConnection((isConnected) => {
    notice.hidden = isConnected;
    notice.textContent = isConnected ? "" : t("offline");
    if (isConnected) retryLostUploads();
  });
  document.getElementById("skip").addEventListener("click", (event) => {
    event.preventDefault(); // the address names the view
    main.focus();
  });
  addEventListener("hashchange", () => {
    main.focus({ preventScroll: true }); // Tab goes on from the view
    route();
  });
  listenForKeys();
  takeFromEverywhere();
  followJobs();
  try {
    const info = getJson("/v1/info", { asks: false }).catch(() => null); // asked again if it needs the key
    await loadSession();
    known = await info;
    if (session.needs_key && !session.signed_in) await askForKey();
    if (!number) await route(); // else somebody has followed a link meanwhile
  } catch (error) {
    showFailure(error);
  }
}

start();
