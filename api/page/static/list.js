// The list of recordings: bring them, watch them, find them.

import { announce } from "./announce.js";
import { bringBar } from "./bring.js";
import { h } from "./dom.js";
import { jobName } from "./format.js";
import { jobRow, uploadRow } from "./job_row.js";
import { cancelJob, FILTERS, jobs, loadJobs, loadMore, watchJobs } from "./jobs.js";
import { followText } from "./live_text.js";
import { t } from "./messages.js";
import { cancelUpload, retryUpload, uploads, watchUploads } from "./upload.js";

const TYPING = 250; // milliseconds without a key until it is searched

let scrolled = 0; // where the list was left

export async function show(container, info) {
  const rows = new Map(); // id → row
  const list = h("ul", { class: "rows", "aria-label": t("nav.recordings") });
  const sending = h("ul", { class: "rows", "aria-label": t("upload.title") });
  const state = h("div", { class: "state", hidden: true });
  const more = h("button", { type: "button", class: "more", hidden: true, onclick: () => guard(loadMore) }, t("list.more"));
  const sendingRows = new Map();
  const actions = { cancel: (job) => guard(() => cancelJob(job)), retry: (job) => guard(() => retry(job)), remove: (job) => guard(() => remove(job)) };

  async function retry(job) {
    const { askForRetry } = await import("./retry.js");
    askForRetry(job, info);
  }

  async function remove(job) {
    const { deleteJob } = await import("./deleting.js");
    const row = rows.get(job.id)?.element;
    if (!row) return; // somebody else was quicker
    const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector(".name");
    deleteJob(job);
    (next ?? search).focus();
  }

  function drawAll() {
    const wanted = new Set(jobs.items.map((job) => job.id));
    for (const [id, row] of rows) if (!wanted.has(id)) drop(id, row);
    list.append(...jobs.items.filter((job) => !rows.has(job.id)).map(add));
    jobs.items.forEach((job, at) => {
      const row = rows.get(job.id);
      row.draw(job);
      if (list.children[at] !== row.element) list.insertBefore(row.element, list.children[at] ?? null);
    });
    drawState();
  }

  function add(job) {
    const row = jobRow(job, actions);
    rows.set(job.id, row);
    return row.element;
  }

  function drop(id, row) {
    row.element.remove();
    rows.delete(id);
  }

  function changed(change, job, before) {
    if (change === "list") return drawAll();
    if (change === "added") list.insertBefore(add(job), list.children[jobs.items.indexOf(job)] ?? null);
    if (change === "removed") drop(job.id, rows.get(job.id));
    if (change === "changed") {
      rows.get(job.id)?.draw(job);
      if (before !== job.status) announce(`${jobName(job)}: ${t(`state.${job.status}`)}`);
    }
    drawState();
  }

  function drawState(error = null) {
    const isEmpty = !jobs.items.length;
    state.hidden = !isEmpty && !error;
    more.hidden = !jobs.hasMore;
    state.replaceChildren(...(error ? failure(error) : emptiness()));
    const running = jobs.items.find((job) => job.status === "started");
    followText(running?.id ?? null, (id, text) => rows.get(id)?.text(text));
  }

  function failure(error) {
    const text = error.status ? error.message : t("failed.offline");
    return [h("h2", {}, t("failed.title")), h("p", {}, text), h("button", { type: "button", onclick: () => guard(loadJobs) }, t("retry"))];
  }

  function emptiness() {
    if (!jobs.query && jobs.filter === "all") return [h("h2", {}, t("list.empty")), h("p", {}, t("list.emptyHint"))];
    const clear = h("button", { type: "button", onclick: showEverything }, t("list.showAll"));
    return [h("p", {}, jobs.query ? t("list.noHits", { query: jobs.query }) : t("list.noneSo")), clear];
  }

  function showEverything() {
    search.value = "";
    press("all");
    guard(() => loadJobs({ query: "", filter: "all" }));
    search.focus();
  }

  async function guard(work) {
    list.setAttribute("aria-busy", "true");
    try {
      await work();
    } catch (error) {
      drawState(error);
      announce(error.status ? error.message : t("failed.offline"));
    } finally {
      list.removeAttribute("aria-busy");
    }
  }

  function press(filter) {
    for (const button of filters.children) button.setAttribute("aria-pressed", String(button.value === filter));
  }

  function drawUpload(upload) {
    let row = sendingRows.get(upload.id);
    if (!upload.state) {
      row?.element.remove();
      sendingRows.delete(upload.id);
    } else if (row) row.draw();
    else {
      row = uploadRow(upload, { cancel: cancelUpload, retry: retryUpload });
      sendingRows.set(upload.id, row);
      sending.append(row.element);
    }
  }

  let typing = 0;
  const search = h("input", { type: "search", id: "search", value: jobs.query, placeholder: t("list.search"), "aria-label": t("list.search"), dir: "auto", enterkeyhint: "search" });
  search.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => guard(() => loadJobs({ query: search.value.trim() })), TYPING);
  });
  const filters = h("div", { class: "filters", role: "group", "aria-label": t("list.filter") });
  for (const name of Object.keys(FILTERS)) {
    const choose = () => {
      press(name);
      guard(() => loadJobs({ filter: name }));
    };
    filters.append(h("button", { type: "button", class: "plain", value: name, onclick: choose }, t(`filter.${name}`)));
  }
  press(jobs.filter);
  const page = h(
    "div",
    { class: "page" },
    h("h1", { class: "aside" }, t("nav.recordings")),
    bringBar(info),
    sending,
    h("div", { class: "toolbar" }, search, filters),
    list,
    state,
    more,
  );
  container.replaceChildren(page);
  uploads.forEach(drawUpload);
  const ends = [watchJobs(changed), watchUploads(drawUpload)];
  const clock = setInterval(() => uploads.filter((upload) => upload.state === "lost").forEach(drawUpload), 1000);
  if (jobs.items.length) drawAll();
  else state.replaceChildren(h("p", { role: "status" }, t("loading"))), (state.hidden = false);
  const loaded = guard(loadJobs);
  scrollTo(0, scrolled);
  await loaded;
  return {
    destroy() {
      scrolled = scrollY;
      ends.forEach((end) => end());
      clearInterval(clock);
      followText(null);
    },
  };
}
