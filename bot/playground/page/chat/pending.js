// @ts-check
/** Commands and forms that were sent and have no reply yet, or never got one; they stand among the messages. */

import { el } from "../dom.js";
import { icon } from "../icon.js";
import { avatar } from "./author.js";
import { createdAt } from "./time.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */

const COMMAND = 2;
const FORM = 5;

/**
 * Interactions without a reply, in the shape of messages: `pending` is the interaction.
 * @param {Iterable<Json>} interactions
 * @returns {Json[]}
 */
export function pendingOf(interactions) {
  return [...interactions]
    .filter((each) => each.type === COMMAND || each.type === FORM)
    .filter((each) => each.state === "waiting" || each.state === "failed")
    .map((each) => ({
      id: each.id,
      timestamp: new Date(createdAt(each.id) * 1000).toISOString(),
      pending: each,
    }));
}

/**
 * What the person did to one message: components that wait for an answer, and whether the last one failed.
 * @param {Iterable<Json>} interactions
 * @param {string} messageId
 */
export function usesOf(interactions, messageId) {
  const uses = [...interactions].filter((each) => each.source_id === messageId && each.type !== COMMAND);
  const waiting = uses
    .filter((each) => each.state === "waiting" && each.type !== FORM)
    .map((each) => each.custom_id);
  return { waiting, failed: uses.at(-1)?.state === "failed" && uses.at(-1)?.type !== FORM };
}

export class PendingView {
  /** @param {Json} message @param {Surroundings} around */
  constructor(message, around) {
    this._around = around;
    this.element = el("article", {
      class: "message is-pending",
      tabIndex: -1,
      "data-message-id": message.id,
    });
    this._drawn = "";
  }

  /** @param {Json} message */
  update({ pending }) {
    if (this._drawn === pending.state) return;
    this._drawn = pending.state;
    const { bot, you } = this._around.world;
    const failed = pending.state === "failed";
    const what = pending.type === FORM ? "a form" : pending.name;
    this.element.setAttribute("aria-label", `${what}: ${failed ? "failed" : "sending"}`);
    this.element.classList.toggle("is-private", failed);
    this.element.replaceChildren(
      el(
        "div",
        { class: "message-context" },
        el("span", { class: "spine", "aria-hidden": "true" }),
        avatar(you, "small"),
        `You used ${what}`,
      ),
      el(
        "div",
        { class: "message-header" },
        avatar(bot),
        el("span", { class: "author" }, bot.username),
        el("span", { class: "app-tag" }, "APP"),
      ),
      ...(failed ? this._failed(pending.id) : [this._sending()]),
    );
  }

  _sending() {
    const dots = el("span", { class: "developing", "aria-hidden": "true" }, el("i"), el("i"), el("i"));
    return el("p", { class: "thinking" }, dots, "Sending…");
  }

  /** @param {string} id */
  _failed(id) {
    const dismiss = () => this._around.dismiss(id);
    return [
      el("p", { class: "failed", role: "alert" }, icon("restricted"), "The application did not respond"),
      el(
        "p",
        { class: "only-you" },
        icon("eye"),
        "Only you can see this • ",
        el("button", { type: "button", class: "text-button", onclick: dismiss }, "Dismiss message"),
      ),
    ];
  }
}
