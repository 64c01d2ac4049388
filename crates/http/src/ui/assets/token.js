// The field for a token. The token stays in this tab (`sessionStorage`), and leaves it in the `Authorization` header
// only.

import { Failed, get, setToken, token } from "./api.js";
import { h, heading, problemBox } from "./dom.js";

/** What to show when the node asks for a token. `onAccepted` is called once it has accepted one. */
export function askForToken(problem, onAccepted) {
  const wrong = h("div", { id: "token-problem" });
  if (problem.code !== "token_missing") wrong.append(problemBox(problem));
  return [heading("This node asks for a token"), wrong, form(wrong, onAccepted)];
}

function form(wrong, onAccepted) {
  const field = h("input", {
    id: "token",
    type: "password",
    required: true,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    "aria-describedby": "token-about token-problem",
  });
  const send = async (event) => {
    event.preventDefault();
    const problem = await tried(field.value.trim());
    wrong.replaceChildren(...(problem === null ? [] : [problemBox(problem)]));
    field.setAttribute("aria-invalid", String(problem !== null));
    if (problem === null) onAccepted();
    else field.focus();
  };
  return h(
    "form",
    { class: "token", onsubmit: send },
    h("label", { for: "token" }, "Access token"),
    h("div", { class: "row" }, field, h("button", { type: "submit", class: "primary" }, "Use this token")),
    h(
      "p",
      { id: "token-about", class: "quiet" },
      "It stays in this browser tab until you close it, and is sent only in the Authorization header. ",
      "A token with the role ",
      h("code", {}, "read"),
      " is enough: ",
      h("code", {}, "mainstay token new --role read"),
    ),
  );
}

/** Keeps the token if the node accepts it. Otherwise returns why not. */
async function tried(text) {
  if (!/^[\x21-\x7e]+$/.test(text)) {
    return {
      title: "This is no token",
      detail: "A token has visible ASCII characters only.",
      action: "Copy it again.",
    };
  }
  try {
    await get("/v1", { own: text });
    setToken(text);
    return null;
  } catch (error) {
    return error instanceof Failed ? error.problem : { title: "The token could not be tried", detail: String(error) };
  }
}

/** `#/token` */
export async function tokenPage({ main }) {
  const wrong = h("div", { id: "token-problem" });
  const show = (said) => {
    const forget = () => {
      setToken(null);
      show("The token is forgotten.");
    };
    const has = token() !== null;
    main.replaceChildren(
      heading("Token"),
      h("p", { role: "status" }, said ?? (has ? "This tab has a token." : "This tab has no token.")),
      has ? h("p", {}, h("button", { type: "button", onclick: forget }, "Forget the token")) : "",
      wrong,
      form(wrong, () => show("The node accepts the token.")),
    );
  };
  show();
}
