// How recordings come to the page: picked, dropped anywhere, pasted, recorded.

import { announce } from "./announce.js";
import { h, icon } from "./dom.js";
import { clock } from "./format.js";
import { t } from "./messages.js";
import { keepOptions, keptOptions, optionFields, summary } from "./options.js";
import * as recorder from "./record.js";
import { addUploads } from "./upload.js";

const PLUS = "M8 3v10M3 8h10";
const MICROPHONE = "M8 2a2 2 0 0 1 2 2v4a2 2 0 0 1-4 0V4a2 2 0 0 1 2-2zM4 8a4 4 0 0 0 8 0M8 12v2.5";

let fields = keptOptions();

/** The bar above the list. info: GET /v1/info */
export function bringBar(info) {
  const input = h("input", { type: "file", multiple: true, accept: "audio/*,video/*", class: "aside", tabindex: "-1", "aria-hidden": "true", id: "files" });
  input.addEventListener("change", () => {
    bring([...input.files]);
    input.value = "";
  });
  const options = optionFields(fields, info);
  const chosen = h("span", { class: "muted" }, summary(fields));
  options.element.addEventListener("input", () => {
    fields = options.read();
    keepOptions(fields);
    chosen.textContent = summary(fields);
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
    h("details", { class: "options" }, h("summary", {}, t("options.title"), " ", chosen), options.element),
  );
}

function bring(files) {
  if (!files.length) return;
  addUploads(files, fields);
  announce(t("bring.added", { n: files.length }));
  if (location.hash.length > 2) location.hash = "#/"; // where their bars are
}

function recordControls() {
  const reason = recorder.whyNotRecord();
  if (reason) return phoneRecorder(reason);
  const box = h("div", { class: "record" });
  const draw = (...children) => box.replaceChildren(...children);
  const idle = () => draw(h("button", { type: "button", onclick: begin }, icon(MICROPHONE), t("record.start")));
  const begin = async () => {
    try {
      await recorder.startRecording();
      announce(t("record.running"));
      running();
      box.querySelector("button").focus();
    } catch (error) {
      idle();
      box.append(h("span", { class: "danger", role: "alert" }, t(error.name === "NotAllowedError" ? "record.refused" : "record.failed")));
    }
  };
  const running = () => {
    const time = h("span", { class: "record-time", role: "timer" });
    const tick = () => {
      if (!recorder.isRecording() || !time.isConnected) return;
      time.textContent = clock(recorder.recordedSeconds());
      setTimeout(tick, 250);
    };
    const button = (key, act, kind) => h("button", { type: "button", class: kind, onclick: act }, t(key));
    const pause = button(recorder.isPaused() ? "record.resume" : "record.pause", () => {
      recorder.togglePause();
      pause.textContent = t(recorder.isPaused() ? "record.resume" : "record.pause");
      box.classList.toggle("paused", recorder.isPaused());
    });
    const discard = () => {
      recorder.discardRecording();
      announce(t("record.discarded"));
      idle();
    };
    draw(h("span", { class: "record-dot", "aria-hidden": "true" }), time, button("record.stop", finish), pause, button("record.discard", discard, "plain"));
    queueMicrotask(tick);
  };
  const finish = async () => {
    const at = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
    const file = await recorder.stopRecording(t("record.name", { time: at.slice(0, 16).replace("T", " ").replace(":", ".") }));
    idle();
    bring([file]);
  };
  recorder.isRecording() ? running() : idle();
  return box;
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
