// `#/queues`: how much waits in each queue. `#/queues/{queue}`: its tasks by state, dead letters first.

import { Failed, get, isAborted, path, query as queryOf } from "./api.js";
import { facts, h, heading, name, problemBox, replace, visible } from "./dom.js";
import { apiDuration, count, counted, cut, time } from "./format.js";
import { every } from "./polling.js";

const QUEUES_PAGE = 50;
const TASKS_PAGE = 50;
/** The most tasks in the page. */
const ROWS_MAX = 500;
/** Requests at the same time: a browser has six connections to a node. */
const AT_A_TIME = 4;
const EVERY = 5_000;
const TEXT_MAX = 32_768;
const STATES = ["ready", "running", "delayed", "blocked", "dead", "done", "cancelled"];

export async function queues({ main, query, signal, setQuery, fail }) {
  const body = h("tbody", {});
  const summary = h("p", { class: "quiet", role: "status" }, "Reading …");
  const wrong = h("div", {});
  const more = h("p", { hidden: true });
  const columns = ["Queue", ...STATES.slice(0, 5).map(capital), "Oldest ready"];
  const table = h(
    "table",
    { class: "list", hidden: true },
    h("caption", { class: "unseen" }, "Queues, with the number of their tasks by state"),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        columns.map((text) => h("th", { scope: "col" }, text)),
      ),
    ),
    body,
  );
  const scroller = h("div", { class: "scroller", role: "region", "aria-label": "Queues", tabindex: "0" }, table);
  main.append(heading("Queues"), summary, wrong, scroller, more);
  await every(EVERY, signal, async () => {
    try {
      const cursor = query.get("cursor");
      const page = await get(`/v1/queues${queryOf({ limit: QUEUES_PAGE, cursor })}`, { signal });
      const found = await inTurn(page.queues, ({ queue: of }) => get(path`/v1/queues/${of}`, { signal }));
      replace(body, ...found.map(queueRow));
      table.hidden = found.length === 0;
      scroller.hidden = table.hidden;
      const next = page.next === null ? null : new URL(page.next, location.origin).searchParams.get("cursor");
      more.hidden = next === null;
      if (next !== null) replace(more, h("a", { href: `#/queues${queryOf({ cursor: next })}` }, "More queues"));
      const text =
        found.length === 0
          ? "There is no queue yet."
          : `${counted(found.length, "queue")}, renewed every ${EVERY / 1000} s.`;
      if (summary.textContent !== text) summary.textContent = text;
      wrong.replaceChildren();
    } catch (error) {
      stumble(error, { signal, fail, wrong });
    }
  });
}

/** A poll that failed: what is shown stays, with the problem above it. Only what needs the person goes further. */
function stumble(error, { signal, fail, wrong }) {
  if (isAborted(error, signal)) return;
  if (!(error instanceof Failed) || error.problem.status === 401) fail(error);
  else if (error.problem.code !== "unreachable") replace(wrong, problemBox(error.problem));
}

/** Runs a request for each item, a few at a time. */
async function inTurn(items, request) {
  const results = new Array(items.length);
  let next = 0;
  const run = async () => {
    while (next < items.length) {
      const at = next;
      next += 1;
      results[at] = await request(items[at]);
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, run));
  return results;
}

function queueRow({ queue: of, settings, depth }) {
  const link = h("a", { href: `#/queues/${encodeURIComponent(of)}` }, name(of));
  const paused = settings.paused ? h("span", { class: "tag warn" }, "paused") : null;
  const figures = STATES.slice(0, 5).map((state) => {
    const isBad = state === "dead" && depth.dead > 0;
    return h("td", { class: isBad ? "figure bad" : "figure" }, count(depth[state]));
  });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, link, " ", paused),
    figures,
    h("td", { class: "figure" }, depth.oldest_ready_age === null ? "–" : apiDuration(depth.oldest_ready_age)),
  );
}

export async function queue({ main, params: [of], query, signal, setQuery, fail }) {
  const state = STATES.includes(query.get("state")) ? query.get("state") : "dead";
  const about = h("div", {});
  const wrong = h("div", {});
  const types = h("div", {});
  const workers = h("div", {});
  const classes = h("div", {});
  main.append(
    h("p", { class: "path" }, h("a", { href: "#/queues" }, "Queues"), " /"),
    heading(name(of)),
    wrong,
    about,
    types,
    tasksSection({ of, state, classes, signal, fail }),
    workers,
  );
  await every(EVERY, signal, async () => {
    try {
      const asked = [path`/v1/queues/${of}`, path`/v1/queues/${of}/workers`, path`/v1/queues/${of}/dead-letters`];
      const [found, seen, dead] = await inTurn(asked, (where) => get(where, { signal }));
      replace(about, queueFacts(found), stateLinks(of, found.depth, state));
      replace(types, typesTable(found.types));
      replace(workers, workersTable(seen));
      replace(classes, state === "dead" ? classesTable(dead) : "");
      wrong.replaceChildren();
    } catch (error) {
      stumble(error, { signal, fail, wrong });
    }
  });
}

function queueFacts({ settings, depth }) {
  return facts([
    ["Gives out tasks", settings.paused ? h("span", { class: "tag warn" }, "no, it is paused") : "yes"],
    ["Oldest ready task", depth.oldest_ready_age === null ? "none" : `${apiDuration(depth.oldest_ready_age)} ago`],
    ["Claims last", apiDuration(settings.claim_timeout)],
    ["Attempts", settings.retry ? count(settings.retry.attempts) : null],
    ["Keeps dead letters", apiDuration(settings.keep_dead)],
    ["At the same time", settings.concurrency ? count(settings.concurrency) : null],
    ["Breaker", settings.breaker ? visible(settings.breaker) : null],
    [
      "Events go to",
      settings.events
        ? h("a", { href: `#/streams/${encodeURIComponent(settings.events)}` }, name(settings.events))
        : null,
    ],
  ]);
}

