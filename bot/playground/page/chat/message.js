// @ts-check
/** One message. An edit touches only the parts that changed, so nothing flickers and the focus stays. */

import { el, nodes } from "../dom.js";
import { icon, iconButton } from "../icon.js";
import { nameOf } from "../world.js";
import { attachmentsOf } from "./attachments.js";
import { authorName, avatar } from "./author.js";
import { ComponentView } from "./components.js";
import { embedOf } from "./embed.js";
import { plainText } from "./markdown.js";
import { Media } from "./media.js";
import { pollOf } from "./poll.js";
import { nameIn, prose } from "./prose.js";
import { reactionsOf } from "./reactions.js";
import { formatTime } from "./time.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */
/** @typedef {{grouped: boolean, waiting: string[], failed: boolean}} Shown how it stands among the others */

export const Flag = { SUPPRESS_EMBEDS: 1 << 2, EPHEMERAL: 1 << 6, LOADING: 1 << 7 };
const REPLY = 19;
/** @type {Record<number, string>} */
const SYSTEM = {
  6: "pinned a message to this channel.",
  7: "joined the server.",
  18: "started a thread.",
  46: "closed a poll.",
};
const PARTS = [
  "context",
  "header",
  "content",
  "files",
  "embeds",
  "components",
  "poll",
  "reactions",
  "notice",
];

export class MessageView {
  /** @param {Json} message @param {Surroundings} around */
  constructor(message, around) {
    this.message = message;
    this._around = around;
    this._media = new Media();
    /** @type {Record<string, string>} */
    this._drawn = {};
    /** @type {Record<string, HTMLElement>} */
    this._parts = Object.fromEntries(
      PARTS.map((name) => [name, el("div", { class: `message-${name}`, hidden: true })]),
    );
    this._parts.header.id = `header-${message.id}`;
    this._parts.content.id = `content-${message.id}`;
    this.element = el(
      "article",
      {
        class: "message",
        tabIndex: -1,
        "data-message-id": message.id,
        "aria-labelledby": `header-${message.id} content-${message.id}`,
      },
      PARTS.map((name) => this._parts[name]),
      this._tools(),
    );
    this.element.addEventListener("contextmenu", (/** @type {MouseEvent} */ event) => this._menu(event));
  }

  /** @param {Json} message @param {Shown} shown */
  update(message, shown) {
    this.message = message;
    const { world } = this._around;
    const ephemeral = Boolean(message.flags & Flag.EPHEMERAL);
    const loading = Boolean(message.flags & Flag.LOADING);
    this.element.classList.toggle("grouped", shown.grouped);
    this.element.classList.toggle("is-private", ephemeral);
    this.element.classList.toggle(
      "is-mention",
      (message.mentions ?? []).some((/** @type {Json} */ each) => each.id === world.you.id),
    );
    this.element.setAttribute("aria-busy", String(loading));
    const reference = this._referenced(message);
    this._part(
      "context",
      [message.command, message.interaction_metadata?.user, reference?.content, reference?.id, shown.grouped],
      () => this._context(message, reference, shown),
    );
    this._part("header", [message.author, message.timestamp, shown.grouped], () =>
      this._header(message, shown),
    );
    this._part(
      "content",
      [message.content, message.edited_timestamp, loading, message.type, this._names()],
      () => this._content(message, loading),
    );
    this._part("files", message.attachments, () =>
      attachmentsOf(shownFiles(message), this._media, this._around),
    );
    this._part("embeds", [message.embeds, message.flags & Flag.SUPPRESS_EMBEDS], () => this._embeds(message));
    this._part("components", [message.components, shown.waiting], () =>
      new ComponentView(message, this._media, this._around, new Set(shown.waiting)).all(
        message.components ?? [],
      ),
    );
    this._part("poll", message.poll ?? null, () => (message.poll ? [pollOf(message, this._around)] : []));
    this._part("reactions", message.reactions ?? [], () => reactionsOf(message, this._around));
    this._part("notice", [ephemeral, loading, shown.failed], () =>
      this._notice(message, ephemeral && !loading, shown.failed),
    );
  }

