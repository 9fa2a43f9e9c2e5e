// What a recording is transcribed with. The last choice is kept in this browser.

import { languageName } from "./format.js";
import { t } from "./messages.js";

const KEPT = "whisper-native.options";

export function keptOptions() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

export function keepOptions(values) {
  try {
    localStorage.setItem(KEPT, JSON.stringify(values));
  } catch {} // they hold until the page is closed
}

/** In few words: "German, speakers". */
export function summary(values) {
  const parts = [
    values.model,
    values.language && languageName(values.language),
    values.task === "translate" && t("options.translate"),
    values.diarize && t("options.speakers"),
    values.prompt && t("options.prompt"),
    values.hotwords && t("options.hotwords"),
  ];
  return parts.filter(Boolean).join(", ") || t("options.none");
}
