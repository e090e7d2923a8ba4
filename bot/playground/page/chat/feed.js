// @ts-check
/**
 * The channel's messages. Only the newest are in the page; older ones come when somebody scrolls up to them.
 * Messages are known by their id: what has not changed is not touched.
 */

import { el } from "../dom.js";
import { MessageView } from "./message.js";
import { PendingView } from "./pending.js";
import { formatTime } from "./time.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */

const PAGE = 60; // messages that are added at once when somebody scrolls up
const MOST = 240; // in the page while the newest are looked at
const GROUP_S = 7 * 60; // one author's messages within this time stand together
const NEAR = 80; // pixels from the end that still count as being there

export class Feed {
  /** @param {Surroundings} around */
  constructor(around) {
    this._around = around;
    this.list = el("ol", { class: "messages", role: "list" });
    this._older = el("div", { class: "older" });
    this._newest = el(
      "button",
      { type: "button", class: "to-newest", hidden: true, onclick: () => this.toEnd() },
      "Jump to the newest",
    );
    this.element = el("div", { class: "feed", tabIndex: -1 }, this._older, this.list);
    this.whole = el("div", { class: "feed-frame" }, this.element, this._newest);
    /** @type {Map<string, {view: MessageView | PendingView, item: HTMLElement}>} */
    this._shown = new Map();
    /** @type {Json[]} */
    this._all = [];
    this._name = "";
    this._from = 0;
    this._atEnd = true;
    this._top = 0;
    this.element.addEventListener("scroll", () => this._scrolled(), { passive: true });
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this._keys(event));
    // Pictures get their size late: whoever is at the end stays there.
    const sizes = new ResizeObserver(() => this._atEnd && this._scrollToEnd());
    sizes.observe(this.list);
    sizes.observe(this.element);
  }

  /** Forget everything: another channel comes. @param {string} name for screen readers */
  clear(name) {
    this._name = name;
    this.list.setAttribute("aria-label", `Messages in ${name}`);
    this.list.replaceChildren();
    this._shown.clear();
    this._all = [];
    this._from = 0;
    this._atEnd = true;
  }

  /**
   * Show these messages, oldest first. `of` tells how a message stands with what the person did to it.
   * @param {Json[]} all @param {(message: Json) => {waiting: string[], failed: boolean}} of
   */
  show(all, of) {
    const first = this._all[this._from]?.id;
    this._all = all;
    this._of = of;
    const at = first ? all.findIndex((each) => each.id === first) : -1;
    this._from =
      at >= 0 && !this._atEnd
        ? at
        : Math.max(0, all.length - Math.min(Math.max(this._shown.size, PAGE), MOST));
    this._render();
    if (this._atEnd) this._scrollToEnd();
    this._newest.hidden = this._atEnd;
  }

  _render() {
    const visible = this._all.slice(this._from);
    const ids = new Set(visible.map((each) => each.id));
    for (const [id, { item }] of this._shown) {
      if (ids.has(id)) continue;
      if (item.contains(document.activeElement)) this.element.focus();
      item.remove();
      this._shown.delete(id);
    }
    /** @type {Json | undefined} */
    let before;
    let place = this.list.firstElementChild;
    for (const message of visible) {
      const { view, item } = this._shown.get(message.id) ?? this._add(message);
      const day = !before || dayOf(before) !== dayOf(message);
      item.dataset.day = day ? formatTime(Date.parse(message.timestamp) / 1000, "D") : "";
      item.classList.toggle("starts-day", day);
      view.update(message, {
        grouped: !day && isGrouped(before, message),
        ...(this._of?.(message) ?? { waiting: [], failed: false }),
      });
      if (item === place) place = place.nextElementSibling;
      else this.list.insertBefore(item, place);
      before = message;
    }
    this._older.replaceChildren(
      ...(this._from ? ["Older messages appear as you scroll up."] : this._beginning()),
    );
    const last = this.list.lastElementChild?.firstElementChild;
    if (last instanceof HTMLElement && !this.list.querySelector("article[tabindex='0']")) last.tabIndex = 0;
  }

  /** Above the first message. */
  _beginning() {
    return [
      el("h3", {}, `Welcome to ${this._name}`),
      el(
        "p",
        {},
        `Type / to see what ${this._around.world.bot.username} can do. Everything here stays on this machine and is gone when the playground stops.`,
      ),
    ];
  }

  /** @param {Json} message */
  _add(message) {
    const view = new (message.pending ? PendingView : MessageView)(message, this._around);
    const entry = { view, item: el("li", {}, view.element) };
    this._shown.set(message.id, entry);
    return entry;
  }

  _scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    // What grows below does not move the view: only a person who scrolls up leaves the end.
    if (scrollHeight - scrollTop - clientHeight < NEAR) this._atEnd = true;
    else if (scrollTop < this._top) this._atEnd = false;
    this._top = scrollTop;
    this._newest.hidden = this._atEnd;
    if (scrollTop < clientHeight && this._from > 0) this._showOlder();
  }

  _showOlder() {
    const { scrollHeight, scrollTop } = this.element;
    this._from = Math.max(0, this._from - PAGE);
    this._render();
    this.element.scrollTop = scrollTop + this.element.scrollHeight - scrollHeight;
  }

  toEnd() {
    this._atEnd = true;
    this._from = Math.max(this._from, this._all.length - MOST);
    this._render();
    this._scrollToEnd();
    this._newest.hidden = true;
  }

  _scrollToEnd() {
    this.element.scrollTop = this.element.scrollHeight;
    this._top = this.element.scrollTop; // our own move is nobody scrolling up
  }

  /** Bring a message into view and into focus. @param {string} id */
  jump(id) {
    const at = this._all.findIndex((each) => each.id === id);
    if (at < 0) return;
    this._atEnd = false;
    if (at < this._from) {
      this._from = Math.max(0, at - PAGE / 2);
      this._render();
    }
    const article = this._shown.get(id)?.view.element;
    article?.scrollIntoView({ block: "center" });
    article?.focus({ preventScroll: true });
    article?.classList.add("found");
    article?.addEventListener("animationend", () => article.classList.remove("found"), { once: true });
  }

  /** Arrows go from message to message. @param {KeyboardEvent} event */
  _keys(event) {
    if (!(event.target instanceof HTMLElement) || !event.target.matches("article")) return;
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at =
      this._all.findIndex((each) => each.id === /** @type {HTMLElement} */ (event.target).dataset.messageId) +
      step;
    if (at < this._from && this._from > 0) this._showOlder();
    const next = this._shown.get(this._all[at]?.id)?.view.element;
    if (!next) return;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}

/** @param {Json} message */
function dayOf(message) {
  return new Date(message.timestamp).toDateString();
}

/** @param {Json | undefined} before @param {Json} message */
function isGrouped(before, message) {
  if (!before || before.pending || message.pending || before.author.id !== message.author.id) return false;
  if (message.message_reference || message.command || message.interaction_metadata) return false;
  return Date.parse(message.timestamp) - Date.parse(before.timestamp) < GROUP_S * 1000;
}
