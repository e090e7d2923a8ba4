// @ts-check
/** What is worth hearing: new messages, and replies that came or got their picture. Progress is not. */

import { nameOf } from "../world.js";
import { plainText } from "./markdown.js";
import { Flag } from "./message.js";
import { nameIn } from "./prose.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("../world.js").World} World */

export class News {
  constructor() {
    /** @type {Map<string, {loading: boolean, files: number}>} how each message was when it was last heard of */
    this._known = new Map();
  }

  /** Another channel comes. */
  forget() {
    this._known.clear();
  }

  /** Take down what was there from the beginning. @param {Iterable<Json>} messages */
  learn(messages) {
    for (const message of messages) this._known.set(message.id, state(message));
  }

  /**
   * A sentence about a message that came or changed; null where there is nothing to say.
   * @param {Json} message
   * @param {World} world
   */
  of(message, world) {
    const before = this._known.get(message.id);
    const now = state(message);
    this._known.set(message.id, now);
    const came = !before && message.author.id !== world.you.id;
    const answered = before?.loading && !now.loading;
    if (now.loading || !(came || answered || now.files > (before?.files ?? now.files))) return null;
    const pictures = message.attachments.map((/** @type {Json} */ each) => each.description || each.filename);
    const text = plainText(message.content, (piece) => nameIn(piece, world));
    return `${nameOf(message.author)}: ${[text, ...pictures].filter(Boolean).join(", ") || "sent something"}`;
  }
}

/** @param {Json} message */
function state(message) {
  return { loading: Boolean(message.flags & Flag.LOADING), files: message.attachments.length };
}
