// Who speaks: names for all of somebody's words, and another speaker for one segment.

import { openDialog, SENDS, sends } from "../dialog.js";
import { button, h } from "../dom.js";
import { clock } from "../format.js";
import { getJson } from "../http.js";
import { t } from "../messages.js";

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/** Names and merges speakers. onSaved(job): the job as it is now. */
export function openSpeakers(job, onSaved) {
  const list = h("datalist", { id: "tr-names" }, job.speakers.map(({ name }) => h("option", { value: name })));
  const fields = job.speakers.map((speaker) => row(speaker));
  const notice = h("p.muted.tr-notice", { role: "status" });
  const save = button("tr.save", null, SENDS);
  const form = h("form.tr-dialog", list, h("p", t("tr.speakers_hint")), fields.map(({ element }) => element), notice, save);
  const names = () => fields.map(({ input }) => input.value.trim());
  form.addEventListener("input", () => (notice.textContent = merged(names())));
  sends(form, notice, async () => {
    await rename(job, names(), onSaved);
    dialog.close();
  });
  const dialog = openDialog(t("tr.speakers"), form);
}

function row({ name, seconds }) {
  const input = h("input", { type: "text", value: name, dir: "auto", list: "tr-names", maxlength: "100", required: true });
  const element = h("label.tr-speaker-row", h("span", { dir: "auto" }, name), input, h("span", clock(seconds)));
  return { input, element };
}

function merged(names) {
  const twice = names.find((name, i) => name && names.indexOf(name) !== i);
  return twice ? t("tr.merges", { name: twice }) : "";
}

async function rename(job, names, onSaved) {
  const changed = job.speakers.map(({ id, name }, i) => [id, names[i], name]).filter(([, now, before]) => now && now !== before);
  if (!changed.length) return;
  const speakers = Object.fromEntries(changed.map(([id, now]) => [id, now]));
  await onSaved(await getJson(`/v1/jobs/${job.id}`, { method: "PATCH", json: { speakers } }));
}

/** Gives one segment to another speaker, known or new. known: [{ id, name }]. onChoose(id). */
export function chooseSpeaker(known, current, onChoose) {
  const choose = (id) => () => {
    dialog.close();
    onChoose(id);
  };
  const buttons = known.map(({ id, name }) =>
    h("button", { type: "button", dir: "auto", "aria-pressed": String(id === current), onclick: choose(id) }, name),
  );
  const free = LETTERS.find((letter) => known.every(({ id, name }) => id !== letter && name !== letter));
  if (free) buttons.push(button("tr.somebody_else", choose(free)));
  const dialog = openDialog(t("tr.who_speaks"), h("div.tr-buttons", buttons));
}
