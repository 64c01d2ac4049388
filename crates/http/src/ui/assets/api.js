// Requests to the public HTTP API. The token goes into a header and nowhere else.

const TOKEN_KEY = "mainstay-token";
/** A response that takes longer than this, in milliseconds, will not come. */
const RESPONSE_MAX = 20_000;

let tokenInMemory = null;

/** The token of this tab, if it has one. */
export function token() {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? tokenInMemory;
  } catch {
    return tokenInMemory;
  }
}

export function setToken(text) {
  tokenInMemory = text;
  try {
    if (text === null) sessionStorage.removeItem(TOKEN_KEY);
    else sessionStorage.setItem(TOKEN_KEY, text);
  } catch {
    // A browser without storage keeps the token until the page is left.
  }
}

/** A request that failed, as the API tells it: title, detail, action, status, code. */
export class Failed extends Error {
  constructor(problem) {
    super(problem.title);
    this.problem = problem;
  }
}

export function headers(more = {}, own = token()) {
  return own === null ? more : { ...more, authorization: `Bearer ${own}` };
}

/** A path with names in it: path`/v1/streams/${name}/events`. */
export function path(texts, ...names) {
  return texts.reduce((all, text, at) => {
    const name = names[at - 1];
    if (name === "." || name === "..") {
      throw new Failed({
        title: `A browser cannot ask for the name “${name}”`,
        detail: "It takes a path with this name for another path.",
        action: "Use the command line, such as `mainstay read`, or read the whole store with a prefix.",
      });
    }
    return all + encodeURIComponent(name.toWellFormed?.() ?? name) + text;
  });
}

/** A query without the parameters that are not set. */
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(set).toString();
  return text === "" ? "" : `?${text}`;
}

/** Numbers that JavaScript would round are kept as they were written. */
function exact(key, value, context) {
  const source = context?.source;
  if (typeof value !== "number" || source === undefined || source === String(value)) return value;
  return JSON.rawJSON ? JSON.rawJSON(source) : value;
}

export function parse(text) {
  return JSON.parse(text, exact);
}

/** What went wrong when no response came. */
export function unreachable(where, error) {
  const late = error?.name === "TimeoutError";
  return new Failed({
    title: "The node does not respond",
    detail: late ? `${where}: no response within ${RESPONSE_MAX / 1000} s` : `${where}: ${error?.message ?? error}`,
    action: "Check that the node is running and that this machine can reach it. This page tries again by itself.",
    code: "unreachable",
    retryable: true,
  });
}

/** The problem of a response that is not a success. */
export async function refusal(response) {
  const text = await response.text().catch(() => "");
  try {
    const problem = JSON.parse(text);
    if (typeof problem.title === "string") return new Failed({ status: response.status, ...problem });
  } catch {
    // Not from the node: a proxy's page, perhaps.
  }
  const title = `The response has status ${response.status}`;
  return new Failed({
    title,
    detail: text.slice(0, 200),
    action: "Is there a proxy between?",
    status: response.status,
  });
}

/** Whether a request ended because its page was left. */
export function isAborted(error, signal) {
  return signal?.aborted === true || error?.name === "AbortError";
}

async function send(where, { signal, own, accept } = {}) {
  if (!where.startsWith("/") || where.startsWith("//"))
    throw new Failed({ title: "This is no path of the node", detail: where });
  const timeout = AbortSignal.timeout(RESPONSE_MAX);
  const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
  try {
    const response = await fetch(where, {
      headers: headers(accept ? { accept } : {}, own),
      signal: either,
      cache: "no-store",
    });
    if (!response.ok) throw await refusal(response);
    return await response.text();
  } catch (error) {
    if (error instanceof Failed || signal?.aborted) throw error;
    document.dispatchEvent(new Event("unreachable"));
    throw unreachable(`GET ${where.split("?")[0]}`, error);
  }
}

/** The JSON of a response. */
export async function get(where, options) {
  return parse(await send(where, { accept: "application/json", ...options }));
}

/** The text of a response. */
export function getText(where, options) {
  return send(where, options);
}
