// @ts-check
/** Small pictures that go with words or stand for them. */

import { el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";

/**
 * A picture drawn with strokes on a 24 by 24 grid, for the eye only.
 * @param {keyof typeof PATHS} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button that shows only an icon.
 * @param {keyof typeof PATHS} picture
 * @param {string} label what it does, for everybody who does not see the icon
 * @param {(event: Event) => void} press
 * @param {Record<string, any>} [properties]
 */
export function iconButton(picture, label, press, properties = {}) {
  return el(
    "button",
    {
      type: "button",
      class: "icon-button",
      "aria-label": label,
      title: label,
      onclick: press,
      ...properties,
    },
    icon(picture),
  );
}

const PATHS = {
  hash: "M9 4 7 20M17 4l-2 16M4 9h16M3.5 15h16",
  direct: "M4 5h16v11H9l-5 4z",
  thread: "M5 4v10a3 3 0 0 0 3 3h11M15 13l4 4-4 4",
  restricted: "M12 3 2.5 20h19zM12 10v4M12 17v.2",
  menu: "M4 7h16M4 12h16M4 17h16",
  panel: "M4 5h16v14H4zM14 5v14",
  close: "M6 6l12 12M18 6 6 18",
  plus: "M12 5v14M5 12h14",
  send: "M4 12 20 4l-5 16-3.5-6.5z",
  more: "M6 12h.1M12 12h.1M18 12h.1",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M8.5 14.5a4 4 0 0 0 7 0M9 9.5v.1M15 9.5v.1",
  download: "M12 4v11M7.5 11 12 15.5 16.5 11M5 20h14",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  down: "M6 9l6 6 6-6",
  check: "M5 12.5 10 17 19 7",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  eye: "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1.5 1.5M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1.5-1.5",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9v.1",
  pin: "M9 4h6l-1 6 4 3v2H6v-2l4-3zM12 15v6",
  poll: "M5 20V10M12 20V4M19 20v-7",
};
