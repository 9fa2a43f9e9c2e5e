// How recordings come to the page: picked, dropped anywhere, pasted, recorded.

import { announce } from "./announce.js";
import { h, icon } from "./dom.js";
import { t } from "./messages.js";
import { keepOptions, keptOptions, summary } from "./options.js";
import { addUploads } from "./upload.js";

const PLUS = "M8 3v10M3 8h10";
const MICROPHONE = "M8 2a2 2 0 0 1 2 2v4a2 2 0 0 1-4 0V4a2 2 0 0 1 2-2zM4 8a4 4 0 0 0 8 0M8 12v2.5";

const REFUSALS = { NotAllowedError: "record.refused", TypeError: "failed.offline" }; // by the error's name

let fields = keptOptions();
let recorder = null; // the module, once somebody records

/** The bar above the list. info: GET /v1/info */
export function bringBar(info) {
  const input = h("input", { type: "file", multiple: true, accept: "audio/*,video/*", class: "aside", tabindex: "-1", "aria-hidden": "true", id: "files" });
  input.addEventListener("change", () => {
    bring([...input.files]);
    input.value = "";
  });
  return h(
    "section",
    { class: "bring", "aria-label": t("bring.title") },
    h(
      "div",
      { class: "bring-bar" },
      h("button", { type: "button", class: "primary", onclick: () => input.click() }, icon(PLUS), t("bring.add")),
      input,
      recordControls(),
      h("span", { class: "muted hint" }, t("bring.hint")),
    ),
    optionsPanel(info),
  );
}

/** What is chosen, in few words; the fields come when it is opened. */
function optionsPanel(info) {
  const chosen = h("span", { class: "muted" }, summary(fields));
  const inside = h("div", {});
  const fill = async () => {
    const { optionFields } = await import("./option_fields.js");
    if (inside.firstChild) return;
    const options = optionFields(fields, info);
    options.element.addEventListener("input", () => {
      fields = options.read();
      keepOptions(fields);
      chosen.textContent = summary(fields);
    });
    inside.append(options.element);
  };
  const panel = h("details", { class: "options" }, h("summary", {}, t("options.title"), " ", chosen), inside);
  panel.addEventListener("toggle", () => panel.open && fill().catch(() => announce(t("failed.offline"))));
  return panel;
}

function bring(files) {
  if (!files.length) return;
  addUploads(files, fields);
  announce(t("bring.added", { n: files.length }));
  if (location.hash.length > 2) location.hash = "#/"; // where their bars are
}

function recordControls() {
  const reason = whyNotRecord();
  if (reason) return phoneRecorder(reason);
  const box = h("div", { class: "record" });
  if (recorder?.isRecording()) recorder.showControls(box, (file) => recorded(box, file));
  else offerRecording(box);
  return box;
}

/** Why the browser cannot record, as a key of a message; null if it can. */
function whyNotRecord() {
  if (!window.isSecureContext) return "record.insecure";
  return navigator.mediaDevices?.getUserMedia && window.MediaRecorder ? null : "record.missing";
}

function offerRecording(box) {
  box.replaceChildren(h("button", { type: "button", onclick: () => record(box) }, icon(MICROPHONE), t("record.start")));
}

async function record(box) {
  try {
    recorder ??= await import("./record.js");
    await recorder.startRecording();
  } catch (error) {
    offerRecording(box);
    box.append(h("span", { class: "danger", role: "alert" }, t(REFUSALS[error.name] ?? "record.failed")));
    return;
  }
  announce(t("record.running"));
  recorder.showControls(box, (file) => recorded(box, file));
  box.querySelector("button").focus();
}

/** file: null if it was discarded. */
function recorded(box, file) {
  offerRecording(box);
  if (file) bring([file]);
}

/** What phones have without https: the recorder of the system. */
function phoneRecorder(reason) {
  const input = h("input", { type: "file", accept: "audio/*", capture: "user", class: "aside", tabindex: "-1", "aria-hidden": "true" });
  input.addEventListener("change", () => bring([...input.files]));
  const isTouch = matchMedia("(pointer: coarse)").matches;
  const button = h("button", { type: "button", onclick: () => input.click() }, icon(MICROPHONE), t("record.start"));
  return isTouch ? h("div", { class: "record" }, button, input) : h("span", { class: "muted record-reason" }, t(reason));
}

/** Makes the whole window take what is dropped or pasted. */
export function takeFromEverywhere() {
  let depth = 0; // how many elements the pointer has entered
  const overlay = h("div", { class: "drop", hidden: true, "aria-hidden": "true" }, h("p", {}));
  document.body.append(overlay);
  const brings = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (change) => {
    depth = Math.max(0, depth + change);
    overlay.hidden = depth === 0;
    overlay.firstChild.textContent = t("bring.drop");
  };
  addEventListener("dragenter", (event) => brings(event) && show(1));
  addEventListener("dragleave", (event) => brings(event) && show(-1));
  addEventListener("dragover", (event) => brings(event) && event.preventDefault());
  addEventListener("drop", async (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    show(-depth);
    bring(await droppedFiles(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    if (!event.clipboardData.files.length) return;
    event.preventDefault();
    bring([...event.clipboardData.files]);
  });
}

/** Of folders too. */
async function droppedFiles(transfer) {
  const plain = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()); // has to be asked at once
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  return (await Promise.all(entries.filter(Boolean).map(filesOf))).flat();
}

async function filesOf(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((done, failed) => entry.file(done, failed))];
  const reader = entry.createReader();
  const inside = [];
  for (;;) { // it gives a hundred at a time
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map(filesOf))).flat();
}
