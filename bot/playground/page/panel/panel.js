// @ts-check
/** The side panel for who develops a bot: traffic, faults, and the world. */

import { el } from "../dom.js";
import { iconButton } from "../icon.js";
import { rove } from "../roving.js";

/** @typedef {{name: string, element: HTMLElement, opened?: () => void}} Page */

export class Panel {
  /**
   * @param {Page[]} pages
   * @param {Storage} storage remembers whether it is open, and at which page
   * @param {(open: boolean) => void} toggled
   */
  constructor(pages, storage, toggled) {
    this._pages = pages;
    this._storage = storage;
    this._toggled = toggled;
    this._tabs = pages.map((page) =>
      el(
        "button",
        {
          type: "button",
          role: "tab",
          id: `tab-${page.name}`,
          "aria-controls": `page-${page.name}`,
          onclick: () => this._select(page.name),
          onfocus: () => this._select(page.name),
        },
        page.name,
      ),
    );
    for (const page of pages) {
      page.element.id = `page-${page.name}`;
      page.element.setAttribute("role", "tabpanel");
      page.element.setAttribute("aria-labelledby", `tab-${page.name}`);
    }
    const tabs = el("div", { role: "tablist", "aria-label": "Panel" }, this._tabs);
    rove(tabs, "[role=tab]", { axis: "horizontal" });
    this.element = el(
      "aside",
      { class: "panel", id: "panel", "aria-label": "Developer panel" },
      el(
        "header",
        {},
        tabs,
        iconButton("close", "Close the panel", () => this.toggle(false)),
      ),
      pages.map((page) => page.element),
    );
    this._select(storage.getItem("playground.panel.page") ?? pages[0].name);
    this.toggle(storage.getItem("playground.panel") === "open");
  }

  get isOpen() {
    return !this.element.hidden;
  }

  /** @param {boolean} [open] */
  toggle(open = !this.isOpen) {
    this.element.hidden = !open;
    this._storage.setItem("playground.panel", open ? "open" : "");
    this._toggled(open);
    if (open) this._pages.find((page) => !page.element.hidden)?.opened?.();
  }

  /** @param {string} name */
  _select(name) {
    const chosen = this._pages.find((page) => page.name === name) ?? this._pages[0];
    this._pages.forEach((page, index) => {
      const current = page === chosen;
      page.element.hidden = !current;
      this._tabs[index].setAttribute("aria-selected", String(current));
      this._tabs[index].tabIndex = current ? 0 : -1;
    });
    this._storage.setItem("playground.panel.page", chosen.name);
    if (this.element && this.isOpen) chosen.opened?.();
  }
}