  /** Names may change while the text stays. */
  _names() {
    const { world } = this._around;
    return /<[@#]/.test(this.message.content)
      ? [...world.users, ...world.channels, ...world.roles].map((each) => each.name ?? nameOf(each))
      : null;
  }

  /**
   * Draw a part again where what it shows has changed.
   * @param {string} name @param {any} data @param {() => any[]} draw
   */
  _part(name, data, draw) {
    const now = JSON.stringify(data);
    if (this._drawn[name] === now) return;
    this._drawn[name] = now;
    const part = this._parts[name];
    const focused = part.contains(document.activeElement)
      ? /** @type {HTMLElement} */ (document.activeElement).dataset.key
      : undefined;
    this._media.begin(name);
    const children = nodes(draw());
    part.replaceChildren(...children);
    part.hidden = !children.length;
    if (focused === undefined) return;
    const again = part.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? this.element;
    /** @type {HTMLElement} */ (again).focus({ preventScroll: true });
  }

  /** @param {Json} message */
  _referenced(message) {
    const id = message.type === REPLY ? message.message_reference?.message_id : null;
    return id ? (this._around.message(id) ?? { id, content: null }) : null;
  }

  /** Above the message: the command that it answers, or the message that it replies to. */
  _context(/** @type {Json} */ message, /** @type {Json | null} */ reference, /** @type {Shown} */ shown) {
    const asker = message.interaction_metadata?.user;
    if (message.command && asker && !reference && !shown.grouped) {
      const user = this._around.world.user(asker.id) ?? asker;
      const name = message.command.replace(/^\//, "");
      const command = message.command.startsWith("/")
        ? el(
            "button",
            { type: "button", class: "mention", onclick: () => this._around.useCommand(name) },
            message.command,
          )
        : el("span", { class: "mention" }, message.command);
      return [
        spine(),
        avatar(user, "small"),
        ...authorName(user, this._around.showUser).slice(0, 1),
        " used ",
        command,
      ];
    }
    if (!reference) return [];
    if (reference.content === null) return [spine(), el("em", {}, "The original message is gone.")];
    const text =
      plainText(reference.content, (piece) => nameIn(piece, this._around.world)) || "Go to the message";
    const jump = el(
      "button",
      { type: "button", class: "excerpt", onclick: () => this._around.jump(reference.id) },
      text.slice(0, 120),
    );
    return [
      spine(),
      avatar(reference.author, "small"),
      ...authorName(reference.author, this._around.showUser).slice(0, 1),
      jump,
    ];
  }

  /** @param {Json} message @param {Shown} shown */
  _header(message, shown) {
    const at = Date.parse(message.timestamp) / 1000;
    const time = el(
      "time",
      { dateTime: message.timestamp, title: formatTime(at, "F"), class: "sent" },
      formatTime(at, "t"),
    );
    if (shown.grouped) return [el("span", { class: "unseen" }, nameOf(message.author)), time];
    const face = avatar(message.author);
    face.addEventListener("click", () => this._around.showUser(message.author, face));
    return [face, ...authorName(message.author, this._around.showUser), time];
  }

  /** @param {Json} message @param {boolean} loading */
  _content(message, loading) {
    if (loading && !message.content) {
      const dots = el("span", { class: "developing", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
      return [el("p", { class: "thinking" }, dots, `${nameOf(message.author)} is thinking…`)];
    }
    if (SYSTEM[message.type]) return [el("p", { class: "system" }, SYSTEM[message.type])];
    const edited = message.edited_timestamp && (message.content || !message.components?.length);
    const mark = edited
      ? el(
          "span",
          { class: "edited", title: formatTime(Date.parse(message.edited_timestamp) / 1000, "F") },
          "(edited)",
        )
      : null;
    if (!message.content) return mark && message.content !== undefined ? [mark] : [];
    const text = prose(message.content, this._around);
    if (mark) (text.lastElementChild?.matches("p, small") ? text.lastElementChild : text).append(" ", mark);
    return [text];
  }

  /** @param {Json} message */
  _embeds(message) {
    if (message.flags & Flag.SUPPRESS_EMBEDS) return [];
    return (message.embeds ?? []).map((/** @type {Json} */ each) => embedOf(each, this._media, this._around));
  }

  /** @param {Json} message @param {boolean} ephemeral @param {boolean} failed */
  _notice(message, ephemeral, failed) {
    return [
      failed
        ? el("p", { class: "failed", role: "alert" }, icon("restricted"), "This interaction failed")
        : null,
      ephemeral
        ? el(
            "p",
            { class: "only-you" },
            icon("eye"),
            "Only you can see this • ",
            el(
              "button",
              { type: "button", class: "text-button", onclick: () => this._around.dismiss(message.id) },
              "Dismiss message",
            ),
          )
        : null,
    ];
  }

  _tools() {
    const more = iconButton("more", "More", () => this._around.showMenu(this.message, more), {
      "aria-haspopup": "menu",
    });
    const react = iconButton("smile", "Add a reaction", () => this._around.pickReaction(this.message, react));
    return el("div", { class: "tools", role: "group", "aria-label": "Message actions" }, react, more);
  }

  /** @param {MouseEvent} event */
  _menu(event) {
    const { target } = event;
    if (target instanceof Element && target.closest("a, input, .popup")) return;
    if (event.shiftKey) return; // the browser's own menu stays reachable
    event.preventDefault();
    const byKeyboard = event.button !== 2 && event.clientX === 0;
    this._around.showMenu(
      this.message,
      this.element,
      byKeyboard ? undefined : { x: event.clientX, y: event.clientY },
    );
  }
}

/** The line that leads from what a message answers down to its author. */
function spine() {
  return el("span", { class: "spine", "aria-hidden": "true" });
}

/** Files that a layout shows already are not listed a second time. @param {Json} message @returns {Json[]} */
function shownFiles(message) {
  const layout = JSON.stringify(message.components ?? []);
  return (message.attachments ?? []).filter(
    (/** @type {Json} */ each) => !layout.includes(each.url.split("?")[0]),
  );
}
