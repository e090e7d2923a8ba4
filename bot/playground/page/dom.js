// @ts-check
/** Building elements. Text is always set as text: nothing here reads HTML. */

/** @typedef {Node | string | number | null | undefined | false} Child */

/**
 * An element. Properties that begin with `on` are listeners; `class`, `data-*`, `aria-*`, `role` and the like are
 * attributes; everything else is set as a property. null and false leave an attribute out.
 * @param {string} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Child | Child[])} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...nodes(children));
  return element;
}

/** @param {Child[] | Child[][] | any[]} children @returns {(Node | string)[]} */
export function nodes(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/** @param {HTMLElement} element @param {string} name @param {any} value */
function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
  else if (name in element && !ATTRIBUTES.test(name)) /** @type {any} */ (element)[name] = value;
  else if (value !== null && value !== undefined && value !== false) {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}

const ATTRIBUTES = /^(class|role|list|form|width|height|data-|aria-)/;
