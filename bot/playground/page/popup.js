// @ts-check
/**
 * Something small that opens beside an element, above everything, and closes by Escape or a press elsewhere.
 */

import { el } from "./dom.js";

const GAP = 6; // pixels

export class Popup {
  /** @param {Record<string, any>} properties @param {Node[]} children @param {() => void} [closed] */
  constructor(properties, children, closed) {
    // "manual": a browser's own way of closing also takes the end of the press that opened a context menu for one.
    this.element = el(
      "div",
      { popover: "manual", ...properties, class: `popup ${properties.class ?? ""}` },
      children,
    );
    this._closed = closed;
    /** @type {HTMLElement | null} */
    this._from = null;
    this._elsewhere = (/** @type {Event} */ event) => {
      const { target } = event;
      if (!(target instanceof Node) || this.element.contains(target)) return;
      const isOpener =
        target instanceof Element && this._from?.matches("button") && this._from.contains(target);
      if (isOpener)
        this._from?.addEventListener("click", (press) => press.stopImmediatePropagation(), {
          capture: true,
          once: true,
        });
      this.close();
    };
    this.element.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      event.stopPropagation();
      this.close();
    });
    this.element.addEventListener("focusout", (/** @type {FocusEvent} */ event) => {
      const next = event.relatedTarget;
      if (next instanceof Node && !this.element.contains(next)) this.close();
    });
  }

  /**
   * @param {HTMLElement} anchor gets the focus back
   * @param {{x: number, y: number}} [at] instead of beside it
   */
  open(anchor, at) {
    this._from = anchor;
    (anchor.closest("dialog") ?? document.body).append(this.element);
    this.element.showPopover();
    addEventListener("pointerdown", this._elsewhere, { capture: true });
    const box = at ? new DOMRect(at.x, at.y, 0, 0) : anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const below = box.bottom + GAP + height <= innerHeight || box.top < height + GAP;
    const top = below ? Math.min(box.bottom + GAP, innerHeight - height - GAP) : box.top - height - GAP;
    const left = Math.min(box.left, innerWidth - width - GAP);
    this.element.style.top = `${Math.max(GAP, top)}px`;
    this.element.style.left = `${Math.max(GAP, left)}px`;
  }

  close() {
    if (!this.element.isConnected) return;
    removeEventListener("pointerdown", this._elsewhere, { capture: true });
    const hadFocus = this.element.contains(document.activeElement);
    if (hadFocus) this._from?.focus({ preventScroll: true });
    this.element.remove();
    this._closed?.();
  }
}
