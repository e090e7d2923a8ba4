// @ts-check
/** What goes over the wire between the bot and the playground: calls with their answers, and events. */

import { el } from "../dom.js";
import { iconButton } from "../icon.js";
import { copy, pretty } from "./json.js";

/** @typedef {import("../api.js").Json} Json */

const MOST = 500; // rows in the page
const KINDS = ["all", "calls", "events", "errors"];

export class Traffic {
  /** @param {import("../api.js").PersonApi} api @param {(text: string) => void} say */
  constructor(api, say) {
    this._api = api;
    this._say = say;
    /** @type {Json[]} */
    this._entries = [];
    this._newest = 0;
    this._busy = false;
    this._filter = el("input", {
      type: "search",
      placeholder: "Filter",
      "aria-label": "Filter the traffic",
      oninput: () => this._draw(),
    });
    this._kind = el(
      "select",
      { "aria-label": "Kind of traffic", onchange: () => this._draw() },
      KINDS.map((kind) => el("option", { value: kind }, kind)),
    );
    this._list = el("ol", { class: "traffic", role: "list", "aria-label": "Traffic" });
    this._count = el("small", { class: "traffic-count" });
    this.element = el(
      "div",
      { class: "panel-page" },
      el(
        "div",
        { class: "panel-bar" },
        this._filter,
        this._kind,
        iconButton("copy", "Copy what is shown", () => this._copyAll()),
        iconButton("close", "Clear the list", () => this._clear()),
      ),
      this._list,
      this._count,
    );
  }

  /** Fetch what is new. @param {number} newest the number of the latest entry there is */
  async follow(newest) {
    if (this._busy || newest <= this._newest) return;
    this._busy = true;
    try {
      const fresh = await this._api.read("traffic", { since: String(this._newest) });
      if (!fresh.length) return;
      this._newest = fresh.at(-1).number;
      this._entries = [...this._entries, ...fresh].slice(-MOST);
      this._append(fresh);
    } catch {
      // the connection line tells that the playground is gone; the next tick tries again
    } finally {
      this._busy = false;
    }
  }

  /** @param {Json[]} fresh */
  _append(fresh) {
    const end = this._list.scrollHeight - this._list.scrollTop - this._list.clientHeight < 60;
    this._list.append(...fresh.filter((each) => this._fits(each)).map((each) => this._row(each)));
    while (this._list.childElementCount > MOST) this._list.firstElementChild?.remove();
    this._counted();
    if (end) this._list.scrollTop = this._list.scrollHeight;
  }

  _draw() {
    this._list.replaceChildren();
    this._append(this._entries);
    this._list.scrollTop = this._list.scrollHeight;
  }

  _counted() {
    this._count.textContent = `${this._list.childElementCount} of ${this._entries.length} shown`;
  }

  _clear() {
    this._entries = [];
    this._draw();
  }

  /** @param {Json} entry */
  _fits(entry) {
    const kind = this._kind.value;
    if (kind === "calls" && entry.kind === "event") return false;
    if (kind === "events" && entry.kind !== "event") return false;
    if (kind === "errors" && !isError(entry)) return false;
    const wanted = this._filter.value.trim().toLowerCase();
    return !wanted || JSON.stringify(entry).toLowerCase().includes(wanted);
  }

  /** @param {Json} entry */
  _row(entry) {
    const time = new Date(entry.at * 1000).toISOString().slice(11, 23);
    const details = el(
      "details",
      { class: isError(entry) ? "is-error" : "" },
      el(
        "summary",
        {},
        el("span", { class: `wire is-${wireOf(entry)}` }, wireOf(entry)),
        el("span", { class: "what" }, titleOf(entry)),
        el("span", { class: "status" }, statusOf(entry)),
        el("time", {}, time),
      ),
    );
    details.addEventListener(
      "toggle",
      () => details.open && details.childElementCount === 1 && details.append(this._body(entry)),
      { once: true },
    );
    return el("li", {}, details);
  }

  /** @param {Json} entry */
  _body(entry) {
    const parts =
      entry.kind === "event"
        ? { data: entry.data }
        : { query: entry.query, files: entry.files, request: entry.body, answer: entry.answer };
    const filled = Object.entries(parts).filter(
      ([, value]) =>
        value !== null && value !== undefined && (typeof value !== "object" || Object.keys(value).length),
    );
    return el(
      "div",
      { class: "wire-body" },
      filled.map(([name, value]) =>
        el(
          "section",
          {},
          el(
            "header",
            {},
            el("h4", {}, name),
            iconButton("copy", `Copy ${name}`, () => this._copy(value)),
          ),
          el("pre", { tabIndex: 0 }, pretty(value)),
        ),
      ),
      filled.length ? null : el("p", { class: "empty" }, "Nothing inside."),
    );
  }

  /** @param {any} value */
  async _copy(value) {
    this._say((await copy(pretty(value))) ? "Copied" : "The browser does not let the page copy.");
  }

  _copyAll() {
    return this._copy(this._entries.filter((each) => this._fits(each)));
  }
}

/** @param {Json} entry */
function wireOf(entry) {
  if (entry.kind !== "event") return entry.method;
  return entry.sent === false ? "SENT" : "EVENT";
}

/** @param {Json} entry @returns {string} */
function titleOf(entry) {
  return entry.kind === "event" ? entry.name : entry.path.replace(/aW50[\w=-]{20,}/, "…token…");
}

/** @param {Json} entry */
function statusOf(entry) {
  if (entry.kind === "event") return "";
  return entry.status === null ? "lost" : String(entry.status);
}

/** @param {Json} entry */
function isError(entry) {
  return entry.kind !== "event" && (entry.status === null || entry.status >= 400);
}
