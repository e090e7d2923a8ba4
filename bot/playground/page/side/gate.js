// @ts-check
/** The door of an age-restricted channel. */

import { el } from "../dom.js";
import { icon } from "../icon.js";

export class Gate {
  /**
   * @param {Storage} storage keeps who went in, for this browser tab
   * @param {() => void} opened
   * @param {() => void} left
   */
  constructor(storage, opened, left) {
    this._storage = storage;
    this._key = "";
    const go = () => {
      storage.setItem(this._key, "open");
      opened();
    };
    this._enter = el("button", { type: "button", class: "button is-danger", onclick: go }, "Continue");
    this.element = el(
      "section",
      { class: "gate", "aria-labelledby": "gate-title", hidden: true },
      icon("restricted"),
      el("h2", { id: "gate-title" }, "Age-restricted channel"),
      el(
        "p",
        {},
        "This channel may contain content that is not for everybody. You must be at least eighteen years old to go in.",
      ),
      el(
        "div",
        { class: "row" },
        el("button", { type: "button", class: "button is-secondary", onclick: left }, "Nope"),
        this._enter,
      ),
    );
  }

  /**
   * Whether this person stands before a closed door.
   * @param {string} user
   * @param {import("../api.js").Json} channel
   */
  isClosed(user, channel) {
    this._key = `playground.gate.${user}.${channel.id}`;
    return Boolean(channel.nsfw) && this._storage.getItem(this._key) !== "open";
  }
}
