// The page as a whole: which view the address asks for, and whether the node responds.
//
// The address says everything that a view shows (`#/streams/cart-7?as_of=...`), so it can be sent to others. A token is
// never part of it.

import { Failed, isAborted } from "./api.js";
import { announce, h, heading, problemBox } from "./dom.js";
import { watchHealth } from "./health.js";
import { node } from "./node.js";
import { queue, queues } from "./queues.js";
import { stream } from "./stream.js";
import { streams } from "./streams.js";
import { askForToken, tokenPage } from "./token.js";

const VIEWS = [
  { path: ["streams"], page: "streams", view: streams, title: () => "Streams" },
  { path: ["streams", null], page: "streams", view: stream, title: (name) => name },
  { path: ["queues"], page: "queues", view: queues, title: () => "Queues" },
  { path: ["queues", null], page: "queues", view: queue, title: (name) => name },
  { path: ["node"], page: "node", view: node, title: () => "Node" },
  { path: ["token"], page: "token", view: tokenPage, title: () => "Token" },
];

const main = document.getElementById("main");
const shown = { leave: new AbortController(), failed: false, address: "" };

/** The address bar as a path of decoded names, and a query. */
function parseAddress() {
  const [where, ...rest] = location.hash.replace(/^#\/?/, "").split("?");
  const query = new URLSearchParams(rest.join("?"));
  try {
    return {
      path: where
        .split("/")
        .filter((part) => part !== "")
        .map(decodeURIComponent),
      query,
    };
  } catch {
    return { path: ["?"], query };
  }
}

function find(path) {
  const matches = (view) =>
    view.path.length === path.length && view.path.every((part, at) => part === null || part === path[at]);
  return VIEWS.find(matches);
}

/** Changes the query in the address without leaving the view. */
function setQuery(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== null && value !== "");
  const query = new URLSearchParams(set).toString();
  const [where] = location.hash.split("?");
  shown.address = query === "" ? where : `${where}?${query}`;
  history.replaceState(null, "", shown.address);
}

async function show(reason) {
  const { path, query } = parseAddress();
  if (path.length === 0) {
    history.replaceState(null, "", "#/streams");
    return show(reason);
  }
  shown.leave.abort();
  shown.leave = new AbortController();
  shown.failed = false;
  shown.address = location.hash;
  const { signal } = shown.leave;
  const found = find(path);
  const params = path.filter((_, at) => found?.path[at] === null);
  document.title = `${found ? found.title(...params) : "Not found"} · Mainstay`;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === found?.page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const section = h("section", {});
  main.replaceChildren(section);
  if (!found) {
    section.append(heading("This page does not exist"), h("p", {}, h("a", { href: "#/streams" }, "All streams")));
    return;
  }
  const fail = (error) => {
    if (!isAborted(error, signal)) showFailure(section, error);
  };
  try {
    const view = found.view({ main: section, params, query, signal, setQuery, fail });
    // The view has its heading now. Who followed a link goes on reading there.
    if (reason === "link") section.querySelector("h1")?.focus();
    await view;
  } catch (error) {
    fail(error);
  }
}

/** Shows why a view cannot be shown. A node that asks for a token gets a field for it. */
function showFailure(section, error) {
  if (!(error instanceof Failed)) console.error(error);
  const unexpected = {
    title: "This page has a fault",
    detail: String(error),
    action: "Load it again, and report the fault.",
  };
  const problem = error instanceof Failed ? error.problem : unexpected;
  shown.failed = true;
  if (problem.status === 401) {
    shown.leave.abort();
    section.replaceChildren(...askForToken(problem, () => show("link")));
    document.getElementById("token")?.focus();
    return;
  }
  section.querySelector(".problem.of-view")?.remove();
  const box = problemBox(problem);
  box.classList.add("of-view");
  section.append(box);
}

addEventListener("hashchange", () => {
  if (location.hash !== shown.address) show("link");
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.addEventListener("reachable", () => {
  announce("The node responds again.");
  if (shown.failed) show("again");
});

watchHealth();
show("start");
