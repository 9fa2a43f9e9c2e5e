// What this browser keeps of the reader's choices, if it keeps anything.

/** The text under this name; null if there is none. */
export function kept(name) {
  try {
    return localStorage.getItem(`whisper-native.${name}`);
  } catch {
    return null;
  }
}

export function keep(name, text) {
  try {
    localStorage.setItem(`whisper-native.${name}`, text);
  } catch {} // it holds until the page is closed
}
