// @ts-check
/** Times as people read them. All times are seconds since 1970; snowflakes carry theirs. */

import { el } from "../dom.js";

const EPOCH_MS = 1420070400000n; // 2015-01-01, where Discord's ids begin to count

/**
 * @type {Record<string, Intl.DateTimeFormatOptions>} https://discord.com/developers/docs/reference#message-formatting
 */
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
  s: { dateStyle: "short", timeStyle: "short" },
  S: { dateStyle: "short", timeStyle: "medium" },
};
/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const UNITS = [
  ["year", 31557600],
  ["month", 2629800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];

/** @param {string} snowflake @returns {number} */
export function createdAt(snowflake) {
  return Number((BigInt(snowflake) >> 22n) + EPOCH_MS) / 1000;
}

/** @param {number} at @param {string} style one of Discord's letters, but not R */
export function formatTime(at, style) {
  return new Intl.DateTimeFormat("en-GB", STYLES[style] ?? STYLES.f).format(new Date(at * 1000));
}

/** @param {number} seconds from now; negative is past */
export function formatRelative(seconds) {
  const [unit, length] = UNITS.find(([, each]) => Math.abs(seconds) >= each) ?? UNITS[UNITS.length - 1];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(seconds / length), unit);
}

/** @param {number} at @param {string} style @param {number} now */
export function timeElement(at, style, now) {
  const date = new Date(at * 1000);
  if (Number.isNaN(date.getTime())) return el("span", {}, "Invalid date");
  const text = style === "R" ? formatRelative(at - now) : formatTime(at, style);
  const time = el(
    "time",
    { class: "timestamp", dateTime: date.toISOString(), title: formatTime(at, "F") },
    text,
  );
  if (style === "R") time.dataset.relative = String(at);
  return time;
}

/** Bring relative times up to date. @param {ParentNode} root @param {number} now */
export function refreshRelative(root, now) {
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const text = formatRelative(Number(/** @type {HTMLElement} */ (time).dataset.relative) - now);
    if (time.textContent !== text) time.textContent = text;
  }
}
