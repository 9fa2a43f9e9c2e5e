// Recordings on their way to the server: three at once, each with its bar. What a lost line interrupts is sent again
// with the same Idempotency-Key, so that it never becomes two jobs.

import { announce } from "./announce.js";
import { passes, readError } from "./http.js";
import { t } from "./messages.js";
import { askForKey } from "./session.js";
import { Watchers } from "./watchers.js";

const AT_ONCE = 3;
const FIRST_PAUSE = 1; // seconds
const LONGEST_PAUSE = 30; // seconds

const IN_USE = "idempotency_key_in_use"; // by the line that was lost, for which the server still waits

/** Each {id, name, state, sent, total, error, nextTry}; state: waiting, sending, lost, failed. */
export const uploads = [];

let onJob = () => {};
let maxBytes = Infinity;

/** Each is told (upload) at each change; upload.state is null once it is no longer there. */
export const uploadWatchers = new Watchers();

/** taken: gets the job that a recording has become; limit: bytes a recording may have. */
export function connectUploads(taken, limit) {
  onJob = taken;
  maxBytes = limit;
}

/** fields: of POST /v1/jobs */
export function addUploads(files, fields) {
  for (const file of files) {
    const upload = { id: randomKey(), file, fields, name: file.name, sent: 0, total: file.size, tries: 0 };
    upload.key = upload.id;
    uploads.push(upload);
    if (file.size > maxBytes) fail(upload, t("upload.tooLarge", { megabytes: Math.floor(maxBytes / 1e6) }));
    else change(upload, "waiting");
  }
  sendNext();
}

export function cancelUpload(upload) {
  clearTimeout(upload.timer);
  upload.request?.abort();
  drop(upload);
}

/** Now, instead of after the pause, or once more after a failure. */
export function retryUpload(upload) {
  clearTimeout(upload.timer);
  if (upload.state === "failed") upload.key = randomKey();
  change(upload, "waiting");
  sendNext();
}

/** Sends from its beginning what lost the connection, now that there is one again. */
export function retryLostUploads() {
  uploads.filter((upload) => upload.state === "lost" && upload.isOffline).forEach(retryUpload);
}

function sendNext() {
  const sending = uploads.filter((upload) => upload.state === "sending").length;
  const waiting = uploads.filter((upload) => upload.state === "waiting");
  for (const upload of waiting.slice(0, Math.max(0, AT_ONCE - sending))) sendUpload(upload);
}

function sendUpload(upload) {
  const form = new FormData();
  for (const [name, value] of Object.entries(upload.fields)) form.append(name, value);
  form.append("file", upload.file, upload.name);
  const request = (upload.request = new XMLHttpRequest()); // fetch tells nothing of an upload's progress
  request.open("POST", "/v1/jobs");
  request.setRequestHeader("Idempotency-Key", upload.key);
  request.upload.onprogress = (event) => {
    upload.sent = event.total ? (event.loaded / event.total) * upload.total : 0;
    change(upload, "sending");
  };
  request.onloadend = () => upload.state === "sending" && ended(upload, request);
  upload.sent = 0;
  change(upload, "sending");
  request.send(form);
}

async function ended(upload, request) {
  const { status, responseText } = request;
  if (status >= 200 && status < 300) return arrived(upload, JSON.parse(responseText));
  if (status === 401) {
    await askForKey();
    return retryUpload(upload);
  }
  const seconds = Number(request.getResponseHeader("Retry-After"));
  upload.isOffline = status === 0;
  const { code, message: error } = status ? readError(status, responseText) : { message: t("upload.lost") };
  if (!passes(status) && code !== IN_USE) fail(upload, error);
  else if (!status && !(await isReadable(upload.file))) fail(upload, t("upload.unreadable"));
  else later(upload, error, seconds);
  sendNext();
}

function arrived(upload, job) {
  drop(upload);
  onJob(job);
  announce(t("upload.arrived", { name: upload.name }));
}

function drop(upload) {
  uploads.splice(uploads.indexOf(upload), 1);
  change(upload, null);
  sendNext();
}

function fail(upload, message) {
  upload.error = message;
  change(upload, "failed");
  announce(`${upload.name}: ${message}`);
}

function later(upload, message, asked) {
  const pause = Math.max(asked || 0, Math.min(FIRST_PAUSE * 2 ** upload.tries++, LONGEST_PAUSE));
  upload.error = message;
  upload.nextTry = Date.now() + pause * 1000;
  upload.timer = setTimeout(retryUpload, pause * 1000, upload);
  change(upload, "lost");
  if (upload.tries === 1) announce(`${upload.name}: ${message}`);
}

async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false; // a folder, or a file that was changed or moved
  }
}

function change(upload, state) {
  if (state === null) upload.state = null;
  else if (uploads.includes(upload)) upload.state = state;
  uploadWatchers.tell(upload);
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID exists on https alone
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

addEventListener("online", retryLostUploads);
addEventListener("beforeunload", (event) => {
  if (uploads.some((upload) => upload.state !== "failed")) event.preventDefault();
});
