// The recording: play, pause, jump, speed; and what time it is at every frame.

import { announce } from "../announce.js";
import { button, h, select } from "../dom.js";
import { clock } from "../format.js";
import { request } from "../http.js";
import { t } from "../messages.js";
import { Waveform } from "./waveform.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];
const STEP = 5; // seconds
const PATIENCE = 400; // milliseconds until it is said that there is no sound yet

export class Player {
  #frame = 0;
  #shown = -1; // seconds
  #isGone = false;
  #waiting = 0; // a timer

  /** job: as the API shows it. onTime(seconds, isPlaying): at every frame while it plays, and after every jump. */
  constructor(job, onTime) {
    this.onTime = onTime;
    this.length = job.total_seconds ?? 0;
    this.audio = h("audio", { preload: "metadata", src: `/v1/jobs/${job.id}/audio?playable=true` });
    this.waveform = new Waveform(job, (time) => this.seek(time));
    this.element = this.#build();
    this.#listen();
    this.#showTime(0);
  }

  destroy() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#waiting);
    this.audio.pause();
    this.audio.removeAttribute("src"); // ends the download
    this.audio.load();
    this.waveform.destroy();
  }

  get time() {
    return this.audio.currentTime;
  }

  get isPlaying() {
    return !this.audio.paused && !this.audio.ended;
  }

  seek(time) {
    if (this.#isGone) return this.onTime(time, false);
    this.audio.currentTime = Math.max(0, Math.min(time, this.length || time));
    this.#tick();
  }

  /** From a moment, or from where it stands. */
  async play(time) {
    if (time !== undefined) this.seek(time);
    if (this.#isGone) return;
    if (!this.audio.readyState) this.#wait(); // a copy that plays well may have to be made first
    try {
      await this.audio.play();
    } catch (error) {
      if (error.name === "NotAllowedError") announce(t("tr.press_play")); // a link to a moment, before any click
    }
  }

  toggle() {
    if (this.isPlaying) this.audio.pause();
    else this.play();
  }

  /** Back if negative. */
  skip(steps) {
    this.seek(this.time + steps * STEP);
  }

  /** To the next speed, or the one before. step: 1 or -1. */
  changeSpeed(step) {
    const at = SPEEDS.findIndex((speed) => speed >= this.audio.playbackRate);
    this.#setSpeed(SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, at + step))]);
    announce(t("tr.speed_is", { speed: this.audio.playbackRate }));
  }

  #setSpeed(speed) {
    this.audio.playbackRate = this.audio.defaultPlaybackRate = speed;
    this.speed.value = speed;
  }

  #build() {
    const pairs = SPEEDS.map((speed) => [speed, `${speed}×`]);
    this.speed = select({ "aria-label": t("tr.speed"), onchange: () => this.#setSpeed(Number(this.speed.value)) }, pairs, 1);
    this.playButton = button("tr.play", () => this.toggle(), { class: "tr-play" });
    this.clock = h("span.tr-clock");
    this.notice = h("p.muted.tr-player-notice", { role: "status", hidden: true });
    this.back = button("tr.back", () => this.skip(-1), { "aria-label": t("tr.back_label", { n: STEP }) });
    this.forward = button("tr.forward", () => this.skip(1), { "aria-label": t("tr.forward_label", { n: STEP }) });
    const controls = h("div.tr-controls", this.back, this.playButton, this.forward, this.clock, this.speed);
    return h("section.tr-player", { "aria-label": t("tr.player") }, this.audio, this.notice, controls, this.waveform.element);
  }

  #listen() {
    const on = (name, act) => this.audio.addEventListener(name, act);
    for (const name of ["play", "pause", "ended"]) on(name, () => this.#changed());
    for (const name of ["seeked", "loadedmetadata"]) on(name, () => this.#tick());
    on("waiting", () => this.#wait());
    for (const name of ["canplay", "playing"]) on(name, () => this.#say(""));
    on("error", () => this.#failed());
  }

  #changed() {
    this.playButton.textContent = t(this.isPlaying ? "pause" : "tr.play");
    this.#run();
  }

  #run() {
    cancelAnimationFrame(this.#frame);
    this.#tick();
    if (this.isPlaying) this.#frame = requestAnimationFrame(() => this.#run());
  }

  #tick() {
    this.#showTime(this.time);
    this.waveform.show(this.time);
    this.onTime(this.time, this.isPlaying);
  }

  #showTime(time) {
    const second = Math.floor(time);
    if (second === this.#shown) return;
    this.#shown = second;
    this.clock.textContent = `${clock(second)} / ${clock(this.length)}`;
  }

  #wait() {
    clearTimeout(this.#waiting);
    this.#waiting = setTimeout(() => this.#say(t("tr.audio_loading")), PATIENCE);
  }

  #say(text) {
    clearTimeout(this.#waiting);
    this.notice.textContent = text;
    this.notice.hidden = !text;
  }

  /** A media element does not tell why: the same address does. */
  async #failed() {
    if (!this.audio.getAttribute("src")) return;
    try {
      await request(this.audio.getAttribute("src"), { headers: { range: "bytes=0-0" } });
      this.#say(t("tr.audio_unplayable"));
    } catch (error) {
      if (error.status === 404 || error.status === 410) return this.#gone();
      this.#say(t("tr.audio_failed", { message: error.message }));
    }
  }

  #gone() {
    this.#isGone = true;
    this.element.classList.add("gone");
    for (const control of [this.playButton, this.back, this.forward, this.speed]) control.disabled = true;
    this.waveform.disable();
    this.#say(t("tr.audio_gone"));
  }
}
