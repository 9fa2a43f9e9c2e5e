// Which word is said when, and where it stands in its segment's text.
//
// Segments never change their times, so one typed array over all of them serves every look-up; the words of a segment
// are laid out when somebody first asks for them, and again after a correction.

/** The last index whose value is at most `value`; -1 if none is. values: ascending. */
export function lastAtMost(values, value) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A segment's text as it is shown: without the space that precedes it. */
export const shownText = (segment) => segment.text.trim();

/** The words of a segment: their starts in seconds, and the range of characters of each in the shown text. */
function layOut(segment) {
  const words = segment.words ?? [];
  const text = shownText(segment);
  const starts = new Float64Array(words.length);
  const from = new Uint32Array(words.length);
  const to = new Uint32Array(words.length);
  let at = 0;
  words.forEach((word, i) => {
    const found = text.indexOf(word.word, at);
    starts[i] = word.start;
    from[i] = found < 0 ? at : found; // a word that the text writes otherwise takes no room
    to[i] = at = found < 0 ? at : found + word.word.length;
  });
  return { starts, from, to };
}

export class Words {
  #tables = [];

  /** segments: of `verbose_json`, with words if there are any. */
  constructor(segments) {
    this.segments = segments;
    this.starts = Float64Array.from(segments, (segment) => segment.start);
    this.indexes = new Map(segments.map((segment, i) => [segment.id, i]));
  }

  /** After a correction: the segment as the server has it now. */
  replace(segment) {
    const i = this.indexes.get(segment.id);
    if (i === undefined) return -1;
    this.segments[i] = segment;
    this.#tables[i] = undefined;
    return i;
  }

  table(i) {
    return (this.#tables[i] ??= layOut(this.segments[i]));
  }

  /** The segment that is being said, or was said last; -1 before the first. */
  segmentAt(time) {
    return lastAtMost(this.starts, time);
  }

  /** Likewise the word of a segment; -1 if it has none by then. */
  wordAt(i, time) {
    return lastAtMost(this.table(i).starts, time);
  }

  /** When the word at a character of the shown text is said. offset: from 0. */
  timeAt(i, offset) {
    const { starts, from } = this.table(i);
    const word = lastAtMost(from, offset);
    return word < 0 ? this.segments[i].start : starts[word];
  }

  /** The ranges [from, to) of words the model was less sure of than `probability`. */
  unsure(i, probability) {
    const { from, to } = this.table(i);
    const found = [];
    this.segments[i].words?.forEach((word, w) => {
      if (word.probability < probability && from[w] < to[w]) found.push([from[w], to[w]]);
    });
    return found;
  }
}
