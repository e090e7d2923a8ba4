// @ts-check
/** A form that the bot opened (Discord calls it a modal). What was typed stays until it has been taken. */

import { el } from "../dom.js";
import { iconButton } from "../icon.js";
import { fieldOf } from "./field.js";

/** @typedef {import("../api.js").Json} Json */
/**
 * @typedef {{api: import("../api.js").PersonApi, room: import("../room.js").Room,
 *   around: import("../chat/surroundings.js").Surroundings}} Parts
 */

const NO_ANSWER = "Something went wrong: the application did not respond. Nothing was lost; try again.";

export class FormDialog {
  /** @param {Json} opener the interaction whose answer is the form @param {Parts} parts */
  constructor(opener, parts) {
    const { modal } = opener;
    this._opener = opener;
    this._parts = parts;
    this._tries = 0;
    /** @type {import("./field.js").Field[]} */
    this._fields = modal.components.map((/** @type {Json} */ row) => fieldOf(row, parts.around));
    this._error = el("p", { class: "composer-error", role: "alert", hidden: true });
    this._submit = el("button", { type: "submit", class: "button is-primary" }, "Submit");
    const close = () => this.element.close();
    const form = el(
      "form",
      {},
      el("header", {}, el("h2", { id: "form-title" }, modal.title), iconButton("close", "Close", close)),
      el("p", { class: "form-note" }, `This form goes to ${parts.around.world.bot.username}.`),
      el(
        "div",
        { class: "form-fields" },
        this._fields.map((field) => field.element),
      ),
      this._error,
      el(
        "footer",
        {},
        el("button", { type: "button", class: "button is-secondary", onclick: close }, "Cancel"),
        this._submit,
      ),
    );
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      void this._send();
    });
    this.element = el("dialog", { class: "form", "aria-labelledby": "form-title" }, form);
    this.element.addEventListener("close", () => this.element.remove());
  }

  open() {
    document.body.append(this.element);
    this.element.showModal();
    this._fields.find((field) => field.control)?.control?.focus();
  }

  async _send() {
    this._say("");
    this._submit.disabled = true;
    try {
      const sent = await this._parts.api.act("submit", this._body(), this._files());
      this._tries += 1;
      if (await this._isTaken(sent.id)) this.element.close();
      else this._say(NO_ANSWER);
    } catch (error) {
      this._say(error instanceof Error ? error.message : String(error));
    } finally {
      this._submit.disabled = false;
    }
  }

  _body() {
    const filled = this._fields.filter((field) => field.id && field.value);
    const values = Object.fromEntries(filled.map((field) => [field.id, field.value?.()]));
    // A form counts as sent once; Discord's client lets people try again where nobody answered.
    return { interaction: this._opener.id, values, unchecked: this._tries > 0 };
  }

  _files() {
    // The first goes by the field's id, further ones by its id with a number.
    const entries = this._fields.flatMap(({ id, files }) =>
      (files?.() ?? []).map((file, n) => [n ? `${id}[${n}]` : id, file]),
    );
    return Object.fromEntries(entries);
  }

  /** Whether the bot acknowledged it. @param {string} id @returns {Promise<boolean>} */
  _isTaken(id) {
    const { room } = this._parts;
    return new Promise((resolve) => {
      const look = () => {
        const state = room.interactions.get(id)?.state;
        if (!state || state === "waiting") return;
        room.removeEventListener("interactions", look);
        resolve(state !== "failed");
      };
      room.addEventListener("interactions", look);
      look();
    });
  }

  /** @param {string} text */
  _say(text) {
    this._error.textContent = text;
    this._error.hidden = !text;
  }
}
