// @ts-check
/**
 * Faces and names. Nobody uploads a picture here: a face is an initial on a colour that belongs to the person.
 */

import { el } from "../dom.js";
import { icon } from "../icon.js";
import { nameOf } from "../world.js";

/** @typedef {import("../api.js").Json} Json */

/** @param {Json} user @param {string} [size] a class: "small", or nothing */
export function avatar(user, size = "") {
  const face = el("span", { class: `avatar ${size} ${user.bot ? "is-app" : ""}`, "aria-hidden": "true" });
  face.style.setProperty("--hue", String(hue(user.id)));
  face.append(user.bot ? aperture() : nameOf(user).slice(0, 1).toUpperCase());
  return face;
}

/** Neighbouring ids get colours that are far apart. @param {string} id */
function hue(id) {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) % 997;
  return (sum * 137) % 360;
}

function aperture() {
  const svg = icon("eye");
  svg.firstElementChild?.setAttribute(
    "d",
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 3l4.5 8M20 8.5l-9.2.1M19.5 16.5 15 8.5M12 21l-4.5-8M4 15.5l9.2-.1M4.5 7.5 9 15.5",
  );
  return svg;
}

/**
 * The name as a button that shows the person.
 * @param {Json} user @param {(user: Json, at: HTMLElement) => void} show
 */
export function authorName(user, show) {
  const name = el("button", { type: "button", class: "author" }, nameOf(user));
  name.addEventListener("click", () => show(user, name));
  name.addEventListener("contextmenu", (/** @type {Event} */ event) => {
    event.preventDefault();
    event.stopPropagation();
    show(user, name);
  });
  return user.bot ? [name, el("span", { class: "app-tag" }, "APP")] : [name];
}
