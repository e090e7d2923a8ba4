// @ts-check
/** Who you are: a press makes you somebody else. */

import { el } from "../dom.js";
import { icon, iconButton } from "../icon.js";
import { avatar } from "../chat/author.js";
import { openMenu } from "../menu.js";
import { nameOf } from "../world.js";

/** @typedef {import("../world.js").World} World */

export class People {
  /** @param {{become: (name: string) => void, toggleTheme: () => void}} acts */
  constructor({ become, toggleTheme }) {
    this._become = become;
    this._who = el("button", { type: "button", class: "you", "aria-haspopup": "menu" });
    const sun = iconButton("sun", "Dark or light", toggleTheme, { class: "icon-button theme" });
    sun.append(icon("moon"));
    this.element = el("div", { class: "people" }, this._who, sun);
    this._who.addEventListener("click", () => this._choose());
  }

  /** @param {World} world */
  show(world) {
    this._world = world;
    this._who.setAttribute("aria-label", `You are ${nameOf(world.you)}. Switch person`);
    this._who.replaceChildren(
      avatar(world.you),
      el("span", {}, el("strong", {}, nameOf(world.you)), el("small", {}, world.you.username)),
      icon("down"),
    );
  }

  _choose() {
    const world = this._world;
    if (!world) return;
    const entries = world.people.map((each) => ({
      label: nameOf(each),
      picture: each.id === world.you.id ? "check" : undefined,
      act: () => this._become(each.username),
    }));
    openMenu("Switch person", [{ heading: "Continue as" }, ...entries], this._who);
  }
}
