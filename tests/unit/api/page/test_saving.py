"""What the page does about the line and about others: no edit is lost, no recording is sent as two jobs."""

from __future__ import annotations

from pathlib import Path

from tests.unit.api.page.modules import run

_SERVER = """
const there = { revision: 1, texts: [" a", " b"] };
const segment = (id) => ({ id, text: there.texts[id], speaker: null, words: [] });
const another = (id, text) => { there.texts[id] = text; there.revision += 1; };
globalThis.fetch = async (path, { method, headers, body }) => {
  const answer = (status, value) =>
    new Response(JSON.stringify(value), { status, headers: { etag: `"${there.revision}"` } });
  if (method !== "PATCH") return answer(200, { segments: [segment(0), segment(1)] });
  if (headers["if-match"] !== `"${there.revision}"`) return answer(412, { error: { code: "x", message: "x" } });
  const { segments } = JSON.parse(body);
  for (const { id, text } of segments) another(id, ` ${text}`);
  return answer(200, { revision: String(there.revision), segments: segments.map(({ id }) => segment(id)) });
};
const { Saver } = await import("./page/transcript/saving.js");
const saver = new Saver("job_1", "1");
"""
_STATE = """
tell({ texts: there.texts, conflicts: [...saver.conflicts].map(([id, { mine }]) => [id, mine.text]) });
"""


def test_a_rename_of_speakers_overwrites_nothing_that_another_has_corrected(tmp_path: Path) -> None:
    script = """
    saver.change(segment(0), { text: "mine" });
    saver.change(segment(1), { text: "mine too" });
    another(0, " theirs");
    await saver.refresh();
    await saver.flush();
    """
    assert run(tmp_path, _SERVER + script + _STATE) == {"texts": [" theirs", " mine too"], "conflicts": [[0, "mine"]]}


def test_whoever_types_on_is_asked_about_what_another_has_corrected(tmp_path: Path) -> None:
    script = """
    saver.change(segment(0), { text: "mine" });
    another(0, " theirs");
    await saver.flush();
    saver.change(segment(0), { text: "mine and more" });
    await saver.flush();
    """
    asked = {"texts": [" theirs", " b"], "conflicts": [[0, "mine and more"]]}
    assert run(tmp_path / "asked", _SERVER + script + _STATE) == asked
    chosen = script + "saver.resolve(0, true); await saver.flush(); await new Promise((done) => setTimeout(done));"
    kept = {"texts": [" mine and more", " b"], "conflicts": []}
    assert run(tmp_path / "chosen", _SERVER + chosen + _STATE) == kept


def test_an_upload_whose_key_is_in_use_goes_on_with_it(tmp_path: Path) -> None:
    """The server may still wait for the rest of a line that broke."""
    script = """
    globalThis.XMLHttpRequest = class {
      upload = {}; status = 409;
      responseText = JSON.stringify({ error: { code: "idempotency_key_in_use", message: "It is in use." } });
      open() {}
      setRequestHeader(name, value) { this.key = value; }
      getResponseHeader() { return "2"; }
      send() { this.onloadend(); }
    };
    const { addUploads, uploads } = await import("./page/upload.js");
    addUploads([new File(["sound"], "a.wav")], {});
    await new Promise((done) => setTimeout(done));
    tell([uploads[0].state, uploads[0].key === uploads[0].request.key, uploads[0].error]);
    """
    assert run(tmp_path, script) == ["lost", True, "It is in use."]


def test_a_job_is_followed_again_if_its_stream_was_refused(tmp_path: Path) -> None:
    """As by a proxy while the server restarts; browsers come back by themselves only if there is no answer at all."""
    script = """
    const sources = [];
    globalThis.EventSource = class extends EventTarget {
      static CLOSED = 2;
      readyState = 0;
      constructor() { super(); sources.push(this); }
      close() { this.readyState = 2; }
    };
    globalThis.setTimeout = (act) => { queueMicrotask(act); return 1; };
    const { Running } = await import("./page/transcript/running.js");
    const ended = [];
    const running = new Running({ id: "job_1", status: "queued" }, (job) => ended.push(job.status));
    const refuse = (source) => { source.readyState = 2; source.onerror?.(); source.dispatchEvent(new Event("error")); };
    refuse(sources[0]);
    await null;
    await null;
    const done = Object.assign(new Event("done"), { data: '{"status": "finished"}' });
    sources.at(-1).dispatchEvent(done);
    const count = sources.length;
    running.destroy();
    refuse(sources.at(-1));
    await null;
    await null;
    tell([count, sources.length, ended]);
    """
    assert run(tmp_path, script) == [2, 2, ["finished"]]


def test_a_job_is_run_again_as_it_is_asked_for_in_an_older_browser_too(tmp_path: Path) -> None:
    script = """
    delete URLSearchParams.prototype.size; // before Safari 17
    const asked = [];
    globalThis.fetch = async (path) => (asked.push(path), new Response("{}"));
    const { runAgain } = await import("./page/retry.js");
    await runAgain({ id: "job_1" }, { language: "de" });
    await runAgain({ id: "job_1" }, {});
    tell(asked);
    """
    assert run(tmp_path, script) == ["/v1/jobs/job_1/retry?language=de", "/v1/jobs/job_1/retry"]
