// The page's frame: its header, and which view the address shows.

import { announce } from "./announce.js";
import { takeFromEverywhere } from "./bring.js";
import { h } from "./dom.js";
import { watchConnection } from "./events.js";
import { getJson, onSignedOut } from "./http.js";
import { followJobs, putJob } from "./jobs.js";
import { show as showList } from "./list.js";
import { languages, locale, setLocale, t } from "./messages.js";
import { loadPart } from "./part.js";
import { askForKey, loadSession, session, signOut, watchSession } from "./session.js";
import { listenForKeys, showKeys } from "./shortcuts.js";
import { connectUploads, retryLostUploads } from "./upload.js";

const header = document.getElementById("header");
const main = document.getElementById("main");
const notice = document.getElementById("notice");
let shown = null; // the view: {destroy()}
let known = null; // what the server says of itself
let number = 0; // of the view, as one may come when the next is asked for

const JOB = /^#\/jobs\/([\w-]+)(?:\?(.*))?$/;

async function route() {
  const mine = ++number;
  shown?.destroy();
  shown = null;
  const place = h("div"); // of its own, so that a late view writes where nobody looks
  main.replaceChildren(place);
  drawHeader();
  try {
    const view = await open(place, location.hash);
    if (mine === number) shown = view;
    else view?.destroy();
  } catch (error) {
    if (mine === number) showFailure(error);
  }
}

async function open(place, hash) {
  const job = JOB.exec(hash);
  if (job) {
    const { show } = await loadPart("transcript", "view", { hasStyle: true });
    return show(place, job[1], { t0: Number(new URLSearchParams(job[2]).get("t")) || 0 });
  }
  const info = await serverInfo();
  if (hash.startsWith("#/help")) return (await loadPart("help", "use_it")).show(place, info);
  return showList(place, info);
}

/** GET /v1/info, asked once. */
async function serverInfo() {
  known ??= await getJson("/v1/info");
  connectUploads(putJob, known.limits.max_upload_bytes);
  return known;
}

function showFailure(error) {
  const text = error.status === 0 ? t("failed.offline") : error.message;
  main.replaceChildren(
    h("div", { class: "state" }, h("h2", {}, t("failed.title")), h("p", {}, text), h("button", { onclick: route }, t("retry"))),
  );
  announce(text);
}

function drawHeader() {
  const link = (hash, key, isHere) => h("a", { href: hash, "aria-current": isHere ? "page" : null }, t(key));
  const isHelp = location.hash.startsWith("#/help");
  const choice = h(
    "select",
    { "aria-label": t("nav.language"), onchange: (event) => switchLanguage(event.target.value) },
    Object.entries(languages).map(([code, name]) => h("option", { value: code, lang: code, selected: code === locale }, name)),
  );
  const keys = h("button", { type: "button", class: "plain shortcuts", onclick: showKeys }, t("nav.keys"));
  const account = session.needs_key && session.signed_in && [
    h("bdi", { class: "muted" }, session.name),
    h("button", { type: "button", class: "plain", onclick: signOut }, t("nav.signOut")),
  ];
  header.replaceChildren(
    h("nav", {}, link("#/", "nav.recordings", !isHelp), link("#/help", "nav.use", isHelp)),
    h("div", { class: "account" }, choice, keys, account),
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
  watchSession(drawHeader);
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
