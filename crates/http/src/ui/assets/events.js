// A list of events, newest first, of which the page keeps a bounded number.

import { h, visible } from "./dom.js";
import { counted, cut, dataText, time } from "./format.js";

/** The most events in the page. */
export const ROWS_MAX = 300;
/** How much of the data is in the line of an event, and how much when it is opened; in characters. */
const PREVIEW = 240;
const DATA_MAX = 32_768;
/** Attributes that the line shows, or the data. */
const SHOWN = ["data", "data_base64", "revision", "stream"];

export class EventList {
  #trimmed = { newer: false, older: false };

  constructor() {
    this.list = h("ol", { class: "events", "aria-label": "Events, newest first" });
    this.note = h("p", { class: "quiet bound" });
  }

  /** Shows these events and no others. */
  show(events) {
    this.#trimmed = { newer: false, older: false };
    this.list.replaceChildren(...events.map((event) => item(event)));
    this.#say();
  }

  /** Adds events that are older than all others. */
  addOlder(events) {
    this.list.append(...events.map((event) => item(event)));
    while (this.list.childElementCount > ROWS_MAX) {
      this.list.firstElementChild.remove();
      this.#trimmed.newer = true;
    }
    this.#say();
  }

  /** Adds events as they come: in order, the newest last. */
  addNewer(events) {
    this.#trimmed.older ||= events.length > ROWS_MAX;
    this.list.prepend(
      ...events
        .slice(-ROWS_MAX)
        .reverse()
        .map((event) => item(event, "new")),
    );
    while (this.list.childElementCount > ROWS_MAX) {
      this.list.lastElementChild.remove();
      this.#trimmed.older = true;
    }
    this.#say();
  }

  #say() {
    const { newer, older } = this.#trimmed;
    const which = newer ? ", newer ones are left out" : older ? ", older ones are left out" : "";
    const size = this.list.childElementCount;
    const said = `${counted(size, "event")} shown${which}. This page keeps at most ${ROWS_MAX} events.`;
    this.note.textContent = size === 0 ? "" : said;
  }
}

function item(event, kind = "") {
  const data = dataText(event);
  const shown = h("div", { class: "whole" });
  // An event may be large. What is not shown is not kept.
  const { attributes, pretty } = kept(event, data);
  const open = (toggled) => {
    if (!toggled.target.open || shown.hasChildNodes()) return;
    shown.append(attributes, ...pretty());
  };
  return h(
    "li",
    { class: kind, "data-revision": event.revision },
    h(
      "details",
      { ontoggle: open },
      h(
        "summary",
        {},
        h("span", { class: "revision" }, h("span", { class: "unseen" }, "revision "), String(event.revision)),
        h("time", { datetime: event.recordedtime }, time(event.recordedtime)),
        h("bdi", { class: "type" }, visible(event.type)),
        h("bdi", { class: "preview" }, visible(cut(data, PREVIEW))),
      ),
      shown,
    ),
  );
}

/** What an opened event shows. */
function kept(event, data) {
  const terms = Object.keys(event).filter((key) => !SHOWN.includes(key));
  const attributes = h(
    "dl",
    { class: "attributes" },
    terms.map((key) => {
      const value = typeof event[key] === "string" ? event[key] : JSON.stringify(event[key]);
      return h("div", {}, h("dt", {}, visible(key)), h("dd", {}, h("bdi", {}, visible(value))));
    }),
  );
  const kind = event.data_base64 !== undefined ? "data, as base64" : "data";
  const block = (text) =>
    h("pre", { tabindex: "0", role: "region", "aria-label": kind }, h("code", {}, visible(text)));
  if (data === "") return { attributes, pretty: () => [h("p", { class: "quiet" }, "This event has no data.")] };
  if (data.length <= DATA_MAX) return { attributes, pretty: () => [block(dataText(event, 2))] };
  return { attributes, pretty: beginning(cut(data, DATA_MAX), data.length, block) };
}

/** Shows the beginning of large data, and keeps no more of it. */
function beginning(text, length, block) {
  const left = `${counted(length - text.length, "more character")}, which this page does not show.`;
  return () => [block(text), h("p", { class: "quiet" }, left)];
}
