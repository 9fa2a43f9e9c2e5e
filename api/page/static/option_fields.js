// The fields for what a recording is transcribed with.

import { h, select } from "./dom.js";
import { languageName } from "./format.js";
import { locale, t } from "./messages.js";

// Whisper's languages: these, and all others of two letters each.
const CODES = ["haw", "yue"];
const SHORT_CODES =
  "afamarasazbabebgbnbobrbscacscydadeeleneseteufafifofrglguhahehihrhthuhyidisitjajwkakkkmknkolalblnlolt" +
  "lvmgmimkmlmnmrmsmtmynenlnnnoocpaplpsptrorusasdsiskslsnsosqsrsusvswtatetgthtktltrttukuruzviyiyozh";

/** {element, read()}; info: GET /v1/info; read() gives the fields of POST /v1/jobs that are set. */
export function optionFields(values, info, prefix = "option") {
  const field = (name, control, hint) => {
    control.id = `${prefix}-${name}`;
    control.name = name;
    if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
    return h(
      "div.field",
      h("label", { for: control.id }, t(`options.${name}`)),
      control,
      hint && h("small", { id: `${control.id}-hint`, class: "muted" }, t(hint)),
    );
  };
  const detected = ["", t("options.detect")];
  const usual = ["", t("options.default", { name: info.default_model })];
  const model = select({}, [usual, ...info.models.map((name) => [name, name])], values.model);
  const language = select({}, [detected, ...spokenLanguages()], values.language);
  const task = select({}, ["transcribe", "translate"].map((each) => [each, t(`options.${each}`)]), values.task);
  const prompt = h("textarea", { rows: 2, dir: "auto", maxlength: 10000 }, values.prompt);
  const hotwords = h("input", { dir: "auto", value: values.hotwords, maxlength: 10000 });
  const diarize = h("input", { type: "checkbox", id: `${prefix}-diarize`, checked: Boolean(values.diarize) });
  const count = h("input", { type: "number", min: 1, max: 100, inputmode: "numeric", value: values.num_speakers });
  const isOn = info.speakers !== false; // whether this server can tell speakers apart
  const number = field("num_speakers", count, "options.countHint");
  const show = () => (number.hidden = !diarize.checked);
  diarize.addEventListener("change", show);
  show();
  const element = h(
    "div.fields.options-fields",
    field("model", model),
    field("language", language),
    field("task", task),
    isOn && h("div.field", h("span.check", diarize, h("label", { for: diarize.id }, t("options.diarize")))),
    isOn && number,
    field("hotwords", hotwords, "options.hotwordsHint"),
    field("prompt", prompt, "options.promptHint"),
  );
  const read = () => {
    const set = { model: model.value, language: language.value, prompt: prompt.value.trim(), hotwords: hotwords.value.trim() };
    if (task.value !== "transcribe") set.task = task.value;
    if (isOn && diarize.checked) Object.assign(set, { diarize: "true", num_speakers: count.value });
    return Object.fromEntries(Object.entries(set).filter(([, value]) => value));
  };
  return { element, read };
}

function spokenLanguages() {
  const named = [...CODES, ...SHORT_CODES.match(/../g)].map((code) => [code, languageName(code)]);
  return named.sort((one, other) => one[1].localeCompare(other[1], locale));
}
