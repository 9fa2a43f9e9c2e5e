// The fields for what a recording is transcribed with.

import { h } from "./dom.js";
import { languageName } from "./format.js";
import { locale, t } from "./messages.js";

const CODES =
  "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy " +
  "sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo " +
  "uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue";

/** {element, read()}; info: GET /v1/info; read() gives the fields of POST /v1/jobs that are set. */
export function optionFields(values, info, prefix = "option") {
  const field = (name, control, hint) => {
    control.id = `${prefix}-${name}`;
    control.name = name;
    if (hint) control.setAttribute("aria-describedby", `${control.id}-hint`);
    return h(
      "div",
      { class: "field" },
      h("label", { for: control.id }, t(`options.${name}`)),
      control,
      hint && h("small", { id: `${control.id}-hint`, class: "muted" }, t(hint)),
    );
  };
  const choice = (value, text, chosen) => h("option", { value, selected: value === (chosen ?? "") }, text);
  const model = h("select", {}, choice("", t("options.default", { name: info.default_model }), values.model), info.models.map((name) => choice(name, name, values.model)));
  const language = h("select", {}, choice("", t("options.detect"), values.language), languages().map(([code, name]) => choice(code, name, values.language)));
  const task = h("select", {}, ["transcribe", "translate"].map((each) => choice(each, t(`options.${each}`), values.task ?? "transcribe")));
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
    "div",
    { class: "fields options-fields" },
    field("model", model),
    field("language", language),
    field("task", task),
    isOn && h("div", { class: "field" }, h("span", { class: "check" }, diarize, h("label", { for: diarize.id }, t("options.diarize")))),
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

function languages() {
  const named = CODES.split(" ").map((code) => [code, languageName(code)]);
  return named.sort((one, other) => one[1].localeCompare(other[1], locale));
}
