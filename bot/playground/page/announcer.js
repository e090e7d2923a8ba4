// @ts-check
/** Says out loud, for screen readers, what others see happen. */

import { el } from "./dom.js";

const LONGEST = 240; // characters; nobody wants to hear a whole page

export class Announcer {
  constructor() {
    this.element = el("div", { class: "unseen", role: "status", "aria-live": "polite" });
  }

  /** @param {string} text */
  say(text) {
    const line = el("p", {}, text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text);
    this.element.append(line);
    while (this.element.childElementCount > 5) this.element.firstElementChild?.remove();
  }
}
