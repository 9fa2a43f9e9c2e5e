// What a recording is transcribed with.

import { languageName } from "./format.js";
import { t } from "./messages.js";

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
