// @ts-check
/** Making things go wrong: of the REST API, and of the gateway. */

import { el } from "../dom.js";
import { iconButton } from "../icon.js";

/** @typedef {import("../api.js").Json} Json */

/** @type {{label: string, about: string, fault: Json}[]} what goes wrong most often, ready to press */
const READY = [
  {
    label: "Server error, nothing happened",
    about: "500 to the next edit or message",
    fault: { kind: "error", status: 500, method: "*", path: "/webhooks/*" },
  },
  {
    label: "Server error although it happened",
    about: "502 after the next edit or message",
    fault: { kind: "error_after", status: 502, path: "/webhooks/*" },
  },
  {
    label: "Reply lost",
    about: "it happens, and the line closes",
    fault: { kind: "lost", path: "/webhooks/*" },
  },
  {
    label: "Slow answers",
    about: "the next 5 calls take 4 s",
    fault: { kind: "delay", seconds: 4, times: 5 },
  },
  {
    label: "Slow acknowledgement",
    about: "the next answer comes after 4 s",
    fault: { kind: "delay", seconds: 4, path: "/interactions/*" },
  },
  {
    label: "Too large",
    about: "413 to the next upload",
    fault: {
      kind: "error",
      status: 413,
      code: 40005,
      message: "Request entity too large",
      path: "/webhooks/*",
    },
  },
  {
    label: "Rate limit, of the user",
    about: "429 for 3 s",
    fault: { kind: "rate_limit", seconds: 3, scope: "user" },
  },
  {
    label: "Rate limit, shared",
    about: "429 for 3 s",
    fault: { kind: "rate_limit", seconds: 3, scope: "shared" },
  },
  {
    label: "Rate limit, global",
    about: "429 for 3 s",
    fault: { kind: "rate_limit", seconds: 3, scope: "global" },
  },
  {
    label: "Banned by Cloudflare",
    about: "429 without Via",
    fault: { kind: "rate_limit", seconds: 3, scope: "global", via: false },
  },
];
/** @type {{label: string, about: string, fault: Json}[]} */
const GATEWAY = [
  { label: "Reconnect", about: "op 7", fault: { reconnect: true } },
  { label: "Invalid session, resumable", about: "op 9, true", fault: { invalidate: true, resumable: true } },
  { label: "Invalid session", about: "op 9, false", fault: { invalidate: true } },
  { label: "Close", about: "code 4000", fault: { close: 4000 } },
  { label: "Cut the line", about: "no close frame", fault: { drop: true } },
  { label: "Stop acknowledging heartbeats", about: "", fault: { acknowledge: false } },
  { label: "Acknowledge heartbeats again", about: "", fault: { acknowledge: true } },
];
const KINDS = ["error", "error_after", "lost", "delay", "rate_limit"];

export class Faults {
  /** @param {import("../api.js").PersonApi} api @param {(text: string) => void} say */
  constructor(api, say) {
    this._api = api;
    this._say = say;
    this._list = el("ul", { class: "in-force", role: "list", "aria-label": "Faults in force" });
    this.element = el(
      "div",
      { class: "panel-page" },
      el(
        "section",
        {},
        el(
          "header",
          {},
          el("h3", {}, "In force"),
          iconButton("close", "Clear all faults", () => this._do("faults", {}, "DELETE")),
        ),
        this._list,
      ),
      el("section", {}, el("h3", {}, "Next call goes wrong"), this._buttons(READY, "faults")),
      el("section", {}, el("h3", {}, "Gateway"), this._buttons(GATEWAY, "gateway")),
      this._own(),
    );
  }

  /** @param {{label: string, about: string, fault: Json}[]} ready @param {string} call */
  _buttons(ready, call) {
    return el(
      "div",
      { class: "fault-buttons" },
      ready.map(({ label, about, fault }) =>
        el(
          "button",
          { type: "button", class: "fault", onclick: () => this._do(call, fault, "POST", label) },
          el("span", {}, label),
          about ? el("small", {}, about) : null,
        ),
      ),
    );
  }

  /** A fault in all its parts. */
  _own() {
    const kind = el(
      "select",
      { name: "kind", "aria-label": "Kind" },
      KINDS.map((each) => el("option", { value: each }, each)),
    );
    const box = (/** @type {string} */ name, /** @type {string} */ value, type = "text") =>
      el("label", {}, el("span", {}, name), el("input", { name, type, value, min: "0" }));
    const form = el(
      "form",
      { class: "own-fault" },
      el("h3", {}, "Another fault"),
      el("label", {}, el("span", {}, "kind"), kind),
      box("method", "*"),
      box("path", "/channels/*/messages"),
      box("times", "1", "number"),
      box("status", "500", "number"),
      box("seconds", "0", "number"),
      el("button", { type: "submit", class: "button is-secondary" }, "Add fault"),
    );
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const given = Object.fromEntries(new FormData(form).entries());
      void this._do(
        "faults",
        {
          ...given,
          times: Number(given.times),
          status: Number(given.status),
          seconds: Number(given.seconds),
        },
        "POST",
        `Fault ${given.kind}`,
      );
    });
    return el("section", {}, form);
  }

  /** @param {string} call @param {Json} body @param {string} method @param {string} [label] */
  async _do(call, body, method, label = "Faults cleared") {
    try {
      await this._api.world(call, body, method);
      this._say(label);
    } catch (error) {
      this._say(error instanceof Error ? error.message : String(error));
    }
    await this.refresh();
  }

  async refresh() {
    const rules = await this._api.read("faults").catch(() => []);
    const rows = rules.map((/** @type {Json} */ each) =>
      el(
        "li",
        {},
        el("code", {}, `${each.kind} ${each.method} ${each.path}`),
        el("small", {}, ` ${each.times}×`),
      ),
    );
    this._list.replaceChildren(...(rows.length ? rows : [el("li", { class: "empty" }, "None.")]));
  }
}
