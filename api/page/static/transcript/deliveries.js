// What became of the job's webhook: every attempt, and once more.

import { openDialog } from "../dialog.js";
import { button, h } from "../dom.js";
import { fullMoment } from "../format.js";
import { getJson, request } from "../http.js";
import { t } from "../messages.js";

const PENDING = 1500; // ms between looks while an attempt is due
const LATER = 60_000; // ms; the next attempt is not worth watching for

const exactMoment = (seconds) => fullMoment(seconds, "medium", "medium");

/** job: as the API shows it. */
export function openDeliveries(job) {
  const shown = h("div.tr-deliveries", t("loading"));
  const notice = h("p.muted.tr-notice", { role: "status" });
  const again = button("tr.redeliver", async () => {
    again.disabled = true;
    notice.textContent = "";
    try {
      await request(`/v1/jobs/${job.id}/redeliver`, { method: "POST" });
      notice.textContent = t("tr.redelivering");
    } catch (error) {
      notice.textContent = error.message;
    }
    again.disabled = false;
    look();
  });
  let timer = 0;
  const look = async () => {
    clearTimeout(timer);
    try {
      const { data } = await getJson(`/v1/jobs/${job.id}/deliveries`);
      shown.replaceChildren(...data.map(delivery));
      if (data.some(isDue) && dialog.open) timer = setTimeout(look, PENDING);
    } catch (error) {
      notice.textContent = error.message;
    }
  };
  const dialog = openDialog(t("tr.deliveries"), [shown, notice, again]);
  dialog.addEventListener("close", () => clearTimeout(timer));
  look();
}

const isDue = ({ status, next_attempt_at: next }) => status === "pending" && (next ?? 0) * 1000 < Date.now() + LATER;

function delivery({ url, status, attempts, next_attempt_at: next }) {
  const rows = attempts.map((attempt, i) =>
    h(
      "tr",
      h("td", i + 1),
      h("td", exactMoment(attempt.at)),
      h("td", attempt.response_status ?? attempt.error ?? "–"),
      h("td", t("tr.seconds", { n: attempt.seconds.toFixed(2) })),
    ),
  );
  const heads = ["#", t("tr.when"), t("tr.answer"), t("tr.took")].map((text) => h("th", { scope: "col" }, text));
  return h(
    "section",
    h("code", url),
    h(`p.tr-delivery.${status}`, t(`tr.delivery_${status}`), next ? ` · ${t("tr.next_attempt", { when: exactMoment(next) })}` : ""),
    rows.length ? h("table", h("thead", h("tr", heads)), h("tbody", rows)) : h("p", t("tr.no_attempts")),
  );
}
