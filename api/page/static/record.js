// The microphone: what is recorded becomes a file as any other.

const TYPES = [["audio/webm;codecs=opus", "webm"], ["audio/mp4", "m4a"], ["audio/ogg;codecs=opus", "ogg"]];
const PART = 1000; // milliseconds: what is kept if the recorder fails

let current = null;

/** Why the browser cannot record, as a key of a message; null if it can. */
export function whyNotRecord() {
  if (!window.isSecureContext) return "record.insecure";
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) return "record.missing";
  return type() ? null : "record.missing";
}

/** Asks for the microphone and begins; throws what the browser says if it is refused. */
export async function startRecording() {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const [mime, suffix] = type();
  const recorder = new MediaRecorder(stream, { mimeType: mime });
  current = { recorder, stream, suffix, mime, parts: [], began: performance.now(), before: 0 };
  recorder.addEventListener("dataavailable", (event) => event.data.size && current?.parts.push(event.data));
  recorder.start(PART);
}

export function isRecording() {
  return current !== null;
}

export function isPaused() {
  return current?.recorder.state === "paused";
}

/** Of sound, without the pauses. */
export function recordedSeconds() {
  if (!current) return 0;
  return (current.before + (isPaused() ? 0 : performance.now() - current.began)) / 1000;
}

export function togglePause() {
  if (isPaused()) {
    current.began = performance.now();
    current.recorder.resume();
  } else {
    current.before += performance.now() - current.began;
    current.recorder.pause();
  }
}

/** The recording as a File. name: without its suffix */
export async function stopRecording(name) {
  const { recorder, parts, suffix, mime } = current;
  if (recorder.state !== "inactive") {
    const stopped = new Promise((done) => recorder.addEventListener("stop", done));
    recorder.stop();
    await stopped;
  }
  discardRecording();
  return new File(parts, `${name}.${suffix}`, { type: mime });
}

export function discardRecording() {
  if (current.recorder.state !== "inactive") current.recorder.stop();
  for (const track of current.stream.getTracks()) track.stop();
  current = null;
}

function type() {
  return TYPES.find(([mime]) => MediaRecorder.isTypeSupported(mime));
}

addEventListener("beforeunload", (event) => current && event.preventDefault());
