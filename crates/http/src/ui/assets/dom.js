// Builds elements. Whatever is shown goes in as text, never as markup, so data of any form stays data.

/** An element: attributes, listeners (`onclick: f`), and children, of which strings become text. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Replaces an element's children, unless they would look the same: then focus and selection stay. */
export function replace(element, ...children) {
  const next = document.createElement("div");
  next.append(...children.flat().filter((child) => child !== null && child !== undefined));
  if (!next.isEqualNode(withChildren(element))) element.replaceChildren(...next.childNodes);
}

function withChildren(element) {
  const copy = document.createElement("div");
  copy.append(...[...element.childNodes].map((node) => node.cloneNode(true)));
  return copy;
}

// Characters that change how the text around them looks: direction marks, and invisible ones.
const DECEPTIVE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g;

/** Text in which characters that hide or reorder others can be seen. */
export function visible(text) {
  return String(text).replace(DECEPTIVE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** A name of the store, such as a stream's. */
export function name(text) {
  return h("bdi", { class: "name" }, visible(text));
}

const announcer = document.getElementById("announcer");

/** Tells people who use a screen reader. */
export function announce(text) {
  announcer.textContent = text;
}

/** A problem with its title, its detail and what to do about it. */
export function problemBox(problem, ...more) {
  return h(
    "div",
    { class: "problem", role: "alert" },
    h("h2", {}, visible(problem.title)),
    problem.detail ? h("p", {}, visible(problem.detail)) : null,
    problem.action ? h("p", { class: "action" }, visible(problem.action)) : null,
    problem.code ? h("p", { class: "code" }, [problem.status, problem.code].filter(Boolean).join(" ")) : null,
    ...more,
  );
}

/** A list of facts: pairs of a term and what it is. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined);
  return h(
    "dl",
    { class: "facts" },
    shown.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))),
  );
}

/** The head of a page: where it is, and its name, which gets the focus when the page is opened. */
export function heading(title, ...beside) {
  return h("div", { class: "heading" }, h("h1", { tabindex: "-1" }, title), ...beside);
}
