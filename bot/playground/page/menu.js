// @ts-check
/** A context menu. https://www.w3.org/WAI/ARIA/apg/patterns/menubar/ */

import { el } from "./dom.js";
import { icon } from "./icon.js";
import { Popup } from "./popup.js";
import { rove } from "./roving.js";

/**
 * @typedef {{label: string, act: () => void, danger?: boolean, picture?: any} | "separator" | {heading: string}} Entry
 */

/**
 * @param {string} label @param {(Entry | null | false)[]} entries
 * @param {HTMLElement} anchor @param {{x: number, y: number}} [at]
 * @param {Node[]} [above] what stands on top, such as who somebody is
 */
export function openMenu(label, entries, anchor, at, above = []) {
  const items = entries
    .filter((each) => each !== null && each !== false)
    .map((each) => item(/** @type {Entry} */ (each), () => popup.close()));
  const list = el("div", { role: "menu", "aria-label": label }, items);
  const popup = new Popup({ class: "menu" }, [...above, list]);
  rove(list, "[role=menuitem]", { typing: true });
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Tab") popup.close();
  });
  popup.open(anchor, at);
  list.querySelector("[role=menuitem]")?.focus();
}

/** @param {Entry} entry @param {() => void} close */
function item(entry, close) {
  if (entry === "separator") return el("hr", { role: "separator" });
  if ("heading" in entry) return el("p", { class: "menu-heading", role: "presentation" }, entry.heading);
  const press = () => {
    close();
    entry.act();
  };
  return el(
    "button",
    {
      type: "button",
      role: "menuitem",
      tabIndex: -1,
      class: entry.danger ? "is-danger" : "",
      onclick: press,
    },
    entry.label,
    entry.picture ? icon(entry.picture) : null,
  );
}
