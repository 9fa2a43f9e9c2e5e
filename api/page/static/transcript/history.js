// What was corrected, to undo and redo: each step is a list of segments with what stood there before and after.

export class Corrections {
  #done = [];
  #undone = [];

  /** apply(changes): [{ id, field, value }], field "text" or "speaker". changed(): after each step. */
  constructor(apply, changed) {
    Object.assign(this, { apply, changed });
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** step: [{ id, field, before, after }], done already. */
  add(step) {
    const real = step.filter(({ before, after }) => before !== after);
    if (!real.length) return;
    this.#done.push(real);
    this.#undone = [];
    this.changed();
  }

  undo() {
    this.#move(this.#done, this.#undone, "before");
  }

  redo() {
    this.#move(this.#undone, this.#done, "after");
  }

  #move(from, to, side) {
    const step = from.pop();
    if (!step) return;
    to.push(step);
    this.apply(step.map(({ id, field, [side]: value }) => ({ id, field, value })));
    this.changed();
  }
}
