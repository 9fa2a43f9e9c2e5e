// Parts of the page that come when somebody opens them: a module, what it says, and how it looks.

import { h } from "./dom.js";
import { learn } from "./messages.js";

const styles = new Map(); // part → the promise of its style sheet

/** The module of a part, once all that it needs is there. */
export async function loadPart(part, name, { hasStyle = false } = {}) {
  const needed = [import(`./${part}/${name}.js`), learn(`${part}/`), hasStyle && style(part)];
  return (await Promise.all(needed))[0];
}

function style(part) {
  if (!styles.has(part)) styles.set(part, linked(new URL(`${part}/style.css`, import.meta.url).pathname));
  return styles.get(part).catch((error) => {
    styles.delete(part); // tried again with the next visit
    throw error;
  });
}

function linked(href) {
  return new Promise((done, failed) => {
    const link = h("link", { rel: "stylesheet", href, onload: done, onerror: () => failed(new Error(href)) });
    document.head.append(link);
  });
}
