// @ts-check
/** Reactions under a message, and the few faces to react with. */

import { el } from "../dom.js";
import { icon } from "../icon.js";
import { Popup } from "../popup.js";
import { rove } from "../roving.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */

const FACES = ["👍", "❤️", "😂", "🎉", "😮", "🔥", "👀", "📷", "🎞️", "✅", "❌", "🙏"];

/** @param {Json} message @param {Surroundings} around */
export function reactionsOf(message, around) {
  const add = el(
    "button",
    { type: "button", class: "reaction", "aria-label": "Add a reaction", "data-key": "add-reaction" },
    icon("smile"),
  );
  add.addEventListener("click", () => around.pickReaction(message, add));
  const faces = (message.reactions ?? []).map((/** @type {Json} */ each) => {
    const name = each.emoji.name;
    const press = () => around.act("react", { message: message.id, emoji: name, remove: each.me });
    const label = `${name}, ${each.count}${each.me ? ", yours" : ""}`;
    return el(
      "button",
      {
        type: "button",
        class: "reaction",
        "aria-pressed": String(Boolean(each.me)),
        "aria-label": label,
        "data-key": name,
        onclick: press,
      },
      el("span", {}, name),
      String(each.count),
    );
  });
  return [...faces, faces.length ? add : null];
}

/** @param {HTMLElement} at @param {(face: string) => void} picked */
export function pickReaction(at, picked) {
  const faces = FACES.map((face) =>
    el(
      "button",
      { type: "button", class: "face", "aria-label": face, onclick: () => (popup.close(), picked(face)) },
      face,
    ),
  );
  const popup = new Popup({ class: "faces", role: "group", "aria-label": "Reactions" }, faces);
  rove(popup.element, ".face", { axis: "horizontal" });
  popup.open(at);
  faces[0].focus();
}
