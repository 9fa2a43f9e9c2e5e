// A job that is not done yet: where it stands, and its text as it comes.

import { announce } from "../announce.js";
import { h } from "../dom.js";
import { about, clock, percent } from "../format.js";
import { request } from "../http.js";
import { reason, t } from "../messages.js";

const AGAIN = 3000; // ms until a stream that was refused, as by a proxy without a server, is asked for again
const ENDED = new Set(["finished", "failed", "canceled", "deleted"]);

export class Running {
  #source = null;
  #isAtEnd = true; // whether the reader is at the end of the text and wants to stay there
  #stops = new AbortController();

  /** onEnd(job): once, when it has ended. */
  constructor(job, onEnd) {
    Object.assign(this, { job, onEnd });
    this.state = h("p", { class: "tr-state" });
    this.bar = h("progress", { max: "1", "aria-label": t("tr.progress") });
    this.text = h("div", { class: "tr-text tr-live", lang: job.language ?? null });
    this.cancel = h("button", { type: "button", onclick: () => this.#cancel() }, t("cancel"));
    this.element = h("section", { class: "tr-running" }, h("div", { class: "tr-running-state" }, this.state, this.bar, this.cancel), this.text);
    this.show(job);
    addEventListener("scroll", () => this.#scrolled(), { passive: true, signal: this.#stops.signal });
    document.addEventListener("visibilitychange", () => this.#connect(), { signal: this.#stops.signal });
    this.#connect();
  }

  destroy() {
    this.#stops.abort();
    this.#source?.close();
  }

  /** The job as it is now. */
  show(job) {
    if (job.status !== this.job.status) announce(t(`tr.status_${job.status}`));
    Object.assign(this.job, job);
    const { status, position, waiting_for: trouble } = this.job;
    if (trouble) this.state.textContent = t("tr.status_waiting", { message: reason(trouble) });
    else if (status === "queued") this.state.textContent = position ? t("tr.status_position", { n: position }) : t("tr.status_queued");
    else this.state.textContent = this.#progress();
    this.bar.hidden = status === "queued";
    this.bar.value = this.job.progress ?? 0;
  }

  #progress() {
    const { processed_seconds: done, total_seconds: total, eta_seconds: left, progress } = this.job;
    if (!total) return t("job.opening");
    const values = { done: clock(done), total: clock(total), percent: percent(progress ?? 0) };
    return t("tr.status_running", values) + (left ? ` · ${t("job.left", { time: about(left) })}` : "");
  }

  /** A hidden tab keeps no connection: browsers have six for a host. */
  #connect() {
    if (document.hidden) {
      this.#source?.close();
      this.#source = null;
    } else if (!this.#source) this.#open();
  }

  #open() {
    const source = new EventSource(this.job.urls?.events ?? `/v1/jobs/${this.job.id}/events`);
    this.#source = source;
    this.text.replaceChildren(); // it tells all from the first
    source.addEventListener("error", () => source.readyState === EventSource.CLOSED && this.#again(source));
    const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    on("state", ({ state }) => ENDED.has(state) || this.show({ status: state }));
    on("progress", ({ processed, total }) =>
      this.show({ processed_seconds: processed, total_seconds: total, progress: total ? processed / total : 0 }),
    );
    on("segment", (segment) => this.#add(segment));
    on("done", (job) => {
      source.close();
      this.onEnd(job);
    });
  }

  #again(refused) {
    setTimeout(() => {
      if (this.#source !== refused || this.#stops.signal.aborted) return;
      this.#source = null;
      this.#connect();
    }, AGAIN);
  }

  #add(segment) {
    if (Number(this.text.lastElementChild?.dataset.id ?? -1) >= segment.id) return; // told again after a lost line
    const speaker = segment.speaker ? h("b", { class: "tr-speaker", dir: "auto" }, segment.speaker) : null;
    const time = h("span", { class: "tr-time" }, clock(segment.start));
    this.text.append(h("div", { class: "tr-seg", dataset: { id: segment.id } }, time, speaker, h("p", { class: "tr-said", dir: "auto" }, segment.text.trim())));
    if (this.#isAtEnd) this.text.lastElementChild.scrollIntoView({ block: "nearest" });
  }

  #scrolled() {
    this.#isAtEnd = this.text.getBoundingClientRect().bottom < innerHeight + 80;
  }

  async #cancel() {
    this.cancel.disabled = true;
    try {
      await request(`/v1/jobs/${this.job.id}/cancel`, { method: "POST" });
    } catch (error) {
      this.state.textContent = error.message;
      this.cancel.disabled = false;
    }
  }
}
