// A finished transcript: reads along, corrects, finds and takes along.

import { announce } from "../announce.js";
import { button, h } from "../dom.js";
import { t } from "../messages.js";
import { conflictBox } from "./conflict.js";
import { openDeliveries } from "./deliveries.js";
import { Editor } from "./editing.js";
import { openExport } from "./export.js";
import { Follow } from "./follow.js";
import { Corrections } from "./history.js";
import { listen } from "./keys.js";
import { openOriginal } from "./original.js";
import { Player } from "./player.js";
import { SaveState } from "./save_state.js";
import { saverOf } from "./saving.js";
import { Search } from "./search.js";
import { chooseSpeaker, openSpeakers } from "./speakers.js";
import { TranscriptText } from "./text.js";
import { Tools } from "./tools.js";
import { Words } from "./words.js";

export class Reader {
  #stops = new AbortController();

  /** job: as the API shows it; transcript: see `load`; t0: seconds to begin at; onJob(job): after a change of it. */
  constructor(job, transcript, { t0 = 0, onJob }) {
    Object.assign(this, { job, onJob });
    this.words = new Words(transcript.segments);
    this.saver = saverOf(job.id, transcript.revision);
    this.text = new TranscriptText(this.words, {
      hrefOf: (seconds) => `#/jobs/${job.id}?t=${Number(seconds.toFixed(2))}`,
      nameOf: (speaker) => this.#nameOf(speaker),
      found: (i) => this.search?.found(i) ?? [],
      language: transcript.language_code,
    });
    this.history = new Corrections((changes) => this.editor.apply(changes), () => this.#showHistory());
    this.editor = new Editor({ ...this.#parts(), saver: this.saver, history: this.history, idOf: (name) => this.idOf(name) });
    this.search = new Search({ ...this.#parts(), onGo: () => this.follow.stop(), onClose: () => this.searchButton.focus() });
    this.player = new Player(job, (time) => this.#at(time));
    this.bar = this.#build();
    this.foot = h("div.tr-foot");
    this.follow = new Follow(this.text, () => ({ above: this.bar.offsetHeight, below: this.foot.offsetHeight }));
    this.foot.append(this.follow.button, this.player.element);
    this.element = h("div.tr-reader", this.bar, this.text.element, this.foot);
    this.tools = new Tools(this.text, this.words, this.#actions());
    this.#listen();
    this.#resume();
    if (t0) requestAnimationFrame(() => this.#begin(t0));
  }

  destroy() {
    this.editor.end();
    this.saver.flush();
    this.saver.view = null;
    this.#stops.abort();
    this.text.destroy();
    this.follow.destroy();
    this.player.destroy();
  }

  /** The transcript as it is on the server; what is not saved here stays as it is. */
  reloaded({ segments }) {
    let count = 0;
    for (const segment of segments) {
      const i = this.words.indexes.get(segment.id);
      if (i === undefined || this.#isSame(i, segment)) continue;
      this.words.replace(segment);
      if (this.saver.pending.has(segment.id) || this.saver.conflicts.has(segment.id)) continue;
      this.#settle(i);
      count += 1;
    }
    if (count) announce(t("tr.changed_elsewhere", { n: count }));
    this.search.again();
  }

  saved(segments) {
    for (const segment of segments) {
      const i = this.words.replace(segment);
      if (i >= 0 && !this.saver.pending.has(segment.id)) this.#settle(i);
    }
    this.search.again();
  }

  conflict(id, isNews = true) {
    const i = this.words.indexes.get(id);
    const conflict = this.saver.conflicts.get(id);
    const row = this.text.rows[i];
    row?.querySelector(".tr-conflict")?.remove();
    if (!row) return;
    if (conflict.mine.text !== undefined && this.editor.index !== i) this.text.wait(i, conflict.mine.text ?? "");
    const box = conflictBox(conflict, (speaker) => this.#nameOf(speaker), (isMine) => {
      box.remove();
      const { mine, theirs } = conflict;
      this.saver.resolve(id, isMine);
      if (isMine) return;
      this.editor.end();
      if (mine.text) this.history.add([{ id, field: "text", before: mine.text, after: theirs?.text.trim() ?? "" }]);
      this.#settle(i);
    });
    row.append(box);
    if (isNews) announce(t("tr.conflict"));
  }

  changed() {
    this.saveState.show();
  }

  #parts() {
    return { text: this.text, words: this.words, editor: this.editor };
  }

  #isSame(i, segment) {
    const known = this.words.segments[i];
    return known.text === segment.text && known.speaker === segment.speaker && !this.text.rows[i].classList.contains("waiting");
  }

  /** Shows what the server has; the caret of whoever still writes there is left alone. */
  #settle(i) {
    this.text.rows[i].classList.remove("waiting");
    if (this.editor.index === i) this.text.label(i);
    else this.text.redraw(i);
  }

  #nameOf(speaker) {
    return this.job.speakers?.find(({ id }) => id === speaker)?.name ?? speaker;
  }

  /** A transcript has the names, a correction takes the ids. */
  idOf(speaker) {
    return this.job.speakers?.find(({ id, name }) => name === speaker || id === speaker)?.id ?? speaker;
  }

  #at(time) {
    this.follow.at(this.text.speak(time));
  }

  #begin(time) {
    this.player.seek(time);
    const i = Math.max(0, this.text.speak(time));
    if (!this.words.segments.length) return;
    this.text.choose(i);
    this.text.reveal(i);
  }

  #playFrom(i, time) {
    this.text.choose(i);
    this.tools.put(i);
    this.follow.from(i);
    this.player.play(time);
  }

  #build() {
    this.undo = button("undo", () => this.history.undo());
    this.redo = button("tr.redo", () => this.history.redo());
    this.searchButton = button("tr.find", () => this.search.open());
    this.saveState = new SaveState(this.saver);
    this.#showHistory();
    const buttons = [
      this.searchButton,
      button("tr.export", () => this.#export()),
      this.job.speakers?.length ? button("tr.speakers", () => this.#speakers()) : null,
      this.job.webhook && button("tr.deliveries", () => openDeliveries(this.job)),
      this.undo,
      this.redo,
    ];
    const row = h("div.tr-buttons", { role: "toolbar", "aria-label": t("tr.tools") }, buttons);
    return h("div.tr-bar", row, this.saveState.element, this.search.element);
  }

  /** What is exported has all corrections. */
  async #export() {
    this.editor.end();
    await this.saver.flush();
    openExport({ ...this.job, edited: this.job.edited || this.history.canUndo });
  }

  #speakers() {
    openSpeakers(this.job, async (job) => {
      this.job = job;
      await this.saver.refresh();
      this.text.rows.forEach((_, i) => this.text.label(i));
      this.onJob(job);
    });
  }

