// Who speaks: names for all of somebody's words, and another speaker for one segment.

import { openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { clock } from "../format.js";
import { request } from "../http.js";
import { t } from "../messages.js";

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

/** Names and merges speakers. onSaved(job): the job as it is now. */
export function openSpeakers(job, onSaved) {
  const list = h("datalist", { id: "tr-names" }, job.speakers.map(({ name }) => h("option", { value: name })));
  const fields = job.speakers.map((speaker) => row(speaker));
  const notice = h("p", { role: "status", class: "tr-dialog-notice" });
  const save = h("button", { type: "submit", class: "primary" }, t("tr.save"));
  const form = h("form", {}, list, h("p", {}, t("tr.speakers_hint")), fields.map(({ element }) => element), notice, save);
  const names = () => fields.map(({ input }) => input.value.trim());
  form.addEventListener("input", () => (notice.textContent = merged(names())));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    try {
      await rename(job, names(), onSaved);
      dialog.close();
    } catch (error) {
      notice.textContent = t("tr.not_saved", { reason: error.message });
    }
    save.disabled = false;
  });
  const dialog = openDialog(t("tr.speakers"), form);
}

function row({ name, seconds }) {
  const input = h("input", { type: "text", value: name, dir: "auto", list: "tr-names", maxlength: "100", required: true });
  const element = h("label", { class: "tr-speaker-row" }, h("span", { dir: "auto" }, name), input, h("span", {}, clock(seconds)));
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
  const response = await request(`/v1/jobs/${job.id}`, { method: "PATCH", json: { speakers } });
  await onSaved(await response.json());
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
  if (free) buttons.push(h("button", { type: "button", onclick: choose(free) }, t("tr.somebody_else")));
  const dialog = openDialog(t("tr.who_speaks"), h("div", { class: "tr-choices" }, buttons));
}
