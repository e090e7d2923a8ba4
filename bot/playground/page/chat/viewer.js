// @ts-check
/** Looking at pictures: large, one by one, to download. Escape closes, arrows turn the pages. */

import { el } from "../dom.js";
import { icon, iconButton } from "../icon.js";

/** @typedef {import("./surroundings.js").Picture} Picture */

export class Viewer {
  constructor() {
    this._image = el("img", { class: "viewer-image" });
    this._caption = el("p", { class: "viewer-caption" });
    this._count = el("span", { class: "viewer-count", "aria-live": "polite" });
    this._download = el(
      "a",
      { class: "icon-button", "aria-label": "Download", title: "Download" },
      icon("download"),
    );
    this._open = el(
      "a",
      {
        class: "icon-button",
        target: "_blank",
        rel: "noopener noreferrer",
        "aria-label": "Open in a new tab",
        title: "Open in a new tab",
      },
      icon("link"),
    );
    this._back = iconButton("left", "Previous picture", () => this._turn(-1), {
      class: "icon-button viewer-turn",
    });
    this._on = iconButton("right", "Next picture", () => this._turn(1), { class: "icon-button viewer-turn" });
    const close = iconButton("close", "Close", () => this.element.close());
    this.element = el(
      "dialog",
      { class: "viewer", "aria-label": "Picture" },
      el("header", {}, this._count, this._download, this._open, close),
      el("div", { class: "viewer-stage" }, this._back, this._image, this._on),
      this._caption,
    );
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "ArrowLeft") this._turn(-1);
      if (event.key === "ArrowRight") this._turn(1);
    });
    this.element.addEventListener("click", (/** @type {Event} */ event) => {
      const outside =
        event.target === this.element ||
        /** @type {Element} */ (event.target).classList.contains("viewer-stage");
      if (outside) this.element.close();
    });
    this._image.addEventListener("click", () => this._image.classList.toggle("is-large"));
    /** @type {Picture[]} */
    this._pictures = [];
    this._index = 0;
  }

  /** @param {Picture[]} pictures @param {number} index */
  open(pictures, index) {
    this._pictures = pictures;
    this._index = index;
    this._show();
    this.element.showModal();
  }

  /** @param {number} by */
  _turn(by) {
    this._index = (this._index + by + this._pictures.length) % this._pictures.length;
    this._show();
  }

  _show() {
    const { url, alt, name } = this._pictures[this._index];
    const several = this._pictures.length > 1;
    this._image.src = url;
    this._image.alt = alt || name;
    this._image.classList.remove("is-large");
    this._caption.textContent = alt;
    this._count.textContent = several ? `${this._index + 1} of ${this._pictures.length}` : name;
    this._download.href = this._open.href = url;
    this._download.download = name;
    this._back.hidden = this._on.hidden = !several;
  }
}
