// @ts-check
/** Dark or light: what the system prefers, until the person chooses. */

const KEY = "playground.theme";

export class Theme {
  /** @param {HTMLElement} root @param {Storage} storage */
  constructor(root, storage) {
    this._root = root;
    this._storage = storage;
    const chosen = storage.getItem(KEY);
    if (chosen) root.dataset.theme = chosen;
  }

  /** @returns {"dark" | "light"} */
  get shown() {
    const chosen = this._root.dataset.theme;
    if (chosen === "dark" || chosen === "light") return chosen;
    return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  }

  toggle() {
    const next = this.shown === "dark" ? "light" : "dark";
    this._root.dataset.theme = next;
    this._storage.setItem(KEY, next);
  }
}
