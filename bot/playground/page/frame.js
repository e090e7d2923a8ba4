// @ts-check
/** The page's outline: sides, the bar above the channel, the drawer on a phone, what is dropped onto it. */

import { el } from "./dom.js";
import { icon, iconButton } from "./icon.js";
import { isThread } from "./world.js";

/** @typedef {import("./api.js").Json} Json */
/**
 * @typedef {{rail: HTMLElement, channels: HTMLElement, people: HTMLElement, feed: HTMLElement, composer: HTMLElement,
 *   gate: HTMLElement, panel: HTMLElement, others: HTMLElement[]}} Pieces
 */

export class Frame {
  /** @param {{togglePanel: () => void, drop: (files: File[]) => void}} acts */
  constructor({ togglePanel, drop }) {
    this._drop = drop;
    this._name = el("h2", { class: "channel-title" });
    this._topic = el("p", { class: "channel-topic" });
    this._connection = el("p", { class: "connection", role: "status" });
    this._sessions = el("p", { class: "sessions" });
    this._menu = iconButton("menu", "Servers and channels", () => this.drawer(), {
      class: "icon-button drawer-button",
      "aria-expanded": "false",
    });
    this._panelButton = iconButton("panel", "Developer panel", togglePanel, {
      "aria-expanded": "false",
      "aria-controls": "panel",
    });
    this._bar = el(
      "header",
      { class: "bar" },
      this._menu,
      this._name,
      this._topic,
      this._sessions,
      this._panelButton,
    );
  }

  /** Put everything into the page. @param {HTMLElement} root @param {Pieces} pieces */
  mount(root, pieces) {
    this._root = root;
    this._pieces = pieces;
    this._side = el(
      "div",
      { class: "side", id: "side" },
      pieces.rail,
      el("div", { class: "side-column" }, pieces.channels, pieces.people),
    );
    this._shade = el("div", { class: "shade", onclick: () => this.drawer(false) });
    this._main = el(
      "main",
      { class: "chat" },
      this._bar,
      this._connection,
      pieces.gate,
      pieces.feed,
      pieces.composer,
    );
    root.replaceChildren(this._side, this._shade, this._main, pieces.panel, ...pieces.others);
    root.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && root.classList.contains("drawer-open")) this.drawer(false);
    });
    this._takeDrops(root);
  }

  /** @param {string} title @param {Json} channel @param {import("./world.js").World} world */
  title(title, channel, world) {
    const kind = !channel.guild_id
      ? "direct"
      : channel.nsfw
        ? "restricted"
        : isThread(channel)
          ? "thread"
          : "hash";
    this._name.replaceChildren(icon(kind), title.slice(1));
    this._topic.textContent = channel.topic ?? "";
    const online = Boolean(world.shape.sessions);
    this._sessions.textContent = `${world.bot.username} is ${online ? "online" : "offline"}`;
    this._sessions.classList.toggle("is-online", online);
    document.title = `${title} · Playground`;
  }

  /** @param {boolean} connected */
  connection(connected) {
    this._connection.textContent = connected ? "" : "The playground does not answer. Trying again …";
  }

  /** @param {boolean} closed */
  gate(closed) {
    if (!this._pieces) return;
    const appears = closed && this._pieces.gate.hidden;
    this._pieces.gate.hidden = !closed;
    this._pieces.feed.hidden = closed;
    this._pieces.composer.hidden = closed;
    if (appears) this._pieces.gate.querySelector("button")?.focus();
  }

  /** On a phone the sides are a drawer. @param {boolean} [open] */
  drawer(open = !this._root?.classList.contains("drawer-open")) {
    this._root?.classList.toggle("drawer-open", open);
    this._menu.setAttribute("aria-expanded", String(open));
    if (open) /** @type {HTMLElement | null} */ (this._side.querySelector(".channel[aria-current]"))?.focus();
  }

  /** @param {boolean} open */
  panel(open) {
    this._panelButton.setAttribute("aria-expanded", String(open));
    this._root?.classList.toggle("panel-open", open);
  }

  /** @param {HTMLElement} root */
  _takeDrops(root) {
    let depth = 0;
    const over = (/** @type {number} */ by) => {
      depth = Math.max(0, depth + by);
      root.classList.toggle("is-drop", depth > 0);
    };
    const carries = (/** @type {DragEvent} */ event) =>
      Boolean(event.dataTransfer?.types.includes("Files")) && !document.querySelector("dialog[open]");
    root.addEventListener("dragenter", (event) => carries(event) && over(1));
    root.addEventListener("dragleave", (event) => carries(event) && over(-1));
    root.addEventListener("dragover", (event) => event.preventDefault());
    root.addEventListener("drop", (event) => {
      event.preventDefault();
      over(-depth);
      if (carries(event)) this._drop([...(event.dataTransfer?.files ?? [])]);
    });
  }
}
