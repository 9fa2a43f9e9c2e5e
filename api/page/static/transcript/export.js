// Takes the transcript along: every format with its options, to a file or the clipboard.

import { copy } from "../copy.js";
import { openDialog } from "../dialog.js";
import { button, h } from "../dom.js";
import { request } from "../http.js";
import { t } from "../messages.js";

const LINES = ["max_line_width", "max_line_count", "max_words_per_line", "highlight_words"];
const FORMATS = {
  docx: [],
  text: ["timestamps", "paragraphs"],
  md: [],
  srt: LINES,
  vtt: LINES,
  csv: [],
  tsv: [],
  json: ["segments"],
  verbose_json: [],
  diarized_json: [],
};
const NUMBERS = { max_line_width: [10, 200, "42"], max_line_count: [1, 10, "2"], max_words_per_line: [1, 50, "–"] }; // from, to, if none is given

/** job: as the API shows it. */
export function openExport(job) {
  const names = Object.keys(FORMATS).filter((name) => name !== "diarized_json" || job.speakers);
  const choices = names.map((name, i) => choice(name, i === 0));
  const options = h("div.tr-options");
  const original = h("input", { type: "checkbox" });
  const download = h("a.button.primary", { download: "" }, t("tr.download"));
  const copied = button("copy", async () => (notice.textContent = await copyFrom(address())));
  const notice = h("p.muted.tr-notice", { role: "status" });
  const format = () => choices.find(({ input }) => input.checked).input.value;
  const address = () => `/v1/jobs/${job.id}/transcript?${query(format(), options, original.checked)}`;
  const follow = () => {
    download.href = address();
    notice.textContent = "";
  };
  const choose = () => {
    options.replaceChildren(...FORMATS[format()].map(option));
    copied.hidden = format() === "docx";
    follow();
  };
  const formats = h("fieldset.tr-formats", { onchange: choose }, h("legend", t("tr.format")), choices.map(({ element }) => element));
  const machine = h("label", { hidden: !job.edited }, original, t("tr.export_original"));
  const recording = h("a", { href: job.urls.audio, download: "" }, t("tr.recording"));
  const form = h("form.tr-dialog", formats, options, machine, h("div.tr-actions", download, copied, recording), notice);
  form.addEventListener("input", follow);
  form.addEventListener("submit", (event) => event.preventDefault());
  choose();
  openDialog(t("tr.export"), form);
}

function choice(name, checked) {
  const input = h("input", { type: "radio", name: "tr-format", value: name, checked });
  return { input, element: h("label", input, h("span", t(`tr.format_${name}`))) };
}

function option(name) {
  const bounds = NUMBERS[name];
  if (!bounds) return h("label", h("input", { type: "checkbox", name, value: "true" }), t(`tr.option_${name}`));
  const [min, max, placeholder] = bounds;
  return h("label", t(`tr.option_${name}`), h("input", { type: "number", name, min, max, placeholder }));
}

function query(format, options, isOriginal) {
  const asked = new URLSearchParams({ format });
  for (const input of options.querySelectorAll("input")) {
    const isSet = input.type === "checkbox" ? input.checked : input.value && input.checkValidity();
    // A job may have been sent with a layout of its own: what is not ticked here is not wanted.
    if (isSet) asked.set(input.name, input.value);
    else if (input.type === "checkbox") asked.set(input.name, "false");
  }
  if (isOriginal) asked.set("original", "true");
  return asked;
}

async function copyFrom(address) {
  try {
    const text = await (await request(address)).text();
    return (await copy(text)) ? t("copied") : t("tr.not_copied");
  } catch (error) {
    return error.message;
  }
}
