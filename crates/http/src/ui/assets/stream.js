// `#/streams/{stream}`: the history of a stream, as of any moment, and live.

import { Failed, get, isAborted, path, query as queryOf } from "./api.js";
import { announce, facts, h, heading, name, problemBox, replace } from "./dom.js";
import { EventList, ROWS_MAX } from "./events.js";
import { follow } from "./follow.js";
import { apiDuration, count, counted, duration, time } from "./format.js";
import { MARKS_MAX, Timeline } from "./timeline.js";

const PAGE = 50;
/** How many pages may be searched for an event of a type. */
const PAGES_MAX = 50;
/** Events that come within this time are shown together, in milliseconds. */
const GATHER = 100;
/** New events are told to a screen reader at most this often, in milliseconds. */
const TELL_EVERY = 3_000;
/** When not every event can have its mark on the time line, as many parts of the stream have one. */
const SAMPLE = 24;

export async function stream({ main, params: [stream], query, signal, setQuery, fail }) {
  await new History({ main, stream, query, signal, setQuery, fail }).begin();
}

class History {
  #loading = new AbortController();
  #following = null;
  /** What a start waits for; another choice in the meantime takes its place. */
  #starting = null;
  #readingOlder = false;
  /** The moment that is shown, or null for now; the newest event that it shows, and the last revision then. */
  #shown = { moment: null, newest: null };
  /** How the stream is now. */
  #head = { revision: null, first: null };
  #next = null;

  constructor(parts) {
    Object.assign(this, parts);
    this.where = path`/v1/streams/${this.stream}/events`;
    this.type = this.query.get("type") ?? "";
    this.events = new EventList();
    this.about = h("div", {});
    this.empty = h("p", { class: "empty", hidden: true });
    this.wrong = h("div", {});
    this.live = h("p", { class: "live", role: "status" });
    this.older = h("button", { type: "button", hidden: true }, "Older events");
    this.button = h(
      "button",
      { type: "button", class: "primary", "aria-pressed": "false", hidden: true },
      "Follow live",
    );
    const go = (moment) => this.show(moment).catch(this.fail);
    const step = (by) => this.step(by).catch(this.fail);
    this.timeline = new Timeline({ onMoment: go, onStep: step, signal: this.signal });
    this.older.addEventListener("click", () => this.readOlder().catch(this.fail));
    this.button.addEventListener("click", () => this.toggle());
    this.signal.addEventListener("abort", () => {
      this.#loading.abort();
      this.#following?.abort();
    });
  }

  async begin() {
    this.main.append(
      h("p", { class: "path" }, h("a", { href: "#/streams" }, "Streams"), " /"),
      heading(name(this.stream), this.button),
    );
    const [oldest, newest, settings] = await Promise.all([
      this.read({ limit: 1 }, this.signal),
      this.read({ limit: 1, direction: "backward" }, this.signal),
      get(path`/v1/streams/${this.stream}/settings`, { signal: this.signal }),
    ]);
    this.#head = { revision: newest.revision, first: newest.first };
    this.settings = settings;
    const [first] = oldest.events;
    this.firstMs = first ? Date.parse(first.recordedtime) : Date.now();
    this.newestNow = newest.events[0] ?? null;
    this.timeline.setBounds(this.firstMs, lastMs(newest) ?? this.firstMs);
    this.describe();
    const { timeline, live, wrong, empty, events, older } = this;
    this.main.append(
      this.about,
      timeline.element,
      this.typeForm(),
      live,
      wrong,
      empty,
      events.list,
      older,
      events.note,
    );
    this.button.hidden = false;
    await this.show(this.query.get("as_of"));
    this.markAll().catch((error) => isAborted(error, this.signal) || this.fail(error));
  }

  /** One page of the stream. */
  read(parameters, signal) {
    return get(this.where + queryOf(parameters), { signal });
  }

