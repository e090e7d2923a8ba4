// @ts-check
/** A slash command being filled in: its name, a chip for each option, and the way to add more of them. */

import { el } from "../dom.js";
import { Chip } from "./chip.js";
import { limitsOf, OptionType } from "./option.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./commands.js").Entry} Entry */
/**
 * @typedef {{world: import("../world.js").World, listbox: import("./listbox.js").Listbox,
 *   suggest: (options: Json, focused: string) => Promise<import("./option.js").Offer[]>,
 *   send: () => void, leave: () => void, hint: (text: string) => void}} Surroundings
 */

const PAUSE_MS = 250; // after the last key, before the bot is asked for suggestions
const SHOWN = 25;

export class CommandForm {
  /** @param {Entry} entry @param {Surroundings} around */
  constructor(entry, around) {
    this.entry = entry;
    this._around = around;
    /** @type {Chip[]} */
    this.chips = [];
    this._asked = 0;
    this._more = el("input", {
      class: "more-options",
      role: "combobox",
      "aria-expanded": "false",
      "aria-autocomplete": "list",
      "aria-label": "Add an option",
      autocomplete: "off",
      spellcheck: false,
    });
    this._more.addEventListener("input", () => this._offerOptions());
    this._more.addEventListener("focus", () => this._offerOptions());
    this._more.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this._keyInMore(event));
    this.element = el(
      "div",
      { class: "command-form", role: "group", "aria-label": `/${entry.path}` },
      el("span", { class: "command-name" }, `/${entry.path}`),
      this._more,
    );
    for (const spec of entry.options) if (spec.required) this._add(spec);
    this._countMore();
  }

  get _left() {
    return this.entry.options.filter((spec) => !this.chips.some((chip) => chip.spec.name === spec.name));
  }

  /** @param {Json} spec @returns {Chip} */
  _add(spec) {
    const chip = new Chip(spec, this._around.world, {
      changed: (each) => this._changed(each),
      focused: (each) => this._offer(each),
      key: (each, event) => this._keyInChip(each, event),
      remove: (each) => this._remove(each),
    });
    this.chips.push(chip);
    this.element.insertBefore(chip.element, this._more);
    this._countMore();
    return chip;
  }

  /** @param {Chip} chip */
  _remove(chip) {
    const at = this.chips.indexOf(chip);
    this.chips.splice(at, 1);
    chip.element.remove();
    this._countMore();
    (this.chips[at - 1] ?? this).focus();
  }

  _countMore() {
    const { length } = this._left;
    this._more.placeholder = length ? `+${length} more` : "";
    this._more.classList.toggle("is-used-up", !length);
  }

  /** The first chip that still needs something, or the end. */
  focus() {
    const next = this.chips.find((chip) => chip.isEmpty);
    if (next) next.focus();
    else this._more.focus();
  }

  /** @param {Record<string, string | import("./option.js").Offer>} values */
  fill(values) {
    for (const [name, text] of Object.entries(values)) {
      const spec = this.entry.options.find((each) => each.name === name);
      if (spec) (this.chips.find((chip) => chip.spec.name === name) ?? this._add(spec)).fill(text);
    }
  }

  /** Give a file to the first option that takes one and has none. @param {File} file @returns {boolean} */
  attach(file) {
    const isFree = (/** @type {Json} */ spec) =>
      spec.type === OptionType.ATTACHMENT && !this.chips.find((chip) => chip.spec.name === spec.name)?.file;
    const spec = this.entry.options.find(isFree);
    if (!spec) return false;
    (this.chips.find((chip) => chip.spec.name === spec.name) ?? this._add(spec)).attach(file);
    return true;
  }

  /** Everything to send, or the first thing that is wrong, which is then marked and focused. */
  collect() {
    /** @type {Json} */
    const options = {};
    /** @type {Record<string, File>} */
    const files = {};
    for (const chip of this.chips) {
      const { value, error } = chip.check();
      if (error) {
        chip.mark(error);
        chip.focus();
        return { error, options, files };
      }
      if (chip.file) files[chip.spec.name] = chip.file;
      else options[chip.spec.name] = value;
    }
    return { error: null, options, files };
  }

  /** What was typed or picked, to begin from once more. */
  get filled() {
    return Object.fromEntries(
      this.chips.filter((chip) => chip.text).map((chip) => [chip.spec.name, chip.picked ?? chip.text]),
    );
  }

  /** @param {Chip} chip */
  _changed(chip) {
    if (chip.picked && chip.picked.name !== chip.text) chip.picked = null;
    this._split(chip);
    this._offer(chip);
  }

  /** ` steps:` typed at the end of a value begins that option. @param {Chip} chip */
  _split(chip) {
    const found = /(^|\s)([^\s:]+):$/.exec(chip.text);
    if (!found) return;
    if (!found[1] && found[2] === chip.spec.name) chip.field.value = "";
    const spec =
      this._left.find((each) => each.name === found[2]) ??
      this.chips.find((each) => each !== chip && each.isEmpty && each.spec.name === found[2])?.spec;
    if (!spec) return;
    chip.field.value = chip.text.slice(0, found.index);
    (this.chips.find((each) => each.spec === spec) ?? this._add(spec)).focus();
  }

  /** Show what fits the chip that has the focus. @param {Chip} chip */
  async _offer(chip) {
    if (document.activeElement !== chip.field) return;
    const { spec } = chip;
    this._around.hint([spec.name, spec.description, limitsOf(spec)].filter(Boolean).join(" · "));
    const asked = ++this._asked;
    let offers = chip.offers;
    let note = "";
    if (spec.autocomplete) {
      this._show(chip, [], "Loading options…");
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      if (asked !== this._asked) return;
      offers = await this._around
        .suggest(this._valid(chip), spec.name)
        .catch(() => ((note = "Loading options failed."), []));
      if (asked !== this._asked || document.activeElement !== chip.field) return;
      chip.offers = offers;
      this._show(chip, offers, note || (offers.length ? "" : "No options match your search."));
      return;
    }
    const typed = chip.picked ? "" : chip.text.trim().toLowerCase();
    this._show(
      chip,
      offers.filter((each) => each.name.toLowerCase().includes(typed)),
      "",
    );
  }

  /** What is filled in so far and makes sense. @param {Chip} focused */
  _valid(focused) {
    /** @type {Json} */
    const options = { [focused.spec.name]: focused.text };
    for (const chip of this.chips) {
      if (chip === focused || chip.isEmpty || chip.file) continue;
      const { value, error } = chip.check();
      if (!error) options[chip.spec.name] = value;
    }
    return options;
  }

  /** @param {Chip} chip @param {import("./option.js").Offer[]} offers @param {string} note */
  _show(chip, offers, note) {
    if (!offers.length && !note) {
      this._around.listbox.hide();
      return;
    }
    const items = offers
      .slice(0, SHOWN)
      .map((each) => ({ label: each.name, detail: each.detail, value: each }));
    const pick = (/** @type {import("./option.js").Offer} */ offer) => {
      chip.pick(offer);
      this._asked += 1;
      this._around.listbox.hide();
      this.focus();
    };
    const first = Boolean(chip.text) && !chip.picked;
    this._around.listbox.show(chip.field, { label: chip.spec.name, items, pick, first, note });
  }

  /** The options that are not there yet. */
  _offerOptions() {
    this._asked += 1;
    const typed = this._more.value.trim().toLowerCase().replace(/:$/, "");
    const found = this._left.filter((spec) => spec.name.includes(typed));
    const exact = this._more.value.endsWith(":") && found.find((spec) => spec.name === typed);
    if (exact) {
      this._open(exact);
      return;
    }
    this._around.hint(`/${this.entry.path} · ${this.entry.description}`);
    const items = found.map((spec) => ({
      label: spec.name,
      detail: spec.description,
      extra: limitsOf(spec),
      value: spec,
    }));
    if (!items.length) this._around.listbox.hide();
    else
      this._around.listbox.show(this._more, {
        label: "Options",
        items,
        first: Boolean(typed),
        pick: (spec) => this._open(spec),
      });
  }

  /** @param {Json} spec */
  _open(spec) {
    this._more.value = "";
    this._around.listbox.hide();
    this._add(spec).focus();
  }

  /** @param {KeyboardEvent} event */
  _keyInMore(event) {
    if (this._around.listbox.takes(event)) return;
    if (event.key === "Backspace" && !this._more.value) {
      event.preventDefault();
      const last = this.chips.at(-1);
      if (last) last.focus();
      else this._around.leave();
    } else this._keyAnywhere(event);
  }

  /** @param {Chip} chip @param {KeyboardEvent} event */
  _keyInChip(chip, event) {
    if (this._around.listbox.takes(event)) return;
    if (event.key === "Backspace" && chip.isEmpty && !chip.file) {
      event.preventDefault();
      if (!chip.spec.required) this._remove(chip);
      else (this.chips[this.chips.indexOf(chip) - 1] ?? { focus: () => this._around.leave() }).focus();
    } else if (!(event.key === "Enter" && chip.spec.type === OptionType.ATTACHMENT && !chip.file))
      this._keyAnywhere(event);
  }

  /** @param {KeyboardEvent} event */
  _keyAnywhere(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this._around.send();
    } else if (event.key === "Escape") {
      event.preventDefault();
      this._around.leave();
    }
  }
}
