// @ts-check
/** Embeds. https://discord.com/developers/docs/resources/message#embed-object */

import { el } from "../dom.js";
import { gallery } from "./attachments.js";
import { line, prose } from "./prose.js";
import { formatTime } from "./time.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */

/** @param {Json} embed @param {import("./media.js").Media} media @param {Surroundings} around */
export function embedOf(embed, media, around) {
  const box = el(
    "section",
    { class: "embed", "aria-label": embed.title || "Embed" },
    el(
      "div",
      { class: "embed-text" },
      embed.provider?.name ? el("small", {}, embed.provider.name) : null,
      embed.author?.name
        ? el("p", { class: "embed-author" }, linked(embed.author.name, embed.author.url))
        : null,
      embed.title
        ? el("p", { class: "embed-title", role: "heading", "aria-level": 4 }, titled(embed, around))
        : null,
      embed.description ? prose(embed.description, around) : null,
      embed.fields?.length
        ? el(
            "dl",
            { class: "embed-fields" },
            embed.fields.map((/** @type {Json} */ each) => field(each, around)),
          )
        : null,
    ),
    embed.thumbnail?.url
      ? el("div", { class: "thumbnail" }, gallery([shot(embed.thumbnail, embed)], media, around))
      : null,
    embed.image?.url
      ? el("div", { class: "embed-image" }, gallery([shot(embed.image, embed)], media, around))
      : null,
    footer(embed),
  );
  if (typeof embed.color === "number")
    box.style.setProperty("--stripe", `#${embed.color.toString(16).padStart(6, "0")}`);
  return box;
}

/** @param {Json} media @param {Json} embed */
function shot(media, embed) {
  const name = new URL(media.url, location.href).pathname.split("/").at(-1) || "picture";
  return {
    url: media.url,
    alt: media.description ?? "",
    name: embed.title ?? name,
    width: media.width,
    height: media.height,
  };
}

/** @param {Json} each @param {Surroundings} around */
function field(each, around) {
  return el(
    "div",
    { class: each.inline ? "inline" : "" },
    el("dt", {}, line(each.name, around)),
    el("dd", {}, prose(each.value, around)),
  );
}

/** @param {Json} embed @param {Surroundings} around */
function titled(embed, around) {
  return isWeb(embed.url) ? [linked(embed.title, embed.url)] : line(embed.title, around);
}

/** @param {string} text @param {string} [url] @returns {Node | string} */
function linked(text, url) {
  return isWeb(url) ? el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, text) : text;
}

/** @param {any} url */
export function isWeb(url) {
  return typeof url === "string" && /^https?:\/\//.test(url);
}

/** @param {Json} embed */
function footer(embed) {
  const at = embed.timestamp ? formatTime(Date.parse(embed.timestamp) / 1000, "s") : null;
  const parts = [embed.footer?.text, at].filter(Boolean);
  return parts.length ? el("footer", {}, parts.join(" • ")) : null;
}
