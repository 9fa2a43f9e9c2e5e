// A job once more: as it was, or with other options on the same recording.

import { openDialog, SENDS, sends } from "./dialog.js";
import { button, h } from "./dom.js";
import { jobName } from "./format.js";
import { getJson } from "./http.js";
import { putJob } from "./jobs.js";
import { t } from "./messages.js";
import { optionFields } from "./option_fields.js";

export function askForRetry(job, info) {
  const before = {
    model: info.models.includes(job.model) ? job.model : "",
    language: job.language ?? "",
    task: job.task,
    diarize: Boolean(job.speakers),
  };
  const options = optionFields(before, info, "retry");
  const problem = h("p.danger", { role: "alert" });
  const form = h(
    "form.fields",
    h("p.muted", h("bdi", jobName(job)), ". ", t(job.status === "finished" ? "retry.finished" : "retry.ended")),
    options.element,
    problem,
    h("div.buttons", button("retry.do", null, SENDS)),
  );
  const dialog = openDialog(t("job.retry"), form);
  sends(form, problem, async () => {
    putJob(await runAgain(job, changed(job, before, options.read())));
    dialog.close();
  });
}

export async function runAgain(job, fields) {
  const query = String(new URLSearchParams(fields));
  return getJson(`/v1/jobs/${job.id}/retry${query && `?${query}`}`, { method: "POST" });
}

/** The fields that are other than before; for a finished job at least one, which makes it a new one. */
function changed(job, before, now) {
  const fields = { ...now };
  if ((now.model ?? "") === before.model) delete fields.model;
  if ((now.language ?? "") === before.language) delete fields.language;
  else if (!now.language) fields.language = "auto";
  if (!now.task && before.task !== "transcribe") fields.task = "transcribe";
  if (now.task === before.task) delete fields.task;
  if (!now.diarize && before.diarize) fields.diarize = "false";
  if (now.diarize && before.diarize && !now.num_speakers) delete fields.diarize;
  if (job.status === "finished" && !Object.keys(fields).length) fields.task = before.task;
  return fields;
}