  typeForm() {
    const field = h("input", {
      id: "type",
      type: "search",
      value: this.type,
      placeholder: "any",
      autocomplete: "off",
      spellcheck: "false",
    });
    const submit = (event) => {
      event.preventDefault();
      this.type = field.value;
      this.stop();
      this.show(this.#shown.moment).catch(this.fail);
    };
    return h(
      "form",
      { class: "row filter", onsubmit: submit },
      h("label", { for: "type" }, "Only events of type"),
      field,
    );
  }

  describe() {
    const { revision, first } = this.#head;
    const { max_age: age, max_count: most, truncate_before: before } = this.settings;
    const keeps = [
      age === null ? null : `events of the last ${apiDuration(age)}`,
      most === null ? null : `the last ${counted(most, "event")}`,
      before === null ? null : `revisions from ${before} on`,
    ].filter(Boolean);
    replace(
      this.about,
      facts([
        ["Events", revision === null || first === null ? "none" : count(revision - first + 1)],
        [
          "Revisions",
          revision === null ? null : first === null ? `up to ${revision}, all removed` : `${first} to ${revision}`,
        ],
        ["Last event", this.newestNow ? time(this.newestNow.recordedtime) : null],
        ["Keeps", keeps.length === 0 ? "everything" : keeps.join(", ")],
      ]),
    );
  }

  /** Shows the stream as of a moment, or now. */
  async show(moment) {
    this.stop();
    this.#starting = null;
    this.#loading.abort();
    this.#loading = new AbortController();
    const { signal } = this.#loading;
    this.setQuery({ as_of: moment, type: this.type });
    this.wrong.replaceChildren();
    try {
      const query = { direction: "backward", limit: PAGE, as_of: moment, type: this.type };
      const page = await this.readOn(this.where + queryOf(query), signal);
      this.#shown = { moment, newest: page.events[0] ?? null };
      if (moment === null) this.isNow(page);
      this.events.show(page.events);
      this.#next = page.next;
      this.tell(page);
    } catch (error) {
      if (isAborted(error, signal)) return;
      if (!(error instanceof Failed) || error.problem.status === 401 || error.problem.code === "unreachable")
        throw error;
      // The moment may be one that cannot be shown. Another one can.
      this.events.show([]);
      this.older.hidden = true;
      this.empty.hidden = true;
      this.timeline.result.textContent = "";
      this.timeline.field.value = moment ?? "";
      this.wrong.replaceChildren(problemBox(error.problem));
    }
  }

  /** The page shows the stream as it is now. */
  isNow(page) {
    this.#head = { revision: page.revision, first: page.first };
    if (this.type === "") this.newestNow = page.events[0] ?? null;
    if (this.newestNow) this.timeline.setBounds(this.firstMs, Date.parse(this.newestNow.recordedtime));
    this.describe();
  }

  /** Reads pages until one has events. */
  async readOn(first, signal) {
    let page = await get(first, { signal });
    for (let pages = 1; page.events.length === 0 && page.next !== null && pages < PAGES_MAX; pages += 1) {
      page = await get(page.next, { signal });
    }
    return page;
  }

  /** Says what is shown. */
  tell(page) {
    const { moment, newest } = this.#shown;
    this.older.hidden = this.#next === null;
    const ms = momentMs(moment, page, newest) ?? this.firstMs;
    this.timeline.set(moment, ms);
    const { revision: last } = page;
    const kept = this.#head.first === null || last === null ? 0 : Math.max(0, last - this.#head.first + 1);
    const all = this.#head.first === null ? 0 : this.#head.revision - this.#head.first + 1;
    const at = moment === null ? "Now" : `As of ${time(new Date(ms).toISOString())}`;
    const where = last === null ? "the stream did not exist" : `revision ${last}`;
    const what = moment === null ? counted(all, "event") : `${count(kept)} of ${counted(all, "event")}`;
    this.timeline.result.textContent = `${at}: ${what}, ${where}`;
    this.empty.hidden = page.events.length > 0;
    this.empty.textContent = this.type !== "" ? "No event of this type." : emptyText(moment, this.#head);
  }

  async readOlder() {
    if (this.#readingOlder) return;
    this.#readingOlder = true;
    try {
      const page = await this.readOn(this.#next, this.#loading.signal);
      this.events.addOlder(page.events);
      this.#next = page.next;
      this.older.hidden = page.next === null;
    } finally {
      this.#readingOlder = false;
    }
  }

  /** Goes to the event before or after the newest one that is shown. */
  async step(by) {
    const { newest } = this.#shown;
    if (by < 0) {
      if (newest === null) return;
      const from = newest.revision - 1;
      const before =
        from < 0 || from < this.#head.first
          ? null
          : await this.read({ direction: "backward", from, limit: 1, type: this.type }, this.signal);
      const event = before?.events[0];
      await this.show(event ? event.cursor : new Date(Date.parse(newest.recordedtime) - 1).toISOString());
      return;
    }
    const from = newest === null ? (this.#head.first ?? 0) : newest.revision + 1;
    const after = await this.read({ from, limit: 1, type: this.type }, this.signal);
    const event = after.events[0];
    await this.show(event && event.revision < after.revision ? event.cursor : null);
  }

  /** Marks on the time line when events were recorded: all of a few, a sample of many. */
  async markAll() {
    const { first, revision } = this.#head;
    if (first === null) return;
    if (revision - first < MARKS_MAX) {
      const page = await this.read({ limit: MARKS_MAX }, this.signal);
      this.timeline.mark(page.events.map((event) => Date.parse(event.recordedtime)));
      return;
    }
    const moments = [];
    for (let part = 0; part <= SAMPLE; part += 1) {
      const from = first + Math.round(((revision - first) * part) / SAMPLE);
      const page = await this.read({ from, limit: 1 }, this.signal);
      if (page.events[0]) moments.push(Date.parse(page.events[0].recordedtime));
    }
    this.timeline.mark(moments);
  }

  toggle() {
    if (this.#following === null) this.start().catch(this.fail);
    else this.stop("Stopped. The list stays as it is.");
  }

  stop(said = "") {
    if (this.#following === null) return;
    this.#following.abort();
    this.#following = null;
    this.button.setAttribute("aria-pressed", "false");
    this.button.textContent = "Follow live";
    this.say("off", said);
  }

  async start() {
    const shown = this.show(null);
    const own = (this.#starting = {});
    await shown;
    if (this.#starting !== own || this.wrong.hasChildNodes()) return;
    this.#following = new AbortController();
    const { signal } = this.#following;
    this.button.setAttribute("aria-pressed", "true");
    this.button.textContent = "Stop following";
    const gathered = new Gathered((events) => this.arrived(events), signal);
    const onState = (state) => signal.aborted || this.onState(state);
    const begin = { from: String((this.#head.revision ?? -1) + 1) };
    const start = this.type === "" ? begin : { ...begin, type: this.type };
    await follow(this.where, { start, signal, onEvent: (event) => gathered.add(event), onState });
  }

  arrived(events) {
    const last = events.at(-1);
    this.#shown.newest = last;
    this.newestNow = last;
    this.#head.revision = last.revision;
    if (this.#head.first === null) this.firstMs = Date.parse(events[0].recordedtime);
    this.#head.first ??= events[0].revision;
    this.timeline.setBounds(this.firstMs, Date.parse(last.recordedtime));
    this.timeline.mark(events.map((event) => Date.parse(event.recordedtime)));
    this.empty.hidden = true;
    this.events.addNewer(events);
    this.timeline.result.textContent = `Now: revision ${last.revision}`;
    this.describe();
  }

  onState({ state, problem, waitMs }) {
    this.wrong.replaceChildren();
    if (state === "connecting") this.say("waiting", "Connecting …");
    if (state === "live") this.say("on", "Live: new events appear at the top.");
    if (state === "waiting")
      this.say(
        "waiting",
        `The connection ended. Trying again in ${duration(Math.max(waitMs, 1))}, from where it was.`,
      );
    if (state === "ended") {
      this.stop();
      this.wrong.replaceChildren(problemBox(problem));
      if (problem.status === 401) this.fail(new Failed(problem));
    }
  }

  say(state, text) {
    this.live.dataset.state = state;
    this.live.textContent = text;
  }
}

/** Gathers events that come quickly, so that the page changes a few times a second, and tells of them less often. */
class Gathered {
  #events = [];
  #showing = 0;
  #telling = 0;
  #untold = 0;

  constructor(show, signal) {
    this.show = show;
    signal.addEventListener("abort", () => {
      clearTimeout(this.#showing);
      clearTimeout(this.#telling);
    });
  }

  add(event) {
    this.#events.push(event);
    this.#untold += 1;
    // When more come than the page keeps, the newest are enough, and one more shows that others are left out.
    if (this.#events.length > 2 * ROWS_MAX) this.#events = this.#events.slice(-ROWS_MAX - 1);
    this.#showing ||= setTimeout(() => this.#flush(), GATHER);
    this.#telling ||= setTimeout(() => this.#tell(), TELL_EVERY);
  }

  #flush() {
    this.#showing = 0;
    const events = this.#events;
    this.#events = [];
    this.show(events);
  }

  #tell() {
    this.#telling = 0;
    announce(`${counted(this.#untold, "new event")}.`);
    this.#untold = 0;
  }
}

function lastMs(page) {
  return page.events[0] ? Date.parse(page.events[0].recordedtime) : null;
}

/** When a moment is: a cursor names no time, but the event that has it does. */
function momentMs(moment, page, newest) {
  if (moment === null) return Date.now();
  for (const text of [moment, page.as_of, newest?.recordedtime]) {
    const ms = Date.parse(/^[0-9a-f]{20}$/.test(text ?? "") ? "" : (text ?? ""));
    if (!Number.isNaN(ms)) return ms;
  }
  return null;
}

function emptyText(moment, head) {
  if (moment !== null) return "Nothing had been recorded by then.";
  return head.revision === null
    ? "This stream has no events yet. Follow it to see the first one."
    : "All events of this stream have been removed.";
}
