// `#/node`: what the node says about itself, and the figures of its metrics that matter first.

import { Failed, get, getText, isAborted } from "./api.js";
import { facts, h, heading, problemBox, replace, visible } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { every } from "./polling.js";

const EVERY = 5_000;
/** Bounded queues whose unit is a byte. */
const IN_BYTES = ["waiting_bytes", "buffered_bytes", "idempotency_bytes"];

export async function node({ main, signal, fail }) {
  const about = h("div", {});
  const figures = h("div", {});
  const wrong = h("div", {});
  main.append(heading("Node"), about, wrong, figures, h("p", { class: "quiet" }, `Renewed every ${EVERY / 1000} s.`));
  let before = null;
  await every(EVERY, signal, async () => {
    try {
      const store = await get("/v1", { signal });
      const ready = await get("/readyz", { signal });
      replace(
        about,
        facts([
          ["Version", visible(store.version)],
          ["Store", h("code", {}, visible(store.store))],
          ["Takes writes", ready.read_only === null ? "yes" : `no: ${visible(ready.read_only)}`],
        ]),
      );
      const now = new Metrics(await getText("/metrics", { signal }));
      replace(figures, ...now.shown(before));
      before = now;
      wrong.replaceChildren();
    } catch (error) {
      if (isAborted(error, signal)) return;
      if (!(error instanceof Failed) || error.problem.status === 401) fail(error);
      else if (error.problem.code !== "unreachable") replace(wrong, problemBox(error.problem, hint(error.problem)));
    }
  });
}

function hint(problem) {
  if (problem.status !== 403) return null;
  return h("p", {}, "The figures need a token without prefixes: metrics name queues and readers.");
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)/;

/** The samples of a response of `/metrics`. */
class Metrics {
  #samples = new Map();

  constructor(text) {
    this.at = performance.now();
    for (const line of text.split("\n")) {
      const match = line.startsWith("#") ? null : SAMPLE.exec(line);
      if (!match) continue;
      const [, metric, labels = "", value] = match;
      if (!this.#samples.has(metric)) this.#samples.set(metric, []);
      this.#samples.get(metric).push({ labels, value: Number(value) });
    }
  }

  of(metric) {
    return this.#samples.get(metric)?.[0]?.value ?? null;
  }

  /** The sum over all labels, or over those that have this text. */
  sum(metric, having = "") {
    const samples = this.#samples.get(metric) ?? [];
    return samples.filter(({ labels }) => labels.includes(having)).reduce((sum, { value }) => sum + value, 0);
  }

  labelled(metric) {
    return (this.#samples.get(metric) ?? []).map(({ labels, value }) => [
      /queue="([^"]*)"/.exec(labels)?.[1] ?? labels,
      value,
    ]);
  }

  /** How much a counter grows in a second. */
  rate(metric, before) {
    if (before === null) return null;
    return ((this.sum(metric) - before.sum(metric)) * 1000) / (this.at - before.at);
  }

  /** The mean of a histogram: since the figures before, or since the start. */
  mean(metric, before) {
    const grown = (sample) => this.sum(metric + sample) - (before?.sum(metric + sample) ?? 0);
    const [all, recent] = [this.sum(`${metric}_count`), grown("_count")];
    if (all === 0) return null;
    return recent > 0 ? grown("_sum") / recent : this.sum(`${metric}_sum`) / all;
  }

  shown(before) {
    const [free, size, reserve] = ["free", "size", "reserve"].map(
      (part) => this.of(`mainstay_disk_${part}_bytes`) ?? 0,
    );
    const perSecond = (metric) => {
      const rate = this.rate(metric, before);
      return rate === null ? "" : ` · ${count(rate)} per second`;
    };
    const sync = this.mean("mainstay_log_sync_seconds", before);
    const failed = this.sum("mainstay_http_requests_total", 'status="5');
    return [
      section("Work since the start", [
        ["Running for", duration(Date.now() - (this.of("process_start_time_seconds") ?? 0) * 1000)],
        [
          "Events appended",
          count(this.sum("mainstay_events_appended_total")) + perSecond("mainstay_events_appended_total"),
        ],
        ["Requests", count(this.sum("mainstay_http_requests_total")) + perSecond("mainstay_http_requests_total")],
        ["Requests with a 5xx status", failed === 0 ? "none" : h("span", { class: "bad" }, count(failed))],
        ["Mean sync of the log", sync === null ? "no sync yet" : duration(sync * 1000)],
        ["Subscribers", count(this.of("mainstay_subscribers") ?? 0)],
      ]),
      section("Space", [
        [
          "Disk",
          h(
            "span",
            {},
            `${bytes(free)} free of ${bytes(size)} `,
            h("meter", {
              "aria-label": "Used part of the disk",
              min: 0,
              max: size || 1,
              value: size - free,
              high: size - 4 * reserve,
              low: 0,
              optimum: 0,
            }),
          ),
        ],
        ["Read-only below", `${bytes(reserve)} free`],
        ["Event bodies", bytes(this.of("mainstay_bodies_bytes") ?? 0)],
        ["State", bytes(this.of("mainstay_state_bytes") ?? 0)],
        ["Log", bytes(this.of("mainstay_log_bytes") ?? 0)],
        ["Memory of the process", bytes(this.of("process_resident_memory_bytes") ?? 0)],
      ]),
      this.bounds(),
    ];
  }

  /** How full each bounded queue of the node is. */
  bounds() {
    const bound = new Map(this.labelled("mainstay_queue_bound"));
    const rejected = new Map(this.labelled("mainstay_queue_rejected_total"));
    const rows = this.labelled("mainstay_queue_depth").map(([queue, depth]) => {
      const figure = IN_BYTES.includes(queue) ? bytes : count;
      const most = bound.get(queue) ?? 0;
      const cells = [
        figure(depth),
        figure(most),
        most === 0 ? "–" : `${count((100 * depth) / most)} %`,
        count(rejected.get(queue) ?? 0),
      ];
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, visible(queue.replaceAll("_", " "))),
        cells.map((cell) => h("td", { class: "figure" }, cell)),
      );
    });
    const columns = ["Bounded queue", "Now", "Bound", "Full", "Rejected or delayed"];
    return h(
      "div",
      { class: "scroller part", role: "region", "aria-label": "Bounded queues of the node", tabindex: "0" },
      h("h2", {}, "Bounds"),
      h(
        "table",
        { class: "list" },
        h("caption", { class: "unseen" }, "Bounded queues of the node"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            columns.map((text) => h("th", { scope: "col" }, text)),
          ),
        ),
        h("tbody", {}, rows),
      ),
    );
  }
}

function section(title, pairs) {
  return h("div", { class: "part" }, h("h2", {}, title), facts(pairs));
}
