// The last words of the job that runs, as they are found: one stream at most.

let source = null;
let followed = null;

/** onText(id, text); id: null ends it. */
export function followText(id, onText) {
  if (id === followed && source?.readyState !== EventSource.CLOSED) return;
  source?.close();
  source = null;
  followed = id;
  if (!id || document.hidden) return;
  source = new EventSource(`/v1/jobs/${id}/events`);
  source.addEventListener("segment", (event) => onText(id, JSON.parse(event.data).text));
  source.addEventListener("done", () => source?.close());
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return;
  source?.close();
  followed = null; // the list's next change opens it again
});
