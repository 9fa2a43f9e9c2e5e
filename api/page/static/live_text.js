// The last words of the job that runs, as they are found: one stream at most.

let stream = null;
let followed = null;

/** onText(id, text); id: null ends it. */
export function followText(id, onText) {
  if (id === followed && stream?.readyState !== EventSource.CLOSED) return;
  stream?.close();
  stream = null;
  followed = id;
  if (!id || document.hidden) return;
  stream = new EventSource(`/v1/jobs/${id}/events`);
  stream.addEventListener("segment", (event) => onText(id, JSON.parse(event.data).text));
  stream.addEventListener("done", () => stream?.close());
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return;
  stream?.close();
  followed = null; // the list's next change opens it again
});
