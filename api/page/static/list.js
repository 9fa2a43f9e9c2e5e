// The list of recordings: bring them, watch them, find them.

import { announce } from "./announce.js";
import { bringBar } from "./bring.js";
import { deleteJob } from "./deleting.js";
import { button, failure, h } from "./dom.js";
import { jobName } from "./format.js";
import { jobRow, uploadRow } from "./job_row.js";
import { cancelJob, FILTERS, jobs, jobWatchers, loadJobs, loadMore } from "./jobs.js";
import { followText } from "./live_text.js";
import { t } from "./messages.js";
import { askForRetry } from "./retry.js";
import { cancelUpload, retryUpload, uploads, uploadWatchers } from "./upload.js";

const TYPING = 250; // milliseconds without a key until it is searched

let scrolled = 0; // where the list was left

export async function showList(container, info) {
  const rows = new Map(); // id → row
  const list = h("ul.rows", { "aria-label": t("nav.recordings") });
  const sending = h("ul.rows", { "aria-label": t("upload.title") });
  const state = h("div.state", { hidden: true });
  const more = button("list.more", () => guard(loadMore), { class: "more", hidden: true });
  const sendingRows = new Map();
  const actions = { cancel: (job) => guard(() => cancelJob(job)), retry: (job) => askForRetry(job, info), remove };

  function remove(job) {
    const row = rows.get(job.id)?.element;
    if (!row) return; // somebody else was quicker
    const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector(".name");
    deleteJob(job);
    (next ?? search).focus();
  }

  function drawAll() {
    const wanted = new Set(jobs.items.map((job) => job.id));
    for (const [id, row] of rows) if (!wanted.has(id)) drop(id, row);
    jobs.items.forEach((job, at) => {
      rows.get(job.id)?.draw(job);
      const element = rows.get(job.id)?.element ?? add(job);
      if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
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
    state.replaceChildren(...(error ? failure(error, () => guard(loadJobs)) : emptiness()));
    const running = jobs.items.find((job) => job.status === "started");
    followText(running?.id ?? null, (id, text) => rows.get(id)?.text(text));
  }

  function emptiness() {
    if (!jobs.query && jobs.filter === "all") return [h("h2", t("list.empty")), h("p", t("list.emptyHint"))];
    const clear = button("list.showAll", showEverything);
    return [h("p", jobs.query ? t("list.noHits", { query: jobs.query }) : t("list.noneSo")), clear];
  }

  function showEverything() {
    search.value = "";
    press("all");
    guard(() => loadJobs({ query: "", filter: "all" }));
    search.focus();
  }

  async function guard(work) {
    list.ariaBusy = true;
    try {
      await work();
    } catch (error) {
      drawState(error);
      announce(error.message);
    } finally {
      list.ariaBusy = null;
    }
  }

  function press(filter) {
    for (const each of filters.children) each.ariaPressed = each.value === filter;
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
  const filters = h("div.filters", { role: "group", "aria-label": t("list.filter") });
  for (const name of Object.keys(FILTERS)) {
    const choose = () => {
      press(name);
      guard(() => loadJobs({ filter: name }));
    };
    filters.append(button(`filter.${name}`, choose, { class: "plain", value: name }));
  }
  press(jobs.filter);
  const page = h(
    "div.page",
    h("h1.aside", t("nav.recordings")),
    bringBar(info),
    sending,
    h("div.toolbar", search, filters),
    list,
    state,
    more,
  );
  container.replaceChildren(page);
  uploads.forEach(drawUpload);
  const ends = [jobWatchers.watch(changed), uploadWatchers.watch(drawUpload)];
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
