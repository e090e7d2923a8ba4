// @ts-check
/** What can be done with a message or with a person: the bot's commands for it, and the usual things. */

import { el } from "../dom.js";
import { openMenu } from "../menu.js";
import { copy } from "../panel/json.js";
import { nameOf } from "../world.js";
import { avatar } from "./author.js";
import { Flag } from "./message.js";
import { pickReaction } from "./reactions.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */
/** @typedef {{x: number, y: number}} Point */

const USER_COMMAND = 2;
const MESSAGE_COMMAND = 3;

/**
 * @param {Json} message
 * @param {HTMLElement} at
 * @param {Point | undefined} where
 * @param {Surroundings} around
 * @param {(text: string) => void} say
 */
export function messageMenu(message, at, where, around, say) {
  const { world } = around;
  const loading = Boolean(message.flags & Flag.LOADING);
  const ephemeral = Boolean(message.flags & Flag.EPHEMERAL);
  const own = message.author.id === world.you.id;
  const commands = loading ? [] : world.commands.filter((each) => each.type === MESSAGE_COMMAND);
  const react = () => pickReaction(at, (face) => around.act("react", { message: message.id, emoji: face }));
  openMenu(
    "Message",
    [
      !ephemeral && { label: "Add a reaction", picture: "smile", act: react },
      !ephemeral && {
        label: message.pinned ? "Unpin" : "Pin",
        picture: "pin",
        act: () => around.act("pin", { message: message.id, remove: message.pinned }),
      },
      !ephemeral && {
        label: "Create thread",
        picture: "thread",
        act: () => around.act("thread", { message: message.id, name: threadName(message) }),
      },
      message.content && { label: "Copy text", picture: "copy", act: () => sayCopied(message.content, say) },
      commands.length > 0 && "separator",
      commands.length > 0 && { heading: "Apps" },
      ...commands.map((each) => ({
        label: each.name,
        act: () => around.act("menu", { command: each.name, message: message.id }),
      })),
      "separator",
      ephemeral && !loading && { label: "Dismiss message", act: () => around.dismiss(message.id) },
      { label: "Copy message ID", picture: "hash", act: () => sayCopied(message.id, say) },
      own && {
        label: "Delete message",
        danger: true,
        picture: "close",
        act: () => around.act("delete", { message: message.id }),
      },
    ],
    at,
    where,
  );
}

/**
 * @param {Json} user
 * @param {HTMLElement} at
 * @param {Surroundings} around
 * @param {{say: (text: string) => void, become: (name: string) => void, mention: (user: Json) => void}} acts
 */
export function userMenu(user, at, around, { say, become, mention }) {
  const { world } = around;
  const commands = world.commands.filter((each) => each.type === USER_COMMAND);
  const isPerson = world.people.some((each) => each.id === user.id);
  const card = el(
    "div",
    { class: "user-card" },
    avatar(user),
    el("div", {}, el("strong", {}, nameOf(user)), el("small", {}, user.username)),
  );
  openMenu(
    nameOf(user),
    [
      { label: "Mention", act: () => mention(user) },
      isPerson &&
        user.id !== world.you.id && {
          label: `Continue as ${nameOf(user)}`,
          act: () => become(user.username),
        },
      commands.length > 0 && "separator",
      commands.length > 0 && { heading: "Apps" },
      ...commands.map((each) => ({
        label: each.name,
        act: () => around.act("menu", { command: each.name, target: user.username }),
      })),
      "separator",
      { label: "Copy user ID", picture: "hash", act: () => sayCopied(user.id, say) },
    ],
    at,
    undefined,
    [card],
  );
}

/** @param {Json} message */
function threadName(message) {
  return message.content?.slice(0, 40).trim() || "Thread";
}

/** @param {string} text @param {(text: string) => void} say */
async function sayCopied(text, say) {
  say((await copy(text)) ? "Copied" : `The browser does not let the page copy: ${text}`);
}
