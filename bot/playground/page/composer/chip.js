// @ts-check
/** One option in the composer: its name and the field for its value. */

import { el } from "../dom.js";
import { iconButton } from "../icon.js";
import { check, isClosed, limitsOf, offersOf, OptionType } from "./option.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./option.js").Offer} Offer */
/** @typedef {{changed: (chip: Chip) => void, focused: (chip: Chip) => void, key: (chip: Chip, event: KeyboardEvent) => void,
 *   remove: (chip: Chip) => void}} Owner */

export class Chip {
  /** @param {Json} spec @param {import("../world.js").World} world @param {Owner} owner */
  constructor(spec, world, owner) {
    this.spec = spec;
    this.offers = offersOf(spec, world);
    /** @type {Offer | null} */
    this.picked = null;
    /** @type {File | null} */
    this.file = null;
    this._owner = owner;
    this._isFile = spec.type === OptionType.ATTACHMENT;
    this.field = this._isFile ? this._fileField() : this._textField();
    const remove = spec.required
      ? null
      : iconButton("close", `Remove ${spec.name}`, () => owner.remove(this), { tabIndex: -1 });
    this.element = el(
      "label",
      { class: `chip ${this._isFile ? "is-file" : ""}` },
      el("span", { class: "chip-name", "aria-hidden": "true" }, spec.name),
      this.field,
      this._isFile ? this._fileName : null,
      remove,
    );
    this.field.addEventListener("focus", () => owner.focused(this));
    this.field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => owner.key(this, event));
  }

  _textField() {
    const listed = isClosed(this.spec) || this.spec.autocomplete;
    const field = el(listed || this.spec.type !== OptionType.STRING ? "input" : "textarea", {
      class: "chip-field",
      "aria-label": this.spec.name,
      "aria-description": `${this.spec.description} ${limitsOf(this.spec)}`.trim(),
      "aria-required": String(Boolean(this.spec.required)),
      role: listed ? "combobox" : null,
      "aria-expanded": listed ? "false" : null,
      "aria-autocomplete": listed ? "list" : null,
      inputMode: this.spec.type === OptionType.INTEGER && !listed ? "numeric" : "text",
      autocomplete: "off",
      spellcheck: this.spec.type === OptionType.STRING && !listed,
      rows: 1,
    });
    field.addEventListener("input", () => {
      this.mark(null);
      this._owner.changed(this);
    });
    return field;
  }

  _fileField() {
    this._fileName = el("span", { class: "chip-file" }, "Choose a file");
    const field = el("input", {
      type: "file",
      class: "unseen-field",
      "aria-label": this.spec.name,
      "aria-description": this.spec.description,
    });
    field.addEventListener("change", () => {
      if (field.files?.[0]) this.attach(field.files[0]);
    });
    return field;
  }

  /** @param {File} file */
  attach(file) {
    this.file = file;
    if (this._fileName) this._fileName.textContent = file.name;
    this.mark(null);
    this._owner.changed(this);
  }

  get text() {
    return this._isFile ? "" : /** @type {string} */ (this.field.value);
  }

  get isEmpty() {
    return this._isFile ? !this.file : !this.text.trim();
  }

  /** @param {string | Offer} given what somebody typed, or picked before */
  fill(given) {
    if (this._isFile) return;
    if (typeof given === "object") {
      this.pick(given);
      return;
    }
    const text = given;
    const offer = this.offers.find((each) => each.name === text || String(each.value) === text);
    if (offer) this.pick(offer);
    else this.field.value = text;
  }

  /** @param {Offer} offer */
  pick(offer) {
    this.picked = offer;
    this.field.value = offer.name;
    this.mark(null);
  }

  /** @returns {import("./option.js").Checked} files are no value: they are sent beside */
  check() {
    if (this._isFile) return this.file ? {} : { error: `${this.spec.name} is required and was not given.` };
    return check(this.spec, this.text.replaceAll("\n", " "), this.picked, this.offers);
  }

  /** @param {string | null} error */
  mark(error) {
    this.element.classList.toggle("is-wrong", Boolean(error));
    if (error) this.field.setAttribute("aria-invalid", "true");
    else this.field.removeAttribute("aria-invalid");
  }

  focus() {
    this.field.focus();
    if (!this._isFile) this.field.setSelectionRange(this.text.length, this.text.length);
  }
}
