// Functions that want to be told of something.

export class Watchers extends Set {
  /** Returns what ends it. */
  watch(watcher) {
    this.add(watcher);
    return () => this.delete(watcher);
  }

  tell(...news) {
    for (const watcher of [...this]) watcher(...news);
  }
}
