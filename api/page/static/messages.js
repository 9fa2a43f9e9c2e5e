// What the page says, in the reader's language.

import de from "./messages.de.js";
import en from "./messages.en.js";
import trDe from "./transcript/messages.de.js";
import trEn from "./transcript/messages.en.js";

const LANGUAGES = { en: { ...en, ...trEn }, de: { ...de, ...trDe } };
const CHOICE = "whisper-native.language";

export const languages = { en: "English", de: "Deutsch" };
export let locale = chosen();
document.documentElement.lang = locale;

/** The message of this key. values: for its {names}; values.n also chooses among {one, other}. */
export function t(key, values = {}) {
  let message = LANGUAGES[locale][key] ?? LANGUAGES.en[key] ?? key;
  if (typeof message !== "string") message = message[new Intl.PluralRules(locale).select(values.n)] ?? message.other;
  return message.replace(/\{(\w+)\}/g, (whole, name) => shown(values[name] ?? whole));
}

/** What the server says went wrong: in the reader's language if the page knows it by its code. */
export function reason({ code, message }) {
  return LANGUAGES[locale][`why.${code}`] ?? message;
}

export function setLocale(language) {
  locale = language;
  document.documentElement.lang = language;
  try {
    localStorage.setItem(CHOICE, language);
  } catch {} // it holds until the page is closed
}

function shown(value) {
  return typeof value === "number" ? value.toLocaleString(locale) : value;
}

function chosen() {
  let kept = null;
  try {
    kept = localStorage.getItem(CHOICE);
  } catch {}
  const wanted = [kept, ...navigator.languages.map((tag) => tag.slice(0, 2))];
  return wanted.find((language) => language in LANGUAGES) ?? "en";
}
