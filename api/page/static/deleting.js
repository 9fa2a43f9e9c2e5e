// Deleting with a way back: the server is asked after some seconds, or when the page is left.

import { announce } from "./announce.js";
import { h } from "./dom.js";
import { jobName } from "./format.js";
import { request } from "./http.js";
import { removeJob, showJob } from "./jobs.js";
import { t } from "./messages.js";

const PATIENCE = 8000; // milliseconds

let pending = []; // the jobs
let timer = 0;
let toast = null;

export function deleteJob(job) {
  pending.push(job);
  removeJob(job.id, true);
  announce(t("delete.done", { n: pending.length, name: jobName(job) }));
  show();
  wait();
}

function undo() {
  const jobs = pending;
  pending = [];
  hide();
  jobs.forEach(showJob);
  announce(t("delete.undone", { n: jobs.length }));
}

/** Asks the server for what is pending; keepalive: the page is being left. */
function send(keepalive) {
  const jobs = pending;
  pending = [];
  hide();
  return Promise.all(jobs.map((job) => sendOne(job, keepalive)));
}

async function sendOne(job, keepalive) {
  try {
    await request(`/v1/jobs/${job.id}`, { method: "DELETE", keepalive });
  } catch (error) {
    if (error.status === 404) return; // somebody else was quicker
    showJob(job);
    announce(t("delete.failed", { name: jobName(job), why: error.status ? error.message : t("failed.offline") }));
  }
}

function show() {
  const text = t("delete.done", { n: pending.length, name: jobName(pending.at(-1)) });
  toast?.remove();
  toast = h("div", { class: "toast" }, h("bdi", {}, text), h("button", { type: "button", onclick: undo }, t("delete.undo")));
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, () => clearTimeout(timer));
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, wait);
  document.body.append(toast);
}

function wait() {
  clearTimeout(timer);
  if (pending.length) timer = setTimeout(send, PATIENCE, false);
}

function hide() {
  clearTimeout(timer);
  toast?.remove();
  toast = null;
}

addEventListener("pagehide", () => send(true));
