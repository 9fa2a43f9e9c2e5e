// What the page says, in the reader's language.

import { keep, kept } from "./kept.js";

export const languages = { en: "English", de: "Deutsch" };
export let locale = [kept("language"), ...navigator.languages.map((tag) => tag.slice(0, 2))].find((code) => code in languages) ?? "en";
let texts = await textsIn(locale);
document.documentElement.lang = locale;

async function textsIn(language) {
  return (await import(`./messages.${language}.js`)).texts;
}

/** The message of this key. values: for its {names}; values.n also chooses among {one, other}. */
export function t(key, values = {}) {
  let message = texts[key] ?? key;
  if (typeof message !== "string") message = message[new Intl.PluralRules(locale).select(values.n)] ?? message.other;
  return message.replace(/\{(\w+)\}/g, (whole, name) => written(values[name] ?? whole));
}

/** What the server says went wrong: in the reader's language if the page knows it by its code. */
export function reason({ code, message }) {
  return texts[`why.${code}`] ?? message;
}

/** Throws if the texts cannot be loaded; then all stays as it is. */
export async function setLocale(language) {
  texts = await textsIn(language);
  document.documentElement.lang = locale = language;
  keep("language", language);
}

function written(value) {
  return typeof value === "number" ? value.toLocaleString(locale) : value;
}
