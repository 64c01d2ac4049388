// Whether the node responds: asks `/readyz`, which needs no token, and says so at the top of the page.

import { h } from "./dom.js";

const EVERY = 5_000;
/** While the node does not respond, it is asked more often. */
const EVERY_DOWN = 1_500;
const RESPONSE_MAX = 5_000;

const line = document.getElementById("health");
const outage = document.getElementById("outage");
const state = { last: null, lastResponse: null, timer: 0, asking: false };

async function ask() {
  const down = (detail) => ({ state: "down", words: "Not reachable", detail, reachable: false });
  try {
    const response = await fetch("/readyz", { cache: "no-store", signal: AbortSignal.timeout(RESPONSE_MAX) });
    const answer = await response.json().catch(() => ({}));
    state.lastResponse = new Date();
    if (response.ok && answer.read_only) {
      return {
        state: "warn",
        words: "Read-only",
        detail: `The node refuses writes: ${answer.read_only}`,
        reachable: true,
      };
    }
    if (response.ok) return { state: "ok", words: "Ready", detail: null, reachable: true };
    const detail = [answer.title, answer.detail, answer.action].filter(Boolean).join(". ");
    return { state: "warn", words: "Not ready", detail: detail || `status ${response.status}`, reachable: false };
  } catch {
    const since = state.lastResponse?.toISOString().slice(11, 19);
    return down(`The node does not respond${since ? ` since ${since}` : ""}. This page goes on as soon as it does.`);
  }
}

async function check() {
  if (state.asking) return;
  state.asking = true;
  const found = await ask();
  state.asking = false;
  clearTimeout(state.timer);
  state.timer = setTimeout(check, found.reachable ? EVERY : EVERY_DOWN);
  const before = state.last;
  if (before?.state === found.state && before.detail === found.detail) return;
  state.last = found;
  line.dataset.state = found.state;
  line.querySelector(".words").textContent = found.words;
  outage.hidden = found.detail === null;
  outage.replaceChildren(...(found.detail === null ? [] : [h("p", {}, found.detail)]));
  if (found.reachable && before !== null && !before.reachable) document.dispatchEvent(new Event("reachable"));
}

/** Asks from now on, and at once when a request of the page fails. */
export function watchHealth() {
  document.addEventListener("unreachable", check);
  document.addEventListener("visibilitychange", () => document.hidden || check());
  check();
}
