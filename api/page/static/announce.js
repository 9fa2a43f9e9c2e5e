// What a screen reader says aloud: states, not every per cent.

const region = document.getElementById("announcements");

export function announce(text) {
  region.textContent = "";
  setTimeout(() => (region.textContent = text), 50); // the same words twice are said twice
}
