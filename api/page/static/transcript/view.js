// The view of one job: its text as it comes, the transcript once it is done, or why there is none.

import { announce } from "../announce.js";
import { button, h } from "../dom.js";
import { subscribe } from "../events.js";
import { getJson } from "../http.js";
import { reason, t } from "../messages.js";
import { Heading } from "./heading.js";
import { Reader } from "./reader.js";
import { Running } from "./running.js";
import { load } from "./saving.js";

/** Shows a job in the container. t0: seconds to begin at. Returns what `destroy()` ends, loaded or not. */
export function showTranscript(container, jobId, t0) {
  const view = new View(container, jobId, t0);
  view.open();
  return view;
}

class View {
  #part = null; // Reader or Running
  #isOver = false;
  #unsubscribe = null;

  constructor(container, jobId, t0) {
    Object.assign(this, { jobId, t0 });
    this.body = h("div");
    this.element = h("article.tr", this.body);
    container.replaceChildren(this.element);
  }

  async open() {
    this.#say("loading", t("loading"));
    this.element.ariaBusy = true;
    try {
      const job = await getJson(`/v1/jobs/${this.jobId}`);
      if (this.#isOver) return;
      this.#head(job);
      await this.#show(job);
      if (this.#isOver) return;
      this.#unsubscribe ??= subscribe((name, data) => this.#heard(name, data));
    } catch (error) {
      if (!this.#isOver) this.#failed(error);
    }
    this.element.ariaBusy = null;
  }

  destroy() {
    this.#isOver = true;
    document.title = "whisper-native";
    this.#unsubscribe?.();
    this.#part?.destroy();
    this.#part = null;
  }

  #head(job) {
    this.heading?.element.remove();
    this.heading = new Heading(job);
    this.element.prepend(this.heading.element);
  }

  async #show(job) {
    if (job.status === "finished") return this.#read(job);
    if (job.status === "failed") return this.#end("failed", t("tr.status_failed"), job.error && reason(job.error));
    if (job.status === "canceled") return this.#end("canceled", t("tr.status_canceled"));
    this.#put(new Running(job, (ended) => this.#ended(ended)));
  }

  async #read(job) {
    const transcript = await load(job.id);
    if (this.#isOver) return;
    this.#put(new Reader(job, transcript, { t0: this.t0, onJob: (changed) => this.heading.show(changed) }));
    this.element.dataset.ready = transcript.segments.length;
  }

  #put(part) {
    this.#part?.destroy();
    this.#part = part;
    this.body.replaceChildren(part.element);
  }

  async #ended(job) {
    if (job.status === "deleted") return this.#gone();
    announce(t(`state.${job.status}`));
    this.heading.show(job);
    try {
      await this.#show(job);
    } catch (error) {
      this.#failed(error);
    }
  }

  #heard(name, data) {
    if (data.id !== this.jobId) return;
    if (name === "deleted") return this.#gone();
    if (this.#part?.show && (name === "progress" || name === "job")) this.#part.show(data);
    if (name !== "job") return;
    this.heading.show(data);
    if (this.#part) this.#part.job = data;
  }

  #gone() {
    this.#part?.destroy();
    this.#part = null;
    announce(t("tr.gone"));
    this.#say("gone", t("tr.gone"), t("tr.gone_hint"), h("a.button", { href: "#/" }, t("tr.all_jobs")));
  }

  #end(kind, title, detail) {
    const notice = h("p", { role: "status" });
    const again = button("retry", async () => {
      again.disabled = true;
      try {
        const job = await getJson(`/v1/jobs/${this.jobId}/retry`, { method: "POST" });
        if (job.id === this.jobId) return this.open(); // the same job once more
        location.hash = `#/jobs/${job.id}`;
      } catch (error) {
        notice.textContent = error.message;
        again.disabled = false;
      }
    }, { class: "primary" });
    this.#say(kind, title, detail, again, notice);
  }

  #failed(error) {
    if (this.#isOver) return;
    if (error.status === 404) return this.#gone();
    this.#say("failed", t("failed.title"), error.message, button("retry", () => this.open(), { class: "primary" }));
    announce(t("failed.title"));
  }

  #say(kind, title, detail, ...more) {
    const text = detail && h("p", { dir: "auto" }, detail);
    this.body.replaceChildren(h(`section.state.tr-message.${kind}`, h("h2", title), text, ...more));
  }
}
