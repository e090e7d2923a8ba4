// @ts-check
/**
 * Pictures of one message. They are kept between two renderings, so that an edit does not make them flicker.
 */

import { el } from "../dom.js";
import { icon } from "../icon.js";

const OURSELVES = ["127.0.0.1", "localhost"];

/**
 * The address of an uploaded file on this very page's origin; null for what lies elsewhere, which is never loaded.
 * @param {string} url
 */
export function ours(url) {
  if (!URL.canParse(url, location.href)) return null;
  const { hostname, port, pathname, search } = new URL(url, location.href);
  return OURSELVES.includes(hostname) && port === location.port ? pathname + search : null;
}

/** @param {number} bytes */
export function formatSize(bytes) {
  if (bytes < 1024) return `${bytes} bytes`;
  return bytes < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(2)} MiB`;
}

export class Media {
  constructor() {
    /** @type {Map<string, HTMLElement>} by part, path (without the signature that changes) and number */
    this._kept = new Map();
    /** @type {string[]} what the part that is being drawn has shown so far */
    this._used = [];
    this._part = "";
  }

  /** Another part of the message is about to be drawn. @param {string} part */
  begin(part) {
    this._part = part;
    this._used = [];
  }

  /**
   * @param {string} url
   * @param {{alt?: string | null, width?: number | null, height?: number | null}} about
   * @returns {HTMLElement}
   */
  picture(url, { alt, width, height }) {
    const address = ours(url);
    if (!address) return elsewhere(url, alt);
    const path = address.split("?")[0];
    const key = [this._part, path, this._used.filter((each) => each === path).length].join();
    this._used.push(path);
    const kept = this._kept.get(key);
    if (kept instanceof HTMLImageElement) {
      kept.alt = alt ?? "";
      return kept;
    }
    const image = el("img", {
      src: address,
      alt: alt ?? "",
      decoding: "async",
      loading: "lazy",
      draggable: false,
    });
    if (width && height) {
      image.width = width;
      image.height = height;
    }
    image.addEventListener("load", () => image.classList.add("developed"), { once: true });
    image.addEventListener("error", () => image.replaceWith(gone(alt)), { once: true });
    this._kept.set(key, image);
    return image;
  }
}

/** @param {string | null} [alt] */
function gone(alt) {
  return el("span", { class: "no-picture" }, icon("image"), alt || "This picture is no longer available.");
}

/** @param {string} url @param {string | null} [alt] */
function elsewhere(url, alt) {
  const host = URL.canParse(url) ? new URL(url).hostname : "elsewhere";
  return el(
    "span",
    { class: "no-picture" },
    icon("image"),
    `${alt || "Picture"} (from ${host}, not loaded here)`,
  );
}