/** The states as links, each with its number of tasks: they choose the list below. */
function stateLinks(of, depth, chosen) {
  const links = STATES.map((state) => {
    const isBad = state === "dead" && depth.dead > 0;
    const attributes = {
      href: `#/queues/${encodeURIComponent(of)}?state=${state}`,
      class: isBad ? "bad" : null,
      "aria-current": state === chosen ? "true" : null,
    };
    return h("li", {}, h("a", attributes, h("b", {}, count(depth[state])), " ", state));
  });
  return h("nav", { "aria-label": "Tasks by state" }, h("ul", { class: "states" }, links));
}

function table(title, columns, rows) {
  if (rows.length === 0) return "";
  return h(
    "div",
    { class: "scroller", role: "region", "aria-label": title, tabindex: "0" },
    h("h2", {}, title),
    h(
      "table",
      { class: "list" },
      h("caption", { class: "unseen" }, title),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((text) => h("th", { scope: "col" }, text)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map(([first, ...cells]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, first),
            cells.map((cell) => h("td", { class: "figure" }, cell)),
          ),
        ),
      ),
    ),
  );
}

function typesTable(types) {
  const columns = ["Type", ...STATES.slice(0, 5).map(capital), "Oldest ready"];
  const rows = types.map((type) => [
    h("bdi", {}, visible(type.type)),
    ...STATES.slice(0, 5).map((state) => count(type[state])),
    type.oldest_ready_age === null ? "–" : apiDuration(type.oldest_ready_age),
  ]);
  return table("Tasks by type", columns, rows);
}

function classesTable({ classes, more }) {
  const rows = classes.map(({ class: kind, tasks }) => [h("bdi", {}, visible(kind)), count(tasks)]);
  return table(
    more ? "Dead letters by class (the most frequent)" : "Dead letters by class",
    ["Class", "Tasks"],
    rows,
  );
}

function workersTable({ workers }) {
  const rows = workers.map((worker) => [
    h("bdi", {}, visible(worker.worker)),
    h("bdi", {}, visible(worker.types.join(", "))),
    worker.waiting ? "waits for a task" : "busy or gone",
    count(worker.tasks),
    `${apiDuration(worker.last_asked)} ago`,
  ]);
  return table("Workers that this node has seen", ["Worker", "Types", "State", "Tasks given", "Last asked"], rows);
}

/** The tasks in one state, read once: a list that changes while it is read helps nobody. */
function tasksSection({ of, state, classes, signal, fail }) {
  const list = h("ol", { class: "tasks", "aria-label": `Tasks in state ${state}` });
  const note = h("p", { class: "quiet" }, "Reading …");
  const more = h("button", { type: "button", hidden: true }, "More tasks");
  let next = path`/v1/queues/${of}/tasks` + queryOf({ state, limit: TASKS_PAGE });
  let isReading = false;
  const read = async (from) => {
    if (isReading) return;
    isReading = true;
    if (from !== undefined) {
      list.replaceChildren();
      next = from;
    }
    try {
      const page = await get(next, { signal });
      list.append(...page.tasks.map(taskItem));
      next = page.next;
      const isFull = list.childElementCount >= ROWS_MAX;
      more.hidden = next === null || isFull;
      const bound = isFull ? `, the most that this page shows` : "";
      note.textContent =
        list.childElementCount === 0
          ? `No task is ${state}.`
          : `${counted(list.childElementCount, "task")} shown${bound}.`;
    } catch (error) {
      if (!isAborted(error, signal)) fail(error);
    } finally {
      isReading = false;
    }
  };
  const first = next;
  more.addEventListener("click", () => read());
  const again = h("button", { type: "button", onclick: () => read(first) }, "Read again");
  read();
  const title = state === "dead" ? "Dead letters" : `Tasks that are ${state}`;
  return h(
    "div",
    { class: "part" },
    h("div", { class: "heading" }, h("h2", {}, title), again),
    classes,
    list,
    more,
    note,
  );
}

function taskItem(task) {
  const last = task.failures?.at(-1);
  const why = last
    ? [last.class, last.message].filter(Boolean).join(": ")
    : task.blocked_on
      ? `waits for ${task.blocked_on.reason}`
      : "";
  const whole = JSON.stringify(task, null, 2);
  const shown = cut(whole, TEXT_MAX);
  const detail = h("div", { class: "whole" });
  const open = (event) => {
    if (!event.target.open || detail.hasChildNodes()) return;
    const region = { tabindex: "0", role: "region", "aria-label": "the whole task" };
    detail.append(h("pre", region, h("code", {}, visible(shown))));
    if (shown.length < whole.length) detail.append(h("p", { class: "quiet" }, "The rest is not shown."));
  };
  return h(
    "li",
    {},
    h(
      "details",
      { ontoggle: open },
      h(
        "summary",
        {},
        h("bdi", { class: "id" }, visible(task.id)),
        h("bdi", { class: "type" }, visible(task.type)),
        h("span", { class: "attempts" }, counted(task.attempts, "attempt")),
        h("time", { datetime: task.enqueued }, time(task.enqueued)),
        h("bdi", { class: "preview" }, visible(cut(why, 240))),
      ),
      detail,
    ),
  );
}

function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}
