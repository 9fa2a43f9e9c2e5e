// What the page says, in the reader's language: of each part its texts, once somebody opens it.

const CHOICE = "whisper-native.language";

const texts = {};
const parts = new Set(); // whose texts are there

export const languages = { en: "English", de: "Deutsch" };
export let locale = chosen();
document.documentElement.lang = locale;
await learn("");

/** Loads the texts of a part. part: its folder, such as "help/". */
export async function learn(part) {
  if (parts.has(part)) return;
  Object.assign(texts, await textsOf(part, locale));
  parts.add(part);
}

async function textsOf(part, language) {
  return (await import(`./${part}messages.${language}.js`)).default;
}

/** The message of this key. values: for its {names}; values.n also chooses among {one, other}. */
export function t(key, values = {}) {
  let message = texts[key] ?? key;
  if (typeof message !== "string") message = message[new Intl.PluralRules(locale).select(values.n)] ?? message.other;
  return message.replace(/\{(\w+)\}/g, (whole, name) => shown(values[name] ?? whole));
}

/** What the server says went wrong: in the reader's language if the page knows it by its code. */
export function reason({ code, message }) {
  return texts[`why.${code}`] ?? message;
}

/** Throws if the texts cannot be loaded; then all stays as it is. */
export async function setLocale(language) {
  const loaded = await Promise.all([...parts].map((part) => textsOf(part, language)));
  for (const key of Object.keys(texts)) delete texts[key]; // German has some that English has not
  Object.assign(texts, ...loaded);
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
  return wanted.find((language) => language in languages) ?? "en";
}
