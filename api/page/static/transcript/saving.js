// Corrections on their way to the server: collected, sent a second after the last, repeated until they are there.
//
// Nothing is dropped before the server has it. What somebody else changed meanwhile is asked about, not overwritten.

import { passes, request } from "../http.js";
import { t } from "../messages.js";

const QUIET = 1000; // ms after the last key
const RETRIES = [2, 4, 8, 15, 30]; // s
const BATCH = 1000; // segments a request
const WORDS = "format=verbose_json&timestamp_granularities[]=word&timestamp_granularities[]=segment&flat_words=false";

const revisionOf = (response) => response.headers.get("etag")?.replace(/^W\/|"/g, "") ?? null;

/** The transcript with its words, or without if it has none. original: the machine's. */
export async function load(jobId, { original = false } = {}) {
  const path = `/v1/jobs/${jobId}/transcript?${original ? "original=true&" : ""}`;
  let response;
  try {
    response = await request(path + WORDS);
  } catch (error) {
    if (error.status !== 400) throw error; // translations, and what came by OpenAI's route, may have none
    response = await request(`${path}format=verbose_json&timestamp_granularities[]=segment`);
  }
  return { ...(await response.json()), revision: revisionOf(response) };
}

const savers = new Map(); // job → the one that still has something to send, whether or not its view is open

addEventListener("online", () => savers.forEach((saver) => saver.state === "failed" && saver.flush()));
addEventListener("beforeunload", (event) => {
  if ([...savers.values()].some((saver) => saver.isDirty)) event.preventDefault();
});

/** The saver of a job: the one that was left with unsaved corrections, or a new one. */
export function saverOf(jobId, revision) {
  return savers.get(jobId) ?? new Saver(jobId, revision);
}

export class Saver {
  pending = new Map(); // segment's id → { text?, speaker?, base: the segment as it was }
  conflicts = new Map(); // segment's id → { mine, theirs: segment }
  state = "saved"; // saved, waiting, saving, failed (repeated by itself), refused
  message = "";
  #timer = 0;
  #isSending = false;
  #failures = 0;

  constructor(jobId, revision) {
    this.jobId = jobId;
    this.revision = revision;
    this.view = null; // { saved(segments), reloaded(transcript), conflict(id, isNews), changed() }
  }

  get isDirty() {
    return this.pending.size + this.conflicts.size > 0;
  }

  /** change: { text } or { speaker }; text null brings back the machine's. base: the segment as the server has it. What
   * is asked about waits for the answer, whoever types on meanwhile. */
  change(base, change) {
    const asked = this.conflicts.get(base.id);
    if (asked) {
      Object.assign(asked.mine, change);
      return this.view?.conflict(base.id, false);
    }
    const known = this.pending.get(base.id);
    this.pending.set(base.id, { base, ...known, ...change });
    savers.set(this.jobId, this);
    if (this.state !== "failed") this.#become("waiting");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), QUIET);
  }

  /** Sends at once what is there. */
  async flush() {
    clearTimeout(this.#timer);
    if (this.#isSending || !this.pending.size) return;
    this.#isSending = true;
    this.#become("saving");
    try {
      await this.#send([...this.pending].slice(0, BATCH));
      this.#failures = 0;
      this.#isSending = false;
      this.#settle();
    } catch (error) {
      this.#isSending = false;
      this.#failed(error);
    }
  }

  /** The transcript's revision was counted up by something else that we did: speakers may have other names. */
  async refresh() {
    await this.#merge((there, base) => there.text === base.text);
    if (!this.#isSending && this.conflicts.size) this.#settle();
  }

  #fields({ base, ...fields } = {}) {
    return fields;
  }

  async #send(batch) {
    const segments = batch.map(([id, change]) => ({ id, ...this.#fields(change) }));
    try {
      const response = await request(`/v1/jobs/${this.jobId}/transcript`, {
        method: "PATCH",
        json: { segments },
        headers: { "if-match": `"${this.revision}"` },
      });
      const answer = await response.json();
      this.revision = answer.revision;
      this.#taken(batch, answer.segments);
    } catch (error) {
      if (error.status !== 412) throw error;
      await this.#merge();
    }
  }

  #taken(batch, segments) {
    const now = new Map(segments.map((segment) => [segment.id, segment]));
    for (const [id, sent] of batch) {
      const current = this.pending.get(id);
      if (current === sent) this.pending.delete(id);
      else if (current && now.has(id)) current.base = now.get(id); // typed on meanwhile
    }
    this.view?.saved(segments);
  }

  /** Somebody else was faster: what they changed is taken over, and asked about if it is what was changed here too. */
  async #merge(areSame = (there, base) => there.text === base.text && there.speaker === base.speaker) {
    const theirs = await load(this.jobId);
    this.revision = theirs.revision;
    const now = new Map(theirs.segments.map((segment) => [segment.id, segment]));
    for (const [id, change] of this.pending) {
      const there = now.get(id);
      if (there && areSame(there, change.base)) {
        change.base = there;
        continue;
      }
      this.pending.delete(id);
      const isMine = there && there.text.trim() === change.text?.trim() && !("speaker" in change);
      if (!isMine) this.conflicts.set(id, { mine: change, theirs: there ?? null });
    }
    this.view?.reloaded(theirs);
    for (const id of this.conflicts.keys()) this.view?.conflict(id);
  }

  #settle() {
    if (this.pending.size) return this.flush();
    if (!this.conflicts.size) savers.delete(this.jobId);
    this.#become(this.conflicts.size ? "conflict" : "saved");
  }

  /** Ends a conflict. isMine: whether what was written here is to stand. */
  resolve(id, isMine) {
    const { mine, theirs } = this.conflicts.get(id);
    this.conflicts.delete(id);
    if (isMine && theirs) this.change(theirs, this.#fields(mine));
    else this.#settle();
    if (isMine) this.flush();
  }

  #failed(error) {
    const isPassing = passes(error.status) || error.status === 401;
    const wait = RETRIES[Math.min(this.#failures, RETRIES.length - 1)];
    this.#failures += 1;
    if (isPassing) this.#timer = setTimeout(() => this.flush(), wait * 1000);
    this.#become(isPassing ? "failed" : "refused", t("tr.not_saved", { reason: error.message }));
  }

  #become(state, message = "") {
    Object.assign(this, { state, message });
    this.view?.changed();
  }
}
