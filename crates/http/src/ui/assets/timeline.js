// The time slider of a stream: chooses the moment as of which its history is shown.

import { h } from "./dom.js";
import { instant, time } from "./format.js";

/** Positions of the slider: from before the first event to the last event, and then now. */
const STEPS = 1_000;
const LAST_EVENT = STEPS - 1;
/** The most marks above the slider. */
export const MARKS_MAX = 60;
/** How long the slider must rest before its moment is read, in milliseconds. */
const REST = 90;

/** What a person may write for a moment, as the API takes it. `null` is now. */
export function writtenMoment(text) {
  const written = text.trim();
  if (written === "" || written.toLowerCase() === "now") return null;
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?$/i.exec(written);
  if (!match) return written;
  const [, day, minute = "00:00", second = ":00", zone = "Z"] = match;
  return `${day}T${minute}${second}${zone.toUpperCase()}`;
}

export class Timeline {
  #from = 0;
  #to = 1;
  #timer = 0;
  #marks = [];

  /** `onMoment` is called with a moment as the API takes it, or with null for now; `onStep` with -1 or 1. */
  constructor({ onMoment, onStep, signal }) {
    this.onMoment = onMoment;
    this.slider = h("input", {
      id: "slider",
      type: "range",
      min: "0",
      max: String(STEPS),
      step: "1",
      value: String(STEPS),
      "aria-describedby": "slider-about",
    });
    this.field = h("input", {
      id: "moment",
      type: "text",
      placeholder: "now",
      autocomplete: "off",
      spellcheck: "false",
      size: "26",
    });
    this.marks = h("div", { class: "marks", "aria-hidden": "true" });
    this.ends = h("p", { class: "ends quiet" });
    this.result = h("output", { class: "as-of", for: "slider moment" });
    this.slider.addEventListener("input", () => this.#moved());
    signal.addEventListener("abort", () => clearTimeout(this.#timer));
    this.element = this.#layout(onStep);
  }

  #layout(onStep) {
    const submit = (event) => {
      event.preventDefault();
      this.onMoment(writtenMoment(this.field.value));
    };
    const button = (text, listener, label) =>
      h("button", { type: "button", onclick: listener, "aria-label": label }, text);
    return h(
      "form",
      { class: "timeline", "aria-label": "Moment", onsubmit: submit },
      h(
        "div",
        { class: "row" },
        h("label", { for: "moment" }, "As of"),
        this.field,
        h("button", { type: "submit" }, "Show"),
        button("Now", () => this.onMoment(null)),
        h("span", { class: "gap" }),
        button("‹ Earlier", () => onStep(-1), "Earlier event"),
        button("Later ›", () => onStep(1), "Later event"),
      ),
      h("label", { class: "unseen", for: "slider" }, "Time"),
      h("div", { class: "track" }, this.marks, this.slider),
      this.ends,
      h(
        "p",
        { id: "slider-about", class: "unseen" },
        "From before the first event to the last one; the last position is now.",
      ),
      this.result,
    );
  }

  /**
   * The slider goes from a little before the first event to the last one, both in milliseconds. After that, nothing
   * changes until now, so its last position is now.
   */
  setBounds(first, last) {
    this.#from = Math.floor(first - Math.max(last - first, 1_000) * 0.02);
    this.#to = Math.max(last, first);
    const end = (ms, text) => h("time", { datetime: instant(ms) }, text);
    this.ends.replaceChildren(end(this.#from, time(instant(this.#from))), end(this.#to, "last event, now"));
    this.#drawMarks();
  }

  /** Marks the moments at which events were recorded. */
  mark(moments) {
    this.#marks = [...this.#marks, ...moments].slice(-MARKS_MAX);
    this.#drawMarks();
  }

  #drawMarks() {
    const drawn = this.#marks.map((ms) => {
      const mark = h("i", {});
      mark.style.left = `${(100 * this.#place(ms)) / STEPS}%`;
      return mark;
    });
    this.marks.replaceChildren(...drawn);
  }

  /** Shows a moment: as the API takes it, and in milliseconds; null for now. */
  set(moment, ms) {
    clearTimeout(this.#timer);
    this.slider.value = String(moment === null ? STEPS : Math.round(this.#place(ms)));
    this.field.value = moment ?? "";
    this.#say(moment === null ? "now" : time(instant(ms)));
  }

  /** Where a time is on the slider. */
  #place(ms) {
    const at = ((ms - this.#from) / (this.#to - this.#from)) * LAST_EVENT;
    return Math.min(Math.max(at, 0), LAST_EVENT);
  }

  #moved() {
    const at = Number(this.slider.value);
    const ms = Math.round(this.#from + ((this.#to - this.#from) * at) / LAST_EVENT);
    const moment = at === STEPS ? null : instant(ms);
    this.field.value = moment ?? "";
    this.#say(moment === null ? "now" : time(moment));
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.onMoment(moment), REST);
  }

  #say(text) {
    this.slider.setAttribute("aria-valuetext", text);
  }
}
