// A job that is not done yet: where it stands, and its text as it comes.

import { announce } from "../announce.js";
import { button, h } from "../dom.js";
import { about, clock, percent } from "../format.js";
import { waiting } from "../job_row.js";
import { cancelJob } from "../jobs.js";
import { t } from "../messages.js";

const REOPENING = 3000; // ms until a stream that was refused, as by a proxy without a server, is asked for again

export class Running {
  #source = null;
  #isAtEnd = true; // whether the reader is at the end of the text and wants to stay there
  #stops = new AbortController();

  /** onEnd(job): once, when it has ended. */
  constructor(job, onEnd) {
    Object.assign(this, { job, onEnd });
    this.state = h("p");
    this.bar = h("progress", { max: "1", "aria-label": t("tr.progress") });
    this.text = h("div.tr-text.tr-live", { lang: job.language });
    this.cancel = button("cancel", () => this.#cancel());
    this.element = h("section", h("div.tr-running-state", this.state, this.bar, this.cancel), this.text);
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
    const before = this.job.status;
    Object.assign(this.job, job);
    if (this.job.status !== before) announce(t(`state.${this.job.status}`));
    const isQueued = this.job.status === "queued";
    this.state.textContent = isQueued ? waiting(this.job) : this.#progress();
    this.bar.hidden = isQueued;
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
    const source = new EventSource(`/v1/jobs/${this.job.id}/events`);
    this.#source = source;
    this.text.replaceChildren(); // it tells all from the first
    source.addEventListener("error", () => source.readyState === EventSource.CLOSED && this.#again(source));
    const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
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
    }, REOPENING);
  }

  #add(segment) {
    if (Number(this.text.lastElementChild?.dataset.id ?? -1) >= segment.id) return; // told again after a lost line
    const speaker = segment.speaker && h("b.tr-speaker", { dir: "auto" }, segment.speaker);
    const time = h("span.tr-time", clock(segment.start));
    this.text.append(h("div.tr-seg", { "data-id": segment.id }, time, speaker, h("p.tr-said", { dir: "auto" }, segment.text.trim())));
    if (this.#isAtEnd) this.text.lastElementChild.scrollIntoView({ block: "nearest" });
  }

  #scrolled() {
    this.#isAtEnd = this.text.getBoundingClientRect().bottom < innerHeight + 80;
  }

  async #cancel() {
    this.cancel.disabled = true;
    try {
      await cancelJob(this.job);
    } catch (error) {
      this.state.textContent = error.message;
      this.cancel.disabled = false;
    }
  }
}
