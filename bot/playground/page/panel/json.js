// @ts-check
/** JSON to look at. */

/** @param {any} value @returns {string} */
export function pretty(value) {
  return JSON.stringify(value, null, 2);
}

/** @param {string} text @returns {Promise<boolean>} whether it is on the clipboard now */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}
