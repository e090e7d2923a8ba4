// @ts-check
/** Where a person types: a message, or a slash command with its options. */

import { el } from "../dom.js";
import { icon, iconButton } from "../icon.js";
import { CommandForm } from "./command_form.js";
import { entriesOf, findEntries, readLine } from "./commands.js";
import { Listbox } from "./listbox.js";
import { Tray } from "./tray.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("../api.js").Files} Files */
/**
 * @typedef {{api: import("../api.js").PersonApi, world: () => import("../world.js").World, storage: Storage,
 *   say: (text: string) => void, sent: () => void, began: (asked: Json, about: Json) => void}} Parts
 * `say` tells screen readers, `sent` that something was sent from here, `began` that it is an interaction
 */

const MOST = 2000; // characters of a message
const MOST_FILES = 10;
const MEBIBYTE = 1024 * 1024;
const MOST_BYTES = 20 * MEBIBYTE; // Discord's limit on a file, without Nitro

export class Composer {
  /** @param {Parts} parts */
  constructor(parts) {
    this._parts = parts;
    this._listbox = new Listbox();
    this._tray = new Tray();
    /** @type {CommandForm | null} */
    this._form = null;
    this._text = el("textarea", {
      id: "composer",
      class: "composer-text",
      rows: 1,
      "aria-autocomplete": "list",
      autocomplete: "off",
    });
    this._field = el("div", { class: "composer-field" }, this._text);
    this._hint = el("p", { class: "composer-hint", hidden: true });
    this._error = el("p", { class: "composer-error", role: "alert", hidden: true });
    this._files = el("input", {
      type: "file",
      multiple: true,
      class: "unseen-field",
      tabIndex: -1,
      "aria-label": "Files to attach",
    });
    const attach = iconButton("plus", "Attach files", () => this._files.click());
    this._send = el(
      "button",
      { type: "submit", class: "icon-button send", "aria-label": "Send", title: "Send" },
      icon("send"),
    );
    this.element = el(
      "form",
      { class: "composer", "aria-label": "Write", noValidate: true },
      this._listbox.element,
      this._hint,
      this._error,
      this._tray.element,
      el("div", { class: "composer-row" }, attach, this._files, this._field, this._send),
    );
    /** @type {Map<string, { text: string, files: File[] }>} */
    this._drafts = new Map();
    this._draft = "";
    this._listen();
  }

