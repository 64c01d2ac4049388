// `#/streams`: finds streams by the beginning of their names.

import { get, isAborted, query as queryOf } from "./api.js";
import { announce, h, heading, name } from "./dom.js";
import { count, counted } from "./format.js";

const PAGE = 100;
/** The most streams in the page. */
const ROWS_MAX = 1_000;
/** How many pages may be searched before a stream is found. */
const PAGES_MAX = 100;
/** How long to wait for the next key before a search begins, in milliseconds. */
const TYPING = 150;

export async function streams({ main, query, signal, setQuery, fail }) {
  const field = h("input", {
    id: "prefix",
    type: "search",
    value: query.get("prefix") ?? "",
    placeholder: "such as cart-",
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-controls": "streams",
  });
  const summary = h("p", { class: "quiet", role: "status" });
  const body = h("tbody", {});
  const table = h(
    "table",
    { id: "streams", class: "list", hidden: true },
    h("caption", { class: "unseen" }, "Streams, in the order of their names"),
    h(
      "thead",
      {},
      h("tr", {}, ...["Stream", "Events", "Last revision"].map((text) => h("th", { scope: "col" }, text))),
    ),
    body,
  );
  const more = h("button", { type: "button", hidden: true }, "More streams");
  const search = new Search({ field, summary, table, body, more, signal, setQuery, fail });
  const submit = (event) => {
    event.preventDefault();
    body.querySelector("a")?.focus();
  };
  main.append(
    heading("Streams"),
    h(
      "form",
      { class: "search", role: "search", onsubmit: submit },
      h("label", { for: "prefix" }, "Name begins with"),
      field,
      h("p", { class: "quiet hint" }, "Enter or ↓ goes to the first stream, Esc comes back."),
    ),
    summary,
    table,
    more,
  );
  await search.begin();
}

class Search {
  #now = new AbortController();
  #found = [];
  #next = null;
  #isReading = false;

  constructor(parts) {
    this.parts = parts;
    const { field, body, more, signal } = parts;
    let timer = 0;
    const begin = () => this.begin().catch(parts.fail);
    field.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(begin, TYPING);
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown") return;
      event.preventDefault();
      body.querySelector("a")?.focus();
    });
    body.addEventListener("keydown", (event) => this.#move(event));
    more.addEventListener("click", () => this.#isReading || this.#read(this.#now.signal).catch(parts.fail));
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      this.#now.abort();
    });
  }

  /** Up and down in the list, and back to the field. */
  #move(event) {
    const links = [...this.parts.body.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    const to = { ArrowDown: links[at + 1], ArrowUp: links[at - 1] ?? this.parts.field, Escape: this.parts.field }[
      event.key
    ];
    if (!to) return;
    event.preventDefault();
    to.focus();
  }

  async begin() {
    this.#now.abort();
    this.#now = new AbortController();
    const { signal } = this.#now;
    const prefix = this.parts.field.value;
    this.parts.setQuery({ prefix });
    this.#found = [];
    this.#next = `/v1/streams${queryOf({ prefix, limit: PAGE })}`;
    await this.#read(signal);
  }

  /** Reads on until there is something to show. A page may be empty and still have a next one. */
  async #read(signal) {
    const { summary } = this.parts;
    const before = this.#found.length;
    summary.textContent = "Searching …";
    this.#isReading = true;
    try {
      for (let pages = 0; this.#next !== null && pages < PAGES_MAX && this.#found.length === before; pages += 1) {
        const page = await get(this.#next, { signal });
        this.#found.push(...page.streams);
        this.#next = page.next;
      }
    } catch (error) {
      if (isAborted(error, signal)) return;
      summary.textContent = "";
      this.#isReading = false;
      throw error;
    }
    this.#isReading = false;
    this.#show();
  }

  #show() {
    const { field, summary, table, body, more } = this.parts;
    this.parts.table.parentElement.querySelector(".problem")?.remove();
    const order = new Intl.Collator("en", { numeric: true });
    const rows = this.#found.toSorted((a, b) => order.compare(a.stream, b.stream)).slice(0, ROWS_MAX);
    body.replaceChildren(...rows.map(row));
    table.hidden = rows.length === 0;
    const isFull = this.#found.length >= ROWS_MAX;
    more.hidden = this.#next === null || isFull;
    summary.textContent = said(rows.length, field.value, this.#next !== null, isFull);
    announce(summary.textContent);
  }
}

function said(found, prefix, goesOn, isFull) {
  const where = prefix === "" ? "" : ` whose names begin with “${prefix}”`;
  if (found === 0 && goesOn) return `No stream${where} yet. There is more to search.`;
  if (found === 0) return prefix === "" ? "There is no stream yet." : `No stream${where}.`;
  if (isFull && goesOn)
    return `${count(found)} streams${where}, the most that this page shows: type more of the name.`;
  return `${counted(found, "stream")}${where}${goesOn ? ", and there are more" : ""}.`;
}

function row({ stream, first, revision }) {
  const kept = first === null || revision === null ? 0 : revision - first + 1;
  const link = h("a", { href: `#/streams/${encodeURIComponent(stream)}` }, name(stream));
  const last = revision === null ? "–" : String(revision);
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, link),
    h("td", { class: "figure" }, count(kept)),
    h("td", { class: "figure" }, last),
  );
}
