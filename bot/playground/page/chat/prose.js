// @ts-check
/** Markdown as elements, with the names of the people and places in it. */

import { el } from "../dom.js";
import { nameOf, titleOf } from "../world.js";
import { parseInline, parseMarkdown } from "./markdown.js";
import { timeElement } from "./time.js";

/** @typedef {import("./markdown.js").Piece} Piece */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */

/** A message's text. @param {string} source @param {Surroundings} around @returns {HTMLElement} */
export function prose(source, around) {
  return el("div", { class: "prose" }, pieces(parseMarkdown(source), around));
}

/**
 * A single line, such as an embed's title.
 * @param {string} source
 * @param {Surroundings} around
 * @returns {Node[]}
 */
export function line(source, around) {
  return pieces(parseInline(source), around);
}

/** @param {Piece[]} list @param {Surroundings} around @returns {Node[]} */
function pieces(list, around) {
  return list.map((each) => piece(each, around));
}

const TAGS = {
  paragraph: "p",
  small: "small",
  quote: "blockquote",
  item: "li",
  strong: "strong",
  emphasis: "em",
  underline: "u",
  strike: "s",
};

/** @param {Piece} each @param {Surroundings} around @returns {Node} */
function piece(each, around) {
  const inside = () => pieces(each.inside ?? [], around);
  switch (each.kind) {
    case "text":
      return document.createTextNode(each.text ?? "");
    case "break":
      return el("br");
    case "code":
      return el("pre", { "data-language": each.language || null }, el("code", {}, each.text));
    case "inline-code":
      return el("code", {}, each.text);
    case "heading":
      return el("p", { class: "heading", role: "heading", "aria-level": each.level + 2 }, inside());
    case "list":
      return el(each.ordered ? "ol" : "ul", each.ordered ? { start: each.start } : {}, inside());
    case "link":
      return link(each, around, inside());
    case "spoiler":
      return spoiler(inside());
    case "time":
      return timeElement(each.at, each.style, around.now());
    case "user":
    case "role":
    case "channel":
    case "command":
    case "everyone":
      return mention(each, around);
    default:
      return el(TAGS[/** @type {keyof typeof TAGS} */ (each.kind)], { class: each.kind }, inside());
  }
}

/** @param {Node[]} inside */
function spoiler(inside) {
  const hidden = el("span", {}, inside);
  hidden.inert = true;
  const cover = el(
    "span",
    {
      class: "spoiler",
      role: "button",
      tabIndex: 0,
      "aria-label": "Spoiler, show",
      "aria-expanded": "false",
    },
    hidden,
  );
  const show = (/** @type {Event} */ event) => {
    if (event instanceof KeyboardEvent && event.key !== "Enter" && event.key !== " ") return;
    if (!hidden.inert) return;
    event.preventDefault();
    hidden.inert = false;
    for (const name of ["role", "tabindex", "aria-label", "aria-expanded"]) cover.removeAttribute(name);
    cover.classList.add("shown");
  };
  cover.addEventListener("click", show);
  cover.addEventListener("keydown", show);
  return cover;
}

/**
 * What a mention is called; undefined for what is none.
 * @param {Piece} each
 * @param {import("../world.js").World} world
 */
export function nameIn(each, world) {
  const user = each.kind === "user" && world.user(each.id);
  const role = each.kind === "role" && world.role(each.id);
  const channel = each.kind === "channel" && world.channel(each.id);
  if (user) return `@${nameOf(user)}`;
  if (role) return `@${role.name.replace(/^@/, "")}`;
  if (channel) return titleOf(channel, world);
  return { user: "@unknown-user", role: "@unknown-role", channel: "#unknown" }[each.kind];
}

/** @param {Piece} each @param {Surroundings} around @returns {Node} */
function mention(each, around) {
  const { world } = around;
  const text = nameIn(each, world) ?? each.text ?? "";
  const user = each.kind === "user" && world.user(each.id);
  if (user) return mentionButton(text, (at) => around.showUser(user, at));
  if (each.kind === "channel" && world.channel(each.id))
    return mentionButton(text, () => around.goTo(each.id));
  if (each.kind === "command") return mentionButton(text, () => around.useCommand(text.slice(1)));
  return el("span", { class: "mention" }, text);
}

/** A link to a message or a channel of this place leads there without leaving the page. */
const INSIDE = /^https:\/\/(?:\w+\.)?discord(?:app)?\.com\/channels\/(?:\d+|@me)\/(\d+)(?:\/(\d+))?$/;

/** @param {Piece} each @param {Surroundings} around @param {Node[]} inside */
function link(each, around, inside) {
  const [, channel, message] = INSIDE.exec(each.to) ?? [];
  if (!channel || !around.world.channel(channel))
    return el("a", { href: each.to, target: "_blank", rel: "noopener noreferrer" }, inside);
  const go = () => (message ? around.jump(message, channel) : around.goTo(channel));
  return el("button", { type: "button", class: "text-button", onclick: go }, inside);
}

/** @param {string} text @param {(at: HTMLElement) => void} press */
function mentionButton(text, press) {
  const button = el("button", { type: "button", class: "mention" }, text);
  button.addEventListener("click", () => press(button));
  return button;
}