  _listen() {
    this.element.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      void this.send();
    });
    this._text.addEventListener("input", () => this._typed());
    this._text.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this._key(event));
    this.element.addEventListener("focusout", (/** @type {FocusEvent} */ event) => {
      if (this.element.contains(/** @type {Node} */ (event.relatedTarget))) return;
      this._listbox.hide();
      this._say(this._hint, "");
    });
    this._files.addEventListener("change", () => {
      this.attach([...(this._files.files ?? [])]);
      this._files.value = "";
    });
    this.element.addEventListener("paste", (/** @type {ClipboardEvent} */ event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (!files.length) return;
      event.preventDefault();
      this.attach(files);
    });
  }

  /**
   * What was begun stays with the person and the channel it was begun in.
   * @param {string} place "#general"
   * @param {string} draft names person and channel
   */
  enter(place, draft) {
    if (this._draft) this._drafts.set(this._draft, { text: this._text.value, files: this._tray.empty() });
    this._draft = draft;
    this._text.placeholder = `Message ${place}`;
    this._text.setAttribute("aria-label", `Message ${place}`);
    this.clear();
    const { text, files } = this._drafts.get(draft) ?? { text: "", files: [] };
    this._text.value = text;
    for (const file of files) this._tray.add(file);
  }

  /** The playground answers again: what was said about that is no longer true. */
  connected() {
    this._say(this._error, "");
  }

  clear() {
    this._form?.element.remove();
    this._form = null;
    this._text.hidden = false;
    this._text.value = "";
    this._say(this._error, "");
    this._say(this._hint, "");
    this._listbox.hide();
  }

  focus() {
    (this._form ?? this._text).focus();
  }

  /** Write something where the person types. @param {string} text */
  insert(text) {
    if (this._form) this.clear();
    this._text.value += text;
    this._text.focus();
  }

  /** Files that were chosen, dropped or pasted. @param {File[]} files */
  attach(files) {
    for (const file of files) {
      if (file.size > MOST_BYTES) {
        const size = `${(file.size / MEBIBYTE).toFixed(1)} MiB`;
        this._say(this._error, `${file.name} is ${size}; at most ${MOST_BYTES / MEBIBYTE} MiB are taken here.`);
        continue;
      }
      if (this._form?.attach(file)) continue;
      if (this._form) this._say(this._error, `/${this._form.entry.path} takes no further file.`);
      else if (this._tray.files.length < MOST_FILES) this._tray.add(file);
      else this._say(this._error, `A message takes at most ${MOST_FILES} files; ${file.name} was left out.`);
    }
    this.focus();
  }

  /**
   * Begin a command.
   * @param {string} path "gallery show"
   * @param {Record<string, string | import("./option.js").Offer>} [values]
   */
  use(path, values = {}) {
    const entry = this._entries().find((each) => each.path === path);
    if (!entry) {
      this._say(this._error, `There is no command called /${path} here.`);
      return;
    }
    this.clear();
    this._form = new CommandForm(entry, {
      world: this._parts.world(),
      listbox: this._listbox,
      suggest: (options, focused) => this._suggest(entry, options, focused),
      send: () => void this.send(),
      leave: () => {
        this.clear();
        this._text.focus();
      },
      hint: (text) => this._say(this._hint, text),
    });
    this._text.hidden = true;
    this._field.append(this._form.element);
    this._form.fill(values);
    for (const file of this._tray.files.length ? this._tray.empty() : []) this._form.attach(file);
    this._form.focus();
  }

  _entries() {
    return entriesOf(this._parts.world().commands);
  }

  /** @param {import("./commands.js").Entry} entry @param {Json} options @param {string} focused */
  async _suggest(entry, options, focused) {
    const asked = await this._parts.api.act("autocomplete", { command: entry.path, options, focused });
    if (!asked.choices) throw new Error("no suggestions came");
    return asked.choices;
  }

  _typed() {
    this._say(this._error, "");
    const { value } = this._text;
    if (!value.startsWith("/") || value.includes("\n")) {
      this._listbox.hide();
      return;
    }
    const line = readLine(value, this._entries());
    if (line) this.use(line.entry.path, line.values);
    else this._offerCommands(value.slice(1));
  }

  /** @param {string} typed */
  _offerCommands(typed) {
    const items = findEntries(this._entries(), typed).map((entry) => ({
      label: `/${entry.path}`,
      extra: entry.options.map((each) => each.name).join("  "),
      detail: entry.description,
      value: entry.path,
    }));
    const note = items.length ? "" : "No command is called so.";
    this._listbox.show(this._text, {
      label: "Commands",
      items,
      first: true,
      note,
      pick: (path) => this.use(path),
    });
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (this._listbox.takes(event) || event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      void this.send();
    } else if (event.key === "ArrowUp" && !this._text.value) {
      const last = this._parts.storage.getItem(this._lastKey());
      if (!last) return;
      event.preventDefault();
      const { path, values } = JSON.parse(last);
      this.use(path, values);
    }
  }

  _lastKey() {
    return `playground.last.${this._parts.world().you.username}`;
  }

  async send() {
    if (this._send.disabled) return;
    this._say(this._error, "");
    this._send.disabled = true;
    try {
      await (this._form ? this._sendCommand(this._form) : this._sendText());
    } catch (error) {
      this._say(this._error, error instanceof Error ? error.message : String(error));
    } finally {
      this._send.disabled = false;
    }
  }

  /** @param {CommandForm} form */
  async _sendCommand(form) {
    const { error, options, files } = form.collect();
    if (error) throw new Error(error);
    const command = form.entry.path;
    const values = form.filled;
    const asked = await this._parts.api.act("slash", { command, options }, files);
    this._parts.storage.setItem(this._lastKey(), JSON.stringify({ path: command, values }));
    this._parts.say(`Sent /${command}`);
    this.clear();
    this._text.focus();
    this._parts.sent();
    this._parts.began(asked, { name: `/${command.split(" ")[0]}` });
  }

  async _sendText() {
    const content = this._text.value.trim();
    const files = this._tray.files;
    if (!content && !files.length) return;
    if (/^\/\S/.test(content)) throw new Error(`There is no command called ${content.split(/\s/)[0]} here.`);
    if ([...content].length > MOST)
      throw new Error(`A message must have at most ${MOST} characters; you gave ${[...content].length}.`);
    await this._parts.api.act(
      "say",
      { content },
      Object.fromEntries(files.map((file, index) => [String(index), file])),
    );
    this._tray.empty();
    this.clear();
    this._text.focus();
    this._parts.sent();
  }

  /** @param {HTMLElement} line @param {string} text */
  _say(line, text) {
    line.textContent = text;
    line.hidden = !text;
  }
}
