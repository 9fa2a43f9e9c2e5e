// The microphone: what is recorded becomes a file as any other.

import { announce } from "./announce.js";
import { h } from "./dom.js";
import { clock } from "./format.js";
import { t } from "./messages.js";

const TYPES = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"]];
const PART = 1000; // milliseconds: what is kept if the recorder fails

let current = null;

/** Asks for the microphone and begins; throws what the browser says if it is refused. */
export async function startRecording() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const [mime, suffix] = TYPES.find(([each]) => MediaRecorder.isTypeSupported(each)) ?? ["", "webm"];
  const recorder = new MediaRecorder(stream, { mimeType: mime });
  current = { recorder, stream, suffix, mime, parts: [], began: performance.now(), before: 0 };
  recorder.addEventListener("dataavailable", (event) => event.data.size && current?.parts.push(event.data));
  recorder.start(PART);
}

export function isRecording() {
  return current !== null;
}

/** Into the box, in place of what is there. onEnd(file): null if it was discarded. */
export function showControls(box, onEnd) {
  const time = h("span", { class: "record-time", role: "timer" });
  const button = (key, act, kind) => h("button", { type: "button", class: kind, onclick: act }, t(key));
  const pause = button("record.pause", () => {
    togglePause();
    showPause();
  });
  const showPause = () => {
    pause.textContent = t(isPaused() ? "record.resume" : "record.pause");
    box.classList.toggle("paused", isPaused());
  };
  const discard = () => {
    discardRecording();
    announce(t("record.discarded"));
    onEnd(null);
  };
  const dot = h("span", { class: "record-dot", "aria-hidden": "true" });
  const stop = async () => onEnd(await stopRecording(newName()));
  box.replaceChildren(dot, time, button("record.stop", stop), pause, button("record.discard", discard, "plain"));
  showPause();
  const tick = () => {
    if (!current || !box.contains(time)) return;
    time.textContent = clock(recordedSeconds());
    setTimeout(tick, 250);
  };
  tick();
}

function newName() {
  const at = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
  return t("record.name", { time: at.slice(0, 16).replace("T", " ").replace(":", ".") });
}

function isPaused() {
  return current?.recorder.state === "paused";
}

/** Of sound, without the pauses. */
function recordedSeconds() {
  if (!current) return 0;
  return (current.before + (isPaused() ? 0 : performance.now() - current.began)) / 1000;
}

function togglePause() {
  if (isPaused()) {
    current.began = performance.now();
    current.recorder.resume();
  } else {
    current.before += performance.now() - current.began;
    current.recorder.pause();
  }
}

/** The recording as a File. name: without its suffix */
async function stopRecording(name) {
  const { recorder, parts, suffix, mime } = current;
  if (recorder.state !== "inactive") {
    const stopped = new Promise((done) => recorder.addEventListener("stop", done));
    recorder.stop();
    await stopped;
  }
  discardRecording();
  return new File(parts, `${name}.${suffix}`, { type: mime });
}

function discardRecording() {
  if (current.recorder.state !== "inactive") current.recorder.stop();
  for (const track of current.stream.getTracks()) track.stop();
  current = null;
}

addEventListener("beforeunload", (event) => current && event.preventDefault());
