// @ts-check
/**
 * The list above the composer. The focus stays in the field; the active option is pointed at.
 * https://www.w3.org/WAI/ARIA/apg/patterns/combobox/
 */

import { el } from "../dom.js";

/**
 * @typedef {{label: string, detail?: string, extra?: string, value: any}} Item
 * @typedef {{label: string, items: Item[], pick: (value: any) => void, first?: boolean, note?: string}} About
 * `first`: the first one is active at once, so Enter picks it
 */

export class Listbox {
  constructor() {
    this._list = el("ul", { role: "listbox", id: "offers" });
    this._title = el("p", { class: "offers-title", "aria-hidden": "true" });
    this._note = el("p", { class: "offers-note" });
    this.element = el("div", { class: "offers", hidden: true }, this._title, this._list, this._note);
    // A press must not take the focus out of the field.
    this.element.addEventListener("pointerdown", (/** @type {Event} */ event) => event.preventDefault());
    /** @type {HTMLElement | null} */
    this._field = null;
    /** @type {About | null} */
    this._about = null;
    this._active = -1;
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** @returns {Item | undefined} */
  get active() {
    return this.isOpen ? this._about?.items[this._active] : undefined;
  }

  /** @param {HTMLElement} field where the person types @param {About} about */
  show(field, about) {
    this._leave();
    this._field = field;
    this._about = about;
    this._title.textContent = about.label;
    this._note.textContent = about.note ?? "";
    this._note.hidden = !about.note;
    this._list.setAttribute("aria-label", about.label);
    this._list.replaceChildren(...about.items.map((item, index) => this._option(item, index)));
    this.element.hidden = !about.items.length && !about.note;
    field.setAttribute("aria-controls", "offers");
    field.setAttribute("aria-expanded", String(this.isOpen));
    this._list.scrollTop = 0;
    this._activate(about.first && about.items.length ? 0 : -1);
  }

  hide() {
    this._leave();
    this.element.hidden = true;
    this._about = null;
  }

  _leave() {
    this._field?.removeAttribute("aria-activedescendant");
    if (this._field?.getAttribute("role") === "combobox") this._field.setAttribute("aria-expanded", "false");
    else this._field?.removeAttribute("aria-expanded");
  }

  /** @param {Item} item @param {number} index */
  _option(item, index) {
    const option = el(
      "li",
      { role: "option", id: `offer-${index}`, "aria-selected": "false", class: "option" },
      el(
        "span",
        { class: "option-name" },
        item.label,
        item.extra ? el("span", { class: "option-extra" }, item.extra) : null,
      ),
      item.detail ? el("small", {}, item.detail) : null,
    );
    option.addEventListener("click", () => this._about?.pick(item.value));
    option.addEventListener("pointermove", () => this._activate(index));
    return option;
  }

  /** @param {number} index -1 for none */
  _activate(index) {
    this._list.children[this._active]?.setAttribute("aria-selected", "false");
    this._active = index;
    const option = this._list.children[index];
    if (!option) {
      this._field?.removeAttribute("aria-activedescendant");
      return;
    }
    option.setAttribute("aria-selected", "true");
    this._field?.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  /**
   * Arrows, Enter, Tab and Escape, while the list is open.
   * @param {KeyboardEvent} event
   * @returns {boolean} whether it was for us
   */
  takes(event) {
    if (!this.isOpen || event.isComposing) return false;
    const count = this._about?.items.length ?? 0;
    const { key } = event;
    if ((key === "ArrowDown" || key === "ArrowUp") && count) {
      const from = this._active < 0 && key === "ArrowUp" ? 0 : this._active;
      this._activate((from + (key === "ArrowDown" ? 1 : -1) + count) % count);
    } else if ((key === "Enter" || (key === "Tab" && !event.shiftKey)) && this.active) {
      this._about?.pick(this.active.value);
    } else if (key === "Escape") this.hide();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }
}
