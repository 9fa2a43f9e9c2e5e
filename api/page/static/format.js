// Times, sizes and languages as their reader writes them.

import { locale, t } from "./messages.js";

/** 4:07 or 1:04:07 */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds || 0));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** About how long something takes: 40 sec, 3 min, 2 hr. */
export function about(seconds) {
  if (seconds < 60) return unit(Math.max(1, Math.round(seconds)), "second");
  if (seconds < 5400) return unit(Math.round(seconds / 60), "minute");
  return unit(Math.round(seconds / 360) / 10, "hour");
}

export function size(bytes) {
  if (bytes < 1e6) return unit(Math.ceil(bytes / 1e3), "kilobyte");
  return bytes < 1e9 ? unit(Math.round(bytes / 1e5) / 10, "megabyte") : unit(Math.round(bytes / 1e7) / 100, "gigabyte");
}

export function percent(share) {
  return (Math.floor(share * 100) / 100).toLocaleString(locale, { style: "percent" });
}

/** When it was: the time of today, the day of anything older. seconds: since 1970 */
export function moment(seconds) {
  const then = new Date(seconds * 1000);
  const now = new Date();
  if (then.toDateString() === now.toDateString()) return date(then, { timeStyle: "short" });
  if (then.getFullYear() === now.getFullYear()) return date(then, { day: "numeric", month: "short" });
  return date(then, { dateStyle: "medium" });
}

/** The day and the time. */
export function fullMoment(seconds, dateStyle = "full", timeStyle = "short") {
  return date(new Date(seconds * 1000), { dateStyle, timeStyle });
}

/** code: of a language as Whisper has it */
export function languageName(code) {
  try {
    return new Intl.DisplayNames(locale, { type: "language" }).of(code === "jw" ? "jv" : code);
  } catch {
    return code;
  }
}

/** What the list calls a job. */
export function jobName(job) {
  return job.title || job.file.name || job.url || t("job.unnamed");
}

function date(value, options) {
  return value.toLocaleString(writing(), options);
}

/** The reader's own way to write dates, if it is one of the page's language. */
function writing() {
  return navigator.languages.find((tag) => tag.startsWith(locale)) ?? locale;
}

function unit(number, name) {
  return number.toLocaleString(locale, { style: "unit", unit: name, unitDisplay: "short" });
}
