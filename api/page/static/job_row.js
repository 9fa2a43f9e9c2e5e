// One line of the list: a job, or an upload that will be one. Elements stay, so that the focus does.

import { CROSS, h, icon } from "./dom.js";
import { about, clock, fullMoment, jobName, languageName, moment, percent, size } from "./format.js";
import { reason, t } from "./messages.js";

const AGAIN = "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v2.8h-2.8";
const BIN = "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5";

const SOON = 86400; // seconds before it is deleted, from which on the list says so

/** {element, draw(job), text(words)}; actions: {cancel, retry, remove}, each called with the job. */
export function jobRow(job, actions) {
  const row = frame(h("a.name", { dir: "auto", href: `#/jobs/${job.id}` }));
  row.element.dataset.id = job.id;
  let words = "";
  const draw = (now) => {
    job = now;
    const name = jobName(job);
    const isOpen = job.status === "queued" || job.status === "started";
    row.name.textContent = name;
    row.element.dataset.status = job.status;
    row.facts.textContent = facts(job);
    row.time.textContent = moment(job.created_at);
    row.time.title = fullMoment(job.created_at);
    row.time.dateTime = new Date(job.created_at * 1000).toISOString();
    row.bar(job.status === "started" ? job.progress : null, name);
    row.below.replaceChildren(...below(job, isOpen ? words : ""));
    row.buttons(isOpen ? "open" : "ended", () =>
      isOpen
        ? [action("cancel", name, CROSS, () => actions.cancel(job))]
        : [action("job.retry", name, AGAIN, () => actions.retry(job)), action("job.delete", name, BIN, () => actions.remove(job))],
    );
  };
  const text = (latest) => {
    words = latest;
    draw(job);
  };
  draw(job);
  return { element: row.element, draw, text };
}

/** actions: {cancel, retry}, each called with the upload. */
export function uploadRow(upload, actions) {
  const row = frame(h("span.name", { dir: "auto" }, upload.name));
  row.facts.textContent = size(upload.total);
  const draw = () => {
    const share = upload.total ? upload.sent / upload.total : 0;
    row.element.dataset.status = upload.state;
    row.bar(upload.state === "sending" ? share : null, upload.name);
    row.below.replaceChildren(uploadState(upload, share));
    row.buttons(upload.state, () => [
      (upload.state === "lost" || upload.state === "failed") && action("upload.retry", upload.name, AGAIN, () => actions.retry(upload)),
      action(upload.state === "failed" ? "upload.dismiss" : "upload.cancel", upload.name, CROSS, () => actions.cancel(upload)),
    ]);
  };
  draw();
  return { element: row.element, draw };
}

function frame(name) {
  const [facts, time, below] = [h("span.facts"), h("time"), h("div.below")];
  const buttons = h("div.actions");
  const track = h("div.bar", { role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, hidden: true });
  const element = h("li.row", name, facts, time, buttons, below, track);
  let drawn = null; // which buttons there are
  return {
    element, name, facts, time, below,
    bar(share, label) {
      track.hidden = share === null;
      if (share === null) return;
      track.ariaLabel = t("job.progress", { name: label });
      track.ariaValueNow = Math.floor(share * 100);
      track.style.setProperty("--share", share);
    },
    buttons(kind, make) {
      if (kind === drawn) return;
      const hadFocus = buttons.contains(document.activeElement);
      buttons.replaceChildren(...make().filter(Boolean));
      if (hadFocus) buttons.querySelector("button").focus();
      drawn = kind;
    },
  };
}

function action(key, name, path, act) {
  return h("button", { type: "button", class: "plain square", title: t(key), "aria-label": `${t(key)}: ${name}`, onclick: act }, icon(path));
}

function facts(job) {
  const left = job.expires_at ? job.expires_at - Date.now() / 1000 : 0; // seconds
  const language = job.detected_language ?? job.language;
  const parts = [
    job.title && job.file.name !== job.title && job.file.name,
    job.edited && t("job.edited"),
    job.speakers?.length > 1 && t("job.speakers", { n: job.speakers.length }),
    language && languageName(language),
    job.total_seconds != null && clock(job.total_seconds),
    left > 0 && left < SOON && t("job.expires", { time: about(left) }),
  ];
  return parts.filter(Boolean).join(" · ");
}

function line(kind, ...content) {
  return h("p", { class: kind }, ...content);
}

function below(job, words) {
  if (job.status === "queued") return [line("muted", waiting(job))];
  if (job.status === "started") return [line("muted", running(job)), words && line("live", h("bdi", words))].filter(Boolean);
  if (job.status === "failed") return [line("danger", t("job.failed", { why: job.error ? reason(job.error) : "" }))];
  if (job.status === "canceled") return [line("muted", t("job.canceled"))];
  return [h("span.aside", t("filter.finished")), ...job.warnings.map((warning) => line("warn", reason(warning)))];
}

/** Where a job stands that has not begun. */
export function waiting(job) {
  if (job.waiting_for) return t("job.waitingFor", { why: reason(job.waiting_for) });
  if (job.position == null) return t("job.queued");
  return job.position ? t("job.position", { n: job.position }) : t("job.next");
}

function running(job) {
  if (!job.total_seconds) return t("job.opening");
  const parts = [
    percent(job.progress),
    job.speed && t("job.speed", { n: Math.round(job.speed * 10) / 10 }),
    job.eta_seconds != null && t("job.left", { time: about(job.eta_seconds) }),
  ];
  return parts.filter(Boolean).join(" · ");
}

function uploadState(upload, share) {
  if (upload.state === "waiting") return line("muted", t("upload.waiting"));
  if (upload.state === "sending") return line("muted", share < 1 ? t("upload.sending", { percent: percent(share) }) : t("upload.checking"));
  if (upload.state === "failed") return line("danger", upload.error);
  const seconds = Math.max(1, Math.ceil((upload.nextTry - Date.now()) / 1000));
  return line("warn", `${upload.error} ${t("upload.next", { time: about(seconds) })}`);
}
