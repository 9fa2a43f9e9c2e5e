// How recordings come to the page: picked, dropped anywhere, pasted, recorded.

import { announce } from "./announce.js";
import { h, icon } from "./dom.js";
import { keep, kept } from "./kept.js";
import { t } from "./messages.js";
import { optionFields } from "./option_fields.js";
import { summary } from "./options.js";
import { isRecording, showControls, startRecording } from "./record.js";
import { addUploads } from "./upload.js";

const PLUS = "M8 3v10M3 8h10";
const MICROPHONE = "M8 2a2 2 0 0 1 2 2v4a2 2 0 0 1-4 0V4a2 2 0 0 1 2-2zM4 8a4 4 0 0 0 8 0M8 12v2.5";

let fields = JSON.parse(kept("options")) ?? {};

/** The bar above the list. info: GET /v1/info */
export function bringBar(info) {
  const input = fileInput({ multiple: true, accept: "audio/*,video/*", id: "files" });
  return h(
    "section.bring",
    { "aria-label": t("bring.add") },
    h(
      "div.bring-bar",
      h("button", { type: "button", class: "primary", onclick: () => input.click() }, icon(PLUS), t("bring.add")),
      input,
      recordControls(),
      h("span.muted.hint", t("bring.hint")),
    ),
    optionsPanel(info),
  );
}

/** Pressed by a button. */
function fileInput(attributes) {
  const onchange = () => {
    bring([...input.files]);
    input.value = "";
  };
  const input = h("input.aside", { type: "file", tabindex: "-1", "aria-hidden": "true", onchange, ...attributes });
  return input;
}

/** What is chosen, in few words; the fields come when it is opened. */
function optionsPanel(info) {
  const chosen = h("span.muted", summary(fields));
  const inside = h("div");
  const fill = () => {
    if (inside.firstChild) return;
    const options = optionFields(fields, info);
    options.element.addEventListener("input", () => {
      fields = options.read();
      keep("options", JSON.stringify(fields));
      chosen.textContent = summary(fields);
    });
    inside.append(options.element);
  };
  const panel = h("details.options", h("summary", t("options.title"), " ", chosen), inside);
  panel.addEventListener("toggle", fill);
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
  const box = h("div.record");
  if (isRecording()) showControls(box, (file) => recorded(box, file));
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
    await startRecording();
  } catch (error) {
    offerRecording(box);
    box.append(h("span.danger", { role: "alert" }, t(error.name === "NotAllowedError" ? "record.refused" : "record.failed")));
    return;
  }
  announce(t("record.running"));
  showControls(box, (file) => recorded(box, file));
  box.querySelector("button").focus();
}

/** file: null if it was discarded. */
function recorded(box, file) {
  offerRecording(box);
  if (file) bring([file]);
}

/** What phones have without https: the recorder of the system. */
function phoneRecorder(reason) {
  const input = fileInput({ accept: "audio/*", capture: "user" });
  const isTouch = matchMedia("(pointer: coarse)").matches;
  const button = h("button", { type: "button", onclick: () => input.click() }, icon(MICROPHONE), t("record.start"));
  return isTouch ? h("div.record", button, input) : h("span.muted", t(reason));
}

/** Makes the whole window take what is dropped or pasted. */
export function takeFromEverywhere() {
  let depth = 0; // how many elements the pointer has entered
  const overlay = h("div.drop", { hidden: true, "aria-hidden": "true" }, h("p"));
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
