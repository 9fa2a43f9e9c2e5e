// What the transcript is called and what is known of it.

import { h } from "../dom.js";
import { clock, fullMoment, languageName } from "../format.js";
import { request } from "../http.js";
import { reason, t } from "../messages.js";

export class Heading {
  /** job: as the API shows it. onNamed(job): after a rename. */
  constructor(job, onNamed) {
    Object.assign(this, { job, onNamed });
    this.title = h("h1", { dir: "auto" });
    this.rename = h("button", { type: "button", class: "tr-rename", onclick: () => this.#edit() }, t("tr.rename"));
    this.row = h("div", { class: "tr-title" }, this.title, this.rename);
    this.facts = h("p", { class: "tr-facts" });
    this.warnings = h("div", {});
    this.element = h("header", { class: "tr-head" }, this.row, this.facts, this.warnings);
    this.show(job);
  }

  show(job) {
    this.job = job;
    this.title.textContent = job.title || job.file.name;
    document.title = `${this.title.textContent} · whisper-native`;
    this.facts.replaceChildren(...this.#facts(job));
    const lines = (job.warnings ?? []).map((warning) => h("p", { class: "tr-warning" }, reason(warning)));
    this.warnings.replaceChildren(...lines);
  }

  #facts(job) {
    const language = job.detected_language ?? job.language;
    const facts = [
      fullMoment(job.created_at, "medium"),
      job.total_seconds ? clock(job.total_seconds) : null,
      language ? languageName(language) : null,
      job.model,
      job.title ? job.file.name : null,
      job.expires_at ? t("tr.kept_until", { date: fullMoment(job.expires_at, "medium") }) : null,
    ];
    return facts.filter(Boolean).map((fact) => h("span", { dir: "auto" }, fact));
  }

  #edit() {
    const input = h("input", { type: "text", value: this.title.textContent, maxlength: "200", dir: "auto", "aria-label": t("tr.title") });
    const notice = h("span", { role: "status" });
    const back = () => {
      form.replaceWith(this.row);
      this.rename.focus();
    };
    const cancel = h("button", { type: "button", onclick: back }, t("cancel")); // phones have no Escape
    const form = h("form", { class: "tr-title" }, input, h("button", { type: "submit" }, t("tr.save")), cancel, notice);
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      back();
    });
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      try {
        await this.#save(input.value.trim());
        back();
      } catch (error) {
        notice.textContent = t("tr.not_saved", { reason: error.message });
      }
    });
    this.row.replaceWith(form);
    input.select();
  }

  async #save(title) {
    const isName = !title || title === this.job.file.name;
    const response = await request(`/v1/jobs/${this.job.id}`, { method: "PATCH", json: { title: isName ? null : title } });
    const job = await response.json();
    this.show(job);
    this.onNamed(job);
  }
}
