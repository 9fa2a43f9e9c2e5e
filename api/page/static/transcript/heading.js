// What the transcript is called and what is known of it.

import { button, h } from "../dom.js";
import { sends } from "../dialog.js";
import { clock, fullMoment, languageName } from "../format.js";
import { getJson } from "../http.js";
import { reason, t } from "../messages.js";

export class Heading {
  /** job: as the API shows it. */
  constructor(job) {
    this.title = h("h1", { dir: "auto" });
    this.rename = button("tr.rename", () => this.#edit());
    this.row = h("div.tr-title", this.title, this.rename);
    this.facts = h("p.tr-facts");
    this.warnings = h("div");
    this.element = h("header.tr-head", this.row, this.facts, this.warnings);
    this.show(job);
  }

  show(job) {
    this.job = job;
    this.title.textContent = job.title || job.file.name;
    document.title = `${this.title.textContent} · whisper-native`;
    this.facts.replaceChildren(...this.#facts(job));
    const lines = job.warnings.map((warning) => h("p.warn", reason(warning)));
    this.warnings.replaceChildren(...lines);
  }

  #facts(job) {
    const language = job.detected_language ?? job.language;
    const facts = [
      fullMoment(job.created_at, "medium"),
      job.total_seconds && clock(job.total_seconds),
      language && languageName(language),
      job.model,
      job.title && job.file.name,
      job.expires_at && t("tr.kept_until", { date: fullMoment(job.expires_at, "medium") }),
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
    const save = button("tr.save", null, { type: "submit" });
    const cancel = button("cancel", back); // phones have no Escape
    const form = h("form.tr-title", input, save, cancel, notice);
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      back();
    });
    sends(form, notice, async () => {
      await this.#save(input.value.trim());
      back();
    });
    this.row.replaceWith(form);
    input.select();
  }

  async #save(title) {
    const isName = !title || title === this.job.file.name;
    this.show(await getJson(`/v1/jobs/${this.job.id}`, { method: "PATCH", json: { title: isName ? null : title } }));
  }
}