  #actions() {
    const known = () => this.job.speakers ?? [];
    const choose = (i) => {
      const { id, speaker } = this.words.segments[i];
      chooseSpeaker(known(), this.idOf(speaker), (value) => this.editor.change([{ id, field: "speaker", value }]));
    };
    return {
      edit: (i) => this.editor.begin(i),
      speaker: this.job.speakers?.length ? choose : null,
      original: (i) => openOriginal(this.job.id, this.words.segments[i], (text) =>
        this.editor.change([{ id: this.words.segments[i].id, field: "text", value: text }])),
    };
  }

  #showHistory() {
    this.undo.disabled = !this.history.canUndo;
    this.redo.disabled = !this.history.canRedo;
  }

  /** What was left unsaved when this transcript was open before. */
  #resume() {
    this.saver.view = this;
    for (const [id, change] of this.saver.pending) {
      const i = this.words.indexes.get(id);
      if (i !== undefined && typeof change.text === "string") this.text.wait(i, change.text);
    }
    for (const id of this.saver.conflicts.keys()) this.conflict(id);
    if (this.saver.isDirty) this.changed();
  }

  #listen() {
    const { signal } = this.#stops;
    this.text.element.addEventListener("click", (event) => this.#clicked(event));
    this.text.element.addEventListener("dblclick", (event) => {
      const place = this.text.at(event.clientX, event.clientY);
      if (place) this.editor.begin(place.i, place.offset);
    });
    listen(
      {
        toggle: () => this.player.toggle(),
        skip: (steps) => this.player.skip(steps),
        speed: (step) => this.player.changeSpeed(step),
        segment: (step) => this.#move(step),
        edit: () => this.editor.begin(this.#current()),
        undo: () => this.history.undo(),
        redo: () => this.history.redo(),
        search: () => this.search.open(),
      },
      () => this.editor.isOpen,
      signal,
    );
  }

  /** The segment that keys act on: the focused one, else the one that is being said. */
  #current() {
    const focused = this.text.indexOf(document.activeElement);
    if (focused >= 0) return focused;
    return this.player.isPlaying ? Math.max(0, this.words.segmentAt(this.player.time)) : this.text.chosen;
  }

  #move(step) {
    const i = Math.max(0, Math.min(this.words.segments.length - 1, this.#current() + step));
    if (!this.words.segments.length) return;
    this.text.focus(i);
    this.text.reveal(i);
    this.tools.put(i);
    this.player.seek(this.words.segments[i].start);
  }

  #clicked(event) {
    const i = this.text.indexOf(event.target);
    if (i < 0 || event.target.closest(".tr-tools, .tr-conflict")) return;
    const isModified = event.ctrlKey || event.metaKey || event.shiftKey;
    const link = event.target.closest(".tr-time");
    if (link) {
      if (isModified) return; // another tab, as with any link
      event.preventDefault();
      history.replaceState(history.state, "", link.href);
      return this.#playFrom(i, this.words.segments[i].start);
    }
    const isEdited = this.editor.index === i;
    if (isEdited ? !isModified : !getSelection().isCollapsed) return;
    const place = this.text.at(event.clientX, event.clientY);
    if (place) this.#playFrom(i, this.words.timeAt(i, place.offset));
  }
}
