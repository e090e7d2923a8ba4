// @ts-check
/** Files that will go out with an ordinary message. */

import { el } from "../dom.js";
import { icon, iconButton } from "../icon.js";
import { formatSize } from "../chat/media.js";

export class Tray {
  constructor() {
    /** @type {File[]} */
    this.files = [];
    this.element = el("ul", { class: "tray", "aria-label": "Files to send", hidden: true });
  }

  /** @param {File} file */
  add(file) {
    this.files.push(file);
    this._show();
  }

  /** @returns {File[]} what was in it */
  empty() {
    const files = this.files;
    this.files = [];
    this._show();
    return files;
  }

  _show() {
    this.element.hidden = !this.files.length;
    for (const old of this.element.querySelectorAll("img")) URL.revokeObjectURL(old.src);
    this.element.replaceChildren(...this.files.map((file) => this._entry(file)));
  }

  /** @param {File} file */
  _entry(file) {
    const picture = file.type.startsWith("image/")
      ? el("img", { src: URL.createObjectURL(file), alt: "" })
      : icon("file");
    const remove = () => {
      this.files = this.files.filter((each) => each !== file);
      this._show();
    };
    return el(
      "li",
      {},
      picture,
      el("span", { class: "file-name" }, file.name),
      el("small", {}, formatSize(file.size)),
      iconButton("close", `Remove ${file.name}`, remove),
    );
  }
}
