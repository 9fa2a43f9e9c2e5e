// The jobs the list shows, newest first, kept as they are by the one stream.

import { subscribe, whenOpen } from "./events.js";
import { getJson } from "./http.js";
import { Watchers } from "./watchers.js";

const FIRST = 50; // what one screen needs
const MORE = 100;

export const FILTERS = { all: "", active: "queued,started", finished: "finished", failed: "failed,canceled" };
export const jobs = { items: [], hasMore: false, query: "", filter: "all" };

const hidden = new Set(); // ids of jobs that are about to be deleted
let reading = null; // the AbortController of the list that is being read

/** Each is told (change, job): "list" has changed as a whole, or one job was "added", "changed" or "removed". */
export const jobWatchers = new Watchers();

/** Reads the list anew; changes.query and changes.filter are what is looked for from now on. */
export async function loadJobs(changes = {}) {
  Object.assign(jobs, changes);
  await whenOpen();
  const count = changes.query === undefined && changes.filter === undefined ? jobs.items.length : 0;
  const page = await read(Math.min(Math.max(FIRST, count), MORE));
  if (!page) return;
  jobs.items = page.data.filter((job) => !hidden.has(job.id));
  jobs.hasMore = page.has_more;
  jobWatchers.tell("list");
}

export async function loadMore() {
  const page = await read(MORE, jobs.items.at(-1)?.id);
  if (!page) return;
  const known = new Set(jobs.items.map((job) => job.id));
  const fresh = page.data.filter((job) => !known.has(job.id) && !hidden.has(job.id));
  jobs.items.push(...fresh);
  jobs.hasMore = page.has_more;
  jobWatchers.tell("list");
}

/** Puts a job where it belongs, or changes it if it is there. */
export function putJob(job) {
  if (hidden.has(job.id)) return;
  const at = jobs.items.findIndex((each) => each.id === job.id);
  if (at >= 0) {
    const before = jobs.items[at].status;
    jobs.items[at] = job;
    return jobWatchers.tell("changed", job, before);
  }
  if (jobs.query || !fits(job)) return;
  const after = jobs.items.findIndex((each) => each.created_at <= job.created_at);
  if (after < 0 && jobs.hasMore) return; // it comes with its page
  jobs.items.splice(after < 0 ? jobs.items.length : after, 0, job);
  jobWatchers.tell("added", job);
}

/** Takes it out of the list; with `hide` it stays out until it is shown again. */
export function removeJob(id, hide = false) {
  if (hide) hidden.add(id);
  const at = jobs.items.findIndex((each) => each.id === id);
  if (at >= 0) jobWatchers.tell("removed", jobs.items.splice(at, 1)[0]);
}

export function showJob(job) {
  hidden.delete(job.id);
  putJob(job);
}

export async function cancelJob(job) {
  try {
    putJob(await getJson(`/v1/jobs/${job.id}/cancel`, { method: "POST" }));
  } catch (error) {
    if (error.code !== "job_already_ended") throw error;
    putJob(await getJson(`/v1/jobs/${job.id}`));
  }
}

function fits(job) {
  const wanted = FILTERS[jobs.filter];
  return !wanted || wanted.split(",").includes(job.status);
}

async function read(limit, after) {
  reading?.abort();
  const mine = (reading = new AbortController());
  const query = new URLSearchParams({ limit });
  if (after) query.set("after", after);
  if (jobs.query) query.set("q", jobs.query);
  if (FILTERS[jobs.filter]) query.set("status", FILTERS[jobs.filter]);
  try {
    return await getJson(`/v1/jobs?${query}`, { signal: mine.signal });
  } catch (error) {
    if (error.name === "AbortError") return null; // another question was asked since
    throw error;
  }
}

/** Opens the stream; before anything else. */
export function followJobs() {
  subscribe((name, data) => {
    if (name === "job") putJob(data);
    else if (name === "deleted") removeJob(data.id);
    else if (name === "reset") loadJobs().catch(() => {}); // the notice says that there is no connection
    else if (name === "progress") update(data.id, data);
    else if (name === "positions") Object.entries(data.positions).forEach(([id, position]) => update(id, { position }));
  });
}

function update(id, news) {
  const job = jobs.items.find((each) => each.id === id);
  if (job) jobWatchers.tell("changed", Object.assign(job, news), job.status);
}
