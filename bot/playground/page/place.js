// @ts-check
/** Where the person is, kept in the address: `#/alice/<server id or @me>/<channel id>`. */

export const DIRECT = "@me";

/** @typedef {{user: string, guild: string, channel: string}} Where */

/** @returns {Partial<Where>} */
export function readPlace() {
  const [, user, guild, channel] = decodeURIComponent(location.hash.slice(1)).split("/");
  return { user: user || undefined, guild: guild || undefined, channel: channel || undefined };
}

/**
 * @param {Where} where
 * @param {{replace?: boolean}} [how] `replace` where nobody should come back to the old place
 */
export function writePlace(where, { replace = false } = {}) {
  const hash = `#/${[where.user, where.guild, where.channel].map(encodeURIComponent).join("/")}`;
  if (hash === location.hash) return;
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
}
