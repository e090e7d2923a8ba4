// @ts-check
/** A message's files: pictures in a gallery, everything else as a card to download. */

import { el } from "../dom.js";
import { icon } from "../icon.js";
import { formatSize, ours } from "./media.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */
/**
 * @typedef {{url: string, alt: string, name: string, width?: number, height?: number, spoiler?: boolean}} Shot
 */

/** @param {Json[]} attachments @param {import("./media.js").Media} media @param {Surroundings} around */
export function attachmentsOf(attachments, media, around) {
  const pictures = attachments.filter((each) => /^image\//.test(each.content_type ?? "") && each.width);
  const others = attachments.filter((each) => !pictures.includes(each));
  const shots = pictures.map((each) => ({
    url: each.url,
    alt: each.description ?? "",
    name: each.filename,
    width: each.width,
    height: each.height,
    spoiler: each.filename.startsWith("SPOILER_"),
  }));
  return [shots.length ? gallery(shots, media, around) : null, ...others.map((each) => fileOf(each))];
}

/**
 * Pictures side by side. The nth picture opens the viewer at n.
 * @param {Shot[]} shots @param {import("./media.js").Media} media @param {Surroundings} around
 */
export function gallery(shots, media, around) {
  const frames = shots.map((shot, index) => {
    const label = shot.alt || shot.name;
    const frame = el(
      "button",
      {
        type: "button",
        class: "frame",
        "aria-label": `Open picture ${index + 1} of ${shots.length}: ${label}`,
        "data-key": shot.url.split("?")[0],
      },
      media.picture(shot.url, { ...shot, alt: label }),
      shot.alt ? el("span", { class: "alt-tag", title: shot.alt, "aria-hidden": "true" }, "ALT") : null,
    );
    if (shots.length === 1 && shot.width && shot.height)
      frame.style.aspectRatio = `${shot.width} / ${shot.height}`;
    let covered = Boolean(shot.spoiler);
    frame.classList.toggle("covered", covered);
    frame.addEventListener("click", () => {
      if (covered) {
        covered = false;
        frame.classList.remove("covered");
      } else
        around.view(
          shots.map((each) => ({ url: ours(each.url) ?? each.url, alt: each.alt, name: each.name })),
          index,
        );
    });
    return frame;
  });
  return el("div", { class: `gallery of-${Math.min(shots.length, 10)}` }, frames);
}

/** @param {Json} file `{url, filename, size?, content_type?, description?}` */
export function fileOf(file) {
  const address = ours(file.url) ?? "";
  const about = [
    file.size === undefined || file.size === null ? null : formatSize(file.size),
    file.description,
  ].filter(Boolean);
  const kind = (file.content_type ?? "").split("/")[0];
  return el(
    "div",
    { class: "file-card" },
    icon("file"),
    el("div", {}, el("span", { class: "file-name" }, file.filename), el("small", {}, about.join(" · "))),
    el(
      "a",
      {
        class: "icon-button",
        href: address,
        download: file.filename,
        "aria-label": `Download ${file.filename}`,
      },
      icon("download"),
    ),
    kind === "audio" || kind === "video" ? el(kind, { controls: true, src: address, preload: "none" }) : null,
  );
}
