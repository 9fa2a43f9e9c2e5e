// How other programs use this server, filled in with its address.

import { announce } from "./announce.js";
import { copy } from "./copy.js";
import { button, h } from "./dom.js";
import { t } from "./messages.js";

export function showUse(container, info) {
  const base = `${location.origin}/v1`;
  const key = info.needs_key ? "$WHISPER_API_KEY" : "none";
  const header = info.needs_key ? ` -H "Authorization: Bearer ${key}"` : "";
  container.replaceChildren(
    h(
      "div.page.prose",
      h("h1", t("use.title")),
      h("p", t("use.intro")),
      h("h2", t("use.endpoint")),
      example(t("use.endpoint"), base),
      h("p.muted", t(info.needs_key ? "use.key" : "use.noKey")),
      h("h2", "curl"),
      example("curl", `curl ${base}/audio/transcriptions${header} \\\n  -F file=@recording.mp3 -F model=whisper-1`),
      h("p.muted", t("use.job")),
      example("curl /v1/jobs", `curl ${base}/jobs${header} \\\n  -F file=@meeting.m4a`),
      h("h2", "Python"),
      example("Python", python(base, info.needs_key)),
      h("h2", "n8n"),
      h("ol", ["use.n8n1", "use.n8n2", "use.n8n3"].map((step) => h("li", t(step, { url: base })))),
      example("n8n", n8n(base, info.needs_key)),
      h("p.muted", t("use.n8nPaste")),
      h("h2", t("use.more")),
      h("ul", h("li", h("a", { href: "/docs" }, t("use.docs"))), h("li", h("a", { href: "/rq/" }, t("use.queues"))), h("li", h("a", { href: "/health/ready" }, t("use.health")))),
      h("p.muted", `whisper-native ${info.version} · ${info.default_model}`),
    ),
  );
  return { destroy() {} };
}

function python(base, needsKey) {
  const key = needsKey ? 'os.environ["WHISPER_API_KEY"]' : '"none"';
  return `${needsKey ? "import os\n\n" : ""}from openai import OpenAI

client = OpenAI(base_url="${base}", api_key=${key})
with open("recording.mp3", "rb") as file:
    answer = client.audio.transcriptions.create(model="whisper-1", file=file)
print(answer.text)`;
}

/** A node that n8n takes from the clipboard. */
function n8n(base, needsKey) {
  const parameters = {
    method: "POST",
    url: `${base}/audio/transcriptions`,
    ...(needsKey && { sendHeaders: true, headerParameters: { parameters: [{ name: "Authorization", value: "Bearer YOUR_KEY" }] } }),
    sendBody: true,
    contentType: "multipart-form-data",
    bodyParameters: {
      parameters: [
        { parameterType: "formBinaryData", name: "file", inputDataFieldName: "data" },
        { name: "model", value: "whisper-1" },
      ],
    },
    options: { timeout: 3600000 },
  };
  const node = { name: "Transcribe", type: "n8n-nodes-base.httpRequest", typeVersion: 4.2, position: [0, 0], parameters };
  return JSON.stringify({ nodes: [node], connections: {} }, null, 2);
}

function example(name, text) {
  const take = async () => {
    if (!(await copy(text))) return getSelection().selectAllChildren(code);
    announce(t("copied"));
    taking.textContent = t("copied");
    setTimeout(() => (taking.textContent = t("copy")), 2000);
  };
  const code = h("pre", { tabindex: "0", role: "region", "aria-label": name }, text);
  const taking = button("copy", take, { "aria-label": `${t("copy")}: ${name}` });
  return h("div.example", code, taking);
}
