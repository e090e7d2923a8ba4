// @ts-check
/** Short words at the edge of the page that go away by themselves. */

import { el } from "./dom.js";

const STAYS_MS = 5000;

export class Toasts {
  constructor() {
    this.element = el("div", { class: "toasts", role: "status", "aria-live": "polite" });
  }

  /** @param {string} text @param {{bad?: boolean}} [how] */
  show(text, { bad = false } = {}) {
    const toast = el("p", { class: `toast ${bad ? "is-bad" : ""}` }, text);
    this.element.append(toast);
    while (this.element.childElementCount > 3) this.element.firstElementChild?.remove();
    setTimeout(() => toast.remove(), STAYS_MS);
  }
}
