// Elements made of attributes and text alone: file names and transcripts never become markup.

import { t } from "./messages.js";

export const CROSS = "M4 4l8 8M12 4l-8 8";

/** h("a.class", {href: "#/", onclick: f, hidden: true}, "text", node, null, [more]), with attributes or without. */
export function h(tag, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  const attributes = children[0]?.constructor === Object ? children.shift() : {};
  for (const [name, value] of Object.entries(attributes)) set(element, name, value);
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
}

/** A button that says the message of this key. */
export function button(key, onclick, props) {
  return h("button", { type: "button", onclick, ...props }, t(key));
}

/** pairs: [value, text] of each choice. */
export function select(attributes, pairs, chosen = "") {
  const options = pairs.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
  return h("select", attributes, options);
}

/** That something could not be loaded, why, and a button to try again. */
export function failure(error, again) {
  return [h("h2", t("failed.title")), h("p", error.message), button("retry", again)];
}

/** A drawing of one path in a field of 16 × 16. */
export function icon(path) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const line = document.createElementNS(space, "path");
  set(svg, "class", "icon");
  set(svg, "viewBox", "0 0 16 16");
  set(svg, "aria-hidden", "true");
  set(line, "d", path);
  svg.append(line);
  return svg;
}
