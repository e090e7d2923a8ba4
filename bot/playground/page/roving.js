// @ts-check
/**
 * One Tab stop for a group of things, arrows between them.
 * https://www.w3.org/WAI/ARIA/apg/practices/keyboard-interface/#kbd_roving_tabindex
 */

const STEPS = {
  vertical: { ArrowDown: 1, ArrowUp: -1 },
  horizontal: { ArrowRight: 1, ArrowLeft: -1 },
};

/**
 * @param {HTMLElement} group
 * @param {string} selector of the things inside; they may come and go
 * @param {{axis?: "vertical" | "horizontal", wrap?: boolean, typing?: boolean}} [how] `typing` finds by first letter
 */
export function rove(group, selector, { axis = "vertical", wrap = true, typing = false } = {}) {
  /** @returns {HTMLElement[]} */
  const all = () => [.../** @type {NodeListOf<HTMLElement>} */ (group.querySelectorAll(selector))];
  group.addEventListener("focusin", (event) => {
    const items = all();
    const current = items.find((item) => item === event.target);
    if (current) for (const item of items) item.tabIndex = item === current ? 0 : -1;
  });
  group.addEventListener("keydown", (event) => {
    const items = all();
    const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = following(items, at, event.key, { axis, wrap, typing });
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}

/** @param {HTMLElement[]} items @param {number} at @param {string} key @param {any} how */
function following(items, at, key, { axis, wrap, typing }) {
  if (key === "Home") return items[0];
  if (key === "End") return items.at(-1);
  const step = /** @type {Record<string, number>} */ (STEPS[/** @type {"vertical"} */ (axis)])[key];
  if (step) return items[wrap ? (at + step + items.length) % items.length : at + step];
  if (!typing || key.length !== 1) return undefined;
  const letter = key.toLowerCase();
  return [...items.slice(at + 1), ...items.slice(0, at)].find((item) =>
    item.textContent?.trim().toLowerCase().startsWith(letter),
  );
}
