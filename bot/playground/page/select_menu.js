// @ts-check
/** A select menu: a button that opens a list. Used under messages and in forms, for one value or several. */

import { el } from "./dom.js";
import { icon } from "./icon.js";
import { Popup } from "./popup.js";
import { rove } from "./roving.js";

/**
 * @typedef {{value: string, label: string, description?: string, chosen?: boolean}} Choice
 * @typedef {{label: string, placeholder?: string, choices: Choice[], least?: number, most?: number, disabled?: boolean,
 *   key?: string, changed: (values: string[]) => void}} About
 */

export class SelectMenu {
  /**
   * @param {About} about `changed` is told when the person has chosen; with several values, when the list closes
   */
  constructor(about) {
    this._about = { least: 1, most: 1, ...about };
    this.values = about.choices.filter((each) => each.chosen).map((each) => each.value);
    this._said = this.values.join();
    this._shown = el("span", { class: "select-value" });
    this.element = el(
      "button",
      {
        type: "button",
        class: "select",
        role: "combobox",
        "aria-haspopup": "listbox",
        "aria-expanded": "false",
        "aria-label": about.label,
        "data-key": about.key,
        disabled: Boolean(about.disabled),
        onclick: () => this._open(),
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          if (event.key !== "ArrowDown") return;
          event.preventDefault();
          this._open();
        },
      },
      this._shown,
      icon("down"),
    );
    this._show();
  }

  get _several() {
    return this._about.most > 1;
  }

  _show() {
    const labels = this._about.choices
      .filter((each) => this.values.includes(each.value))
      .map((each) => each.label);
    this._shown.textContent = labels.join(", ") || this._about.placeholder || "Make a selection";
    this._shown.classList.toggle("is-placeholder", !labels.length);
  }

  _open() {
    const options = this._about.choices.map((choice) => this._option(choice));
    const properties = {
      role: "listbox",
      class: "select-list",
      "aria-label": this._about.label,
      "aria-multiselectable": this._several ? "true" : null,
    };
    this._popup = new Popup(
      properties,
      options.length ? options : [el("p", { class: "empty" }, "Nothing to choose from.")],
      () => this._closed(),
    );
    rove(this._popup.element, "[role=option]", { typing: true });
    this._popup.element.style.minWidth = `${this.element.offsetWidth}px`;
    this._popup.open(this.element);
    this.element.setAttribute("aria-expanded", "true");
    (options.find((each) => each.getAttribute("aria-selected") === "true") ?? options[0])?.focus();
  }

  /** @param {Choice} choice @returns {HTMLElement} */
  _option(choice) {
    const selected = this.values.includes(choice.value);
    const option = el(
      "div",
      { role: "option", tabIndex: -1, "aria-selected": String(selected), class: "option" },
      el(
        "span",
        {},
        el("span", { class: "option-name" }, choice.label),
        choice.description ? el("small", {}, choice.description) : null,
      ),
      icon("check"),
    );
    option.addEventListener("click", () => this._pick(choice.value, option));
    option.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this._pick(choice.value, option);
    });
    return option;
  }

  /** @param {string} value @param {HTMLElement} option */
  _pick(value, option) {
    const { least, most } = this._about;
    const had = this.values.includes(value);
    if (!this._several) {
      this.values = had && least === 0 ? [] : [value];
      this._popup?.close();
      return;
    }
    if (!had && this.values.length >= most) return;
    this.values = had ? this.values.filter((each) => each !== value) : [...this.values, value];
    option.setAttribute("aria-selected", String(!had));
    this._show();
  }

  _closed() {
    this.element.setAttribute("aria-expanded", "false");
    this._show();
    if (this.values.join() === this._said || this.values.length < this._about.least) return;
    this._said = this.values.join();
    this._about.changed(this.values);
  }
}

/**
 * What a select of people (5), roles (6), both (7) or channels (8) offers.
 * @param {import("./api.js").Json} component @param {import("./world.js").World} world @returns {Choice[]}
 */
export function entityChoices(component, world) {
  const preset = (component.default_values ?? []).map((/** @type {any} */ each) => String(each.id));
  const people = world.users.map((each) => ({
    value: each.id,
    label: `@${each.global_name || each.username}`,
    description: each.username,
  }));
  const roles = world.roles.map((each) => ({ value: each.id, label: each.name }));
  const allowed = component.channel_types;
  const channels = world.channels
    .filter((each) => !allowed?.length || allowed.includes(each.type))
    .map((each) => ({ value: each.id, label: `${each.name.startsWith("@") ? "" : "#"}${each.name}` }));
  const offered =
    { 5: people, 6: roles, 7: [...people, ...roles], 8: channels }[/** @type {5} */ (component.type)] ?? [];
  return offered.map((each) => ({ ...each, chosen: preset.includes(each.value) }));
}
