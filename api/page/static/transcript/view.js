// The view of one job: its text as it comes, the transcript once it is done, or why there is none.

import { announce } from "../announce.js";
import { h } from "../dom.js";
import { subscribe } from "../events.js";
import { getJson, request } from "../http.js";
import { reason, t } from "../messages.js";
import { Heading } from "./heading.js";
import { load } from "./saving.js";

/** Shows a job in the container. t0: seconds to begin at. Returns what `destroy()` ends, loaded or not. */
export function show(container, jobId, { t0 = 0 } = {}) {
  const view = new View(container, jobId, t0);
  void view.open();
  return view;
}

class View {
  #part = null; // Reader or Running
  #isOver = false;
  #unsubscribe = null;

  constructor(container, jobId, t0) {
    Object.assign(this, { jobId, t0 });
    this.body = h("div", {});
    this.element = h("article", { class: "tr" }, this.body);
    container.replaceChildren(this.element);
  }

  async open() {
    this.#say("loading", t("loading"));
    this.element.setAttribute("aria-busy", "true");
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
    this.element.removeAttribute("aria-busy");
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
    this.heading = new Heading(job, () => {});
    this.element.prepend(this.heading.element);
  }

  async #show(job) {
    if (job.status === "finished") return this.#read(job);
    if (job.status === "failed") return this.#end("failed", t("tr.status_failed"), job.error && reason(job.error));
    if (job.status === "canceled") return this.#end("canceled", t("tr.status_canceled"));
    const { Running } = await import("./running.js");
    if (!this.#isOver) this.#put(new Running(job, (ended) => this.#ended(ended)));
  }

  async #read(job) {
    const [{ Reader }, transcript] = await Promise.all([import("./reader.js"), load(job.id)]);
    if (this.#isOver) return;
    this.#put(new Reader(job, transcript, { t0: this.t0, onJob: (changed) => this.heading.show(changed) }));
    this.element.dataset.ready = String(transcript.segments.length);
  }

  #put(part) {
    this.#part?.destroy();
    this.#part = part;
    this.body.replaceChildren(part.element);
  }

  async #ended(job) {
    announce(t(`tr.status_${job.status}`));
    if (job.status === "deleted") return this.#gone();
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
    this.#part?.know?.(data);
  }

  #gone() {
    this.#part?.destroy();
    this.#part = null;
    this.#say("gone", t("tr.gone"), t("tr.gone_hint"), h("a", { class: "button", href: "#/" }, t("tr.all_jobs")));
  }

  #end(kind, title, detail) {
    const again = h("button", { type: "button", class: "primary" }, t("tr.try_again"));
    const notice = h("p", { role: "status" });
    again.addEventListener("click", async () => {
      again.disabled = true;
      try {
        const job = await (await request(`/v1/jobs/${this.jobId}/retry`, { method: "POST" })).json();
        if (job.id === this.jobId) return this.open(); // the same job once more
        location.hash = `#/jobs/${job.id}`;
      } catch (error) {
        notice.textContent = error.message;
        again.disabled = false;
      }
    });
    this.#say(kind, title, detail, again, notice);
  }

  #failed(error) {
    if (this.#isOver) return;
    if (error.status === 404) return this.#gone();
    const again = h("button", { type: "button", class: "primary", onclick: () => this.open() }, t("tr.load_again"));
    const title = error.status === 0 ? t("tr.no_connection") : t("tr.load_failed");
    this.#say("failed", title, error.status === 0 ? t("tr.offline_hint") : error.message, again);
    announce(title);
  }

  #say(kind, title, detail, ...more) {
    const text = detail ? h("p", { dir: "auto" }, detail) : null;
    this.body.replaceChildren(h("section", { class: `tr-message ${kind}` }, h("p", { class: "tr-message-title" }, title), text, ...more));
  }
}
