// Follows events: server-sent events over fetch, because EventSource cannot send a token in a header.
//
//   connecting ─► live ─► (end of the connection) ─► waiting ─► connecting ...
//        └────────────────────────────────────────► ended: a problem that trying again does not solve
//
// A reconnect goes on after the last cursor that was received.

import { Failed, headers, parse, refusal, unreachable } from "./api.js";

/** The node sends something at least this often, in seconds. */
const KEEP_ALIVE_S = 5;
/** A connection that is silent for longer, in milliseconds, is broken. */
const SILENCE_MAX = 12_000;
const WAIT_FIRST = 500;
const WAIT_MAX = 15_000;
/** The most characters of a message: an event has at most 1 MiB of data, and escapes make it longer. */
const MESSAGE_MAX = 16 << 20;

/** Reads server-sent events from text that comes in parts. */
export class Messages {
  #rest = "";
  #message = { name: "", data: [], size: 0 };
  #lastId = "";

  /** The messages that end in this part. */
  push(part) {
    const messages = [];
    // A part may end between the two characters of a line's end.
    const text = this.#rest + part;
    const ends = /\r\n|\n|\r(?!$)/g;
    let from = 0;
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      const message = this.#line(text.slice(from, end.index));
      if (message !== null) messages.push(message);
      from = ends.lastIndex;
    }
    this.#rest = text.slice(from);
    if (this.#rest.length + this.#message.size > MESSAGE_MAX) throw new Error("a message is too long");
    return messages;
  }

  #line(line) {
    if (line === "") {
      const { name, data } = this.#message;
      this.#message = { name: "", data: [], size: 0 };
      if (data.length === 0) return null;
      return { name: name || "message", data: data.join("\n"), id: this.#lastId };
    }
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#message.name = value;
    else if (field === "id" && !value.includes("\0")) this.#lastId = value;
    else if (field === "data") {
      this.#message.data.push(value);
      this.#message.size += value.length;
    }
    return null;
  }
}

/** How long to wait before this attempt, in milliseconds: a random part keeps many pages apart. */
export function waitBefore(attempt) {
  return Math.min(WAIT_MAX, WAIT_FIRST * 2 ** (attempt - 1)) * (0.5 + Math.random() / 2);
}

/**
 * Follows until the signal is aborted. `start` has the query of the first connection; later ones go on after the last
 * cursor. Calls `onEvent(event)` and `onState({ state, problem, waitMs })`.
 */
export async function follow(where, { start, signal, onEvent, onState }) {
  const reader = { cursor: null, store: null };
  let attempt = 0;
  while (!signal.aborted) {
    onState({ state: "connecting" });
    let problem = null;
    let retryAfterMs = 0;
    try {
      await connect(where, start, reader, signal, onEvent, () => {
        if (!signal.aborted) onState({ state: "live" });
        attempt = 0;
      });
    } catch (error) {
      if (signal.aborted) return;
      problem = error instanceof Failed ? error.problem : unreachable("The subscription", error).problem;
      if (!(problem.retryable || problem.status >= 500)) {
        onState({ state: "ended", problem });
        return;
      }
      retryAfterMs = error.retryAfterMs ?? 0;
    }
    if (signal.aborted) return;
    attempt += 1;
    const waitMs = Math.max(waitBefore(attempt), retryAfterMs);
    onState({ state: "waiting", problem, waitMs });
    document.dispatchEvent(new Event("unreachable"));
    await pause(waitMs, signal);
  }
}

async function connect(where, start, reader, signal, onEvent, onLive) {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MAX);
  const isAlive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE_MAX);
  };
  const more = { accept: "text/event-stream" };
  if (reader.cursor !== null) more["last-event-id"] = reader.cursor;
  // A cursor belongs to its store: another one must not go on with it.
  if (reader.cursor !== null && reader.store !== null) more["mainstay-store"] = reader.store;
  const parameters = new URLSearchParams({
    ...(reader.cursor === null ? start : {}),
    keep_alive: `${KEEP_ALIVE_S}s`,
  });
  try {
    const either = AbortSignal.any([signal, silence.signal]);
    const response = await fetch(`${where}?${parameters}`, {
      headers: headers(more),
      signal: either,
      cache: "no-store",
    });
    if (!response.ok) {
      const failed = await refusal(response);
      failed.retryAfterMs = Number(response.headers.get("retry-after") ?? 0) * 1000;
      throw failed;
    }
    reader.store = response.headers.get("mainstay-store");
    onLive();
    await receive(response.body, reader, onEvent, isAlive);
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

/** Receives until the node ends the connection. */
async function receive(body, reader, onEvent, isAlive) {
  const messages = new Messages();
  const decoder = new TextDecoder();
  for (const bytes = body.getReader(); ;) {
    const { done, value } = await bytes.read();
    if (done) return;
    isAlive();
    for (const message of messages.push(decoder.decode(value, { stream: true }))) {
      if (message.name === "end") return;
      if (message.name === "problem") throw new Failed(parse(message.data));
      if (message.name === "message") onEvent(parse(message.data));
      if (message.id !== "") reader.cursor = message.id;
    }
  }
}

/** Waits, or less if the signal is aborted or the page hears that the node is back. */
function pause(ms, signal) {
  return new Promise((done) => {
    const end = () => {
      clearTimeout(timer);
      document.removeEventListener("reachable", end);
      signal.removeEventListener("abort", end);
      done();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    document.addEventListener("reachable", end);
  });
}
