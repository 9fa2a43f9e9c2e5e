// The microphone: what is recorded becomes a file as any other.

import { announce } from "./announce.js";
import { button, h } from "./dom.js";
import { clock } from "./format.js";
import { t } from "./messages.js";

const PART = 1000; // milliseconds: what is kept if the recorder fails

let current = null;

/** Asks for the microphone and begins; throws what the browser says if it is refused. */
export async function startRecording() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream); // in the format that the browser likes best
  current = { recorder, stream, parts: [], began: performance.now(), before: 0 };
  recorder.addEventListener("dataavailable", (event) => event.data.size && current?.parts.push(event.data));
  recorder.start(PART);
}

export function isRecording() {
  return current !== null;
}

/** Into the box, in place of what is there. onEnd(file): null if it was discarded. */
export function showControls(box, onEnd) {
  const time = h("span.record-time", { role: "timer" });
  const pause = button("pause", () => {
    togglePause();
    showPause();
  });
  const showPause = () => {
    pause.textContent = t(isPaused() ? "record.resume" : "pause");
    box.classList.toggle("paused", isPaused());
  };
  const discard = () => {
    discardRecording();
    announce(t("record.discarded"));
    onEnd(null);
  };
  const dot = h("span.record-dot", { "aria-hidden": "true" });
  const stop = async () => onEnd(await stopRecording(newName()));
  box.replaceChildren(dot, time, button("record.stop", stop), pause, button("record.discard", discard, { class: "plain" }));
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
  const { recorder, parts } = current;
  if (recorder.state !== "inactive") {
    const stopped = new Promise((done) => recorder.addEventListener("stop", done));
    recorder.stop();
    await stopped;
  }
  discardRecording();
  const type = recorder.mimeType; // such as audio/webm;codecs=opus
  return new File(parts, `${name}.${/mp4|ogg/.exec(type) ?? "webm"}`, { type });
}

function discardRecording() {
  if (current.recorder.state !== "inactive") current.recorder.stop();
  for (const track of current.stream.getTracks()) track.stop();
  current = null;
}

addEventListener("beforeunload", (event) => current && event.preventDefault());
