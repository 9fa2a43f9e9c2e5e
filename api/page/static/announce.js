// What a screen reader says aloud: states, not every per cent.

const announcements = document.getElementById("announcements");

export function announce(text) {
  announcements.textContent = "";
  setTimeout(() => (announcements.textContent = text), 50); // the same words twice are said twice
}
