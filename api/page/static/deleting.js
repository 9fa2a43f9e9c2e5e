// Deleting with a way back: the server is asked after some seconds, or when the page is left.

import { announce } from "./announce.js";
import { button, h } from "./dom.js";
import { jobName } from "./format.js";
import { request } from "./http.js";
import { removeJob, showJob } from "./jobs.js";
import { t } from "./messages.js";

const GRACE = 8000; // milliseconds

let pending = []; // the jobs
let undoTimer = 0;
let toast = null;

export function deleteJob(job) {
  pending.push(job);
  removeJob(job.id, true);
  announce(t("delete.done", { n: pending.length, name: jobName(job) }));
  showToast();
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
function sendPending(keepalive) {
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
    announce(t("delete.failed", { name: jobName(job), why: error.message }));
  }
}

function showToast() {
  const text = t("delete.done", { n: pending.length, name: jobName(pending.at(-1)) });
  toast?.remove();
  toast = h("div.toast", h("bdi", text), button("undo", undo));
  for (const name of ["pointerenter", "focusin"]) toast.addEventListener(name, () => clearTimeout(undoTimer));
  for (const name of ["pointerleave", "focusout"]) toast.addEventListener(name, wait);
  document.body.append(toast);
}

function wait() {
  clearTimeout(undoTimer);
  if (pending.length) undoTimer = setTimeout(sendPending, GRACE, false);
}

function hide() {
  clearTimeout(undoTimer);
  toast?.remove();
  toast = null;
}

addEventListener("pagehide", () => sendPending(true));
