// @ts-check
/** One option of a command: what it takes, and what is wrong with what somebody typed. Pure. */

/** @typedef {import("../api.js").Json} Json */
/** @typedef {{name: string, value: any, detail?: string}} Offer something to pick */
/** @typedef {{value?: any, error?: string}} Checked exactly one of the two */

export const OptionType = {
  STRING: 3,
  INTEGER: 4,
  BOOLEAN: 5,
  USER: 6,
  CHANNEL: 7,
  ROLE: 8,
  MENTIONABLE: 9,
  NUMBER: 10,
  ATTACHMENT: 11,
};
const LONGEST = 6000;
const LARGEST = 2 ** 53;

/**
 * Everything that an option offers to pick from, before anything is typed.
 * @param {Json} spec
 * @param {import("../world.js").World} world
 * @returns {Offer[]}
 */
export function offersOf(spec, world) {
  if (spec.choices?.length)
    return spec.choices.map((/** @type {Json} */ each) => ({ name: each.name, value: each.value }));
  const people = world.users.map((each) => ({
    name: `@${each.global_name || each.username}`,
    value: each.id,
    detail: each.username,
  }));
  const roles = world.roles.map((each) => ({ name: each.name, value: each.id, detail: "role" }));
  switch (spec.type) {
    case OptionType.BOOLEAN:
      return [
        { name: "True", value: true },
        { name: "False", value: false },
      ];
    case OptionType.USER:
      return people;
    case OptionType.ROLE:
      return roles;
    case OptionType.MENTIONABLE:
      return [...people, ...roles];
    case OptionType.CHANNEL:
      return world.channels
        .filter((each) => !spec.channel_types?.length || spec.channel_types.includes(each.type))
        .map((each) => ({ name: each.name.startsWith("@") ? each.name : `#${each.name}`, value: each.id }));
    default:
      return [];
  }
}

/** Whether only what is offered is accepted. @param {Json} spec */
export function isClosed(spec) {
  const free = [OptionType.STRING, OptionType.INTEGER, OptionType.NUMBER, OptionType.ATTACHMENT];
  return Boolean(spec.choices?.length) || !free.includes(spec.type);
}

/**
 * The value of what was typed or picked, or a sentence with the field, the limit and the value.
 * @param {Json} spec @param {string} text @param {Offer | null} picked @param {Offer[]} offers
 * @returns {Checked}
 */
export function check(spec, text, picked, offers) {
  if (picked && picked.name === text) return { value: picked.value };
  if (!text.trim()) return { error: `${spec.name} is required and was not given.` };
  if (isClosed(spec)) return among(spec, text.trim(), offers);
  if (spec.type === OptionType.STRING) return ofLength(spec, text);
  return number(spec, text.trim());
}

/** @param {Json} spec @param {string} text @param {Offer[]} offers @returns {Checked} */
function among(spec, text, offers) {
  const wanted = text.toLowerCase();
  const found = offers.find((each) =>
    [each.name, String(each.value), each.name.slice(1)].some((name) => name.toLowerCase() === wanted),
  );
  if (found) return { value: found.value };
  const names = offers
    .slice(0, 8)
    .map((each) => each.name)
    .join(", ");
  return {
    error: `${spec.name} must be one of ${names}${offers.length > 8 ? ", …" : ""}; you gave “${text}”.`,
  };
}

/** @param {Json} spec @param {string} text @returns {Checked} */
function ofLength(spec, text) {
  const length = [...text].length;
  const most = spec.max_length ?? LONGEST;
  const least = spec.min_length ?? 0;
  if (length > most)
    return { error: `${spec.name} must have at most ${most} characters; you gave ${length}.` };
  if (length < least)
    return { error: `${spec.name} must have at least ${least} characters; you gave ${length}.` };
  return { value: text };
}

/** @param {Json} spec @param {string} text @returns {Checked} */
function number(spec, text) {
  const whole = spec.type === OptionType.INTEGER;
  const value = Number(text.replace(",", "."));
  if (!Number.isFinite(value) || (whole && !Number.isInteger(value))) {
    return { error: `${spec.name} must be a ${whole ? "whole " : ""}number; you gave “${text}”.` };
  }
  const most = spec.max_value ?? LARGEST;
  const least = spec.min_value ?? -LARGEST;
  if (value > most) return { error: `${spec.name} must be at most ${most}; you gave ${text}.` };
  if (value < least) return { error: `${spec.name} must be at least ${least}; you gave ${text}.` };
  return { value };
}

/** What an option takes, in a few words. @param {Json} spec */
export function limitsOf(spec) {
  if (spec.min_value !== undefined && spec.max_value !== undefined)
    return `${spec.min_value} to ${spec.max_value}`;
  if (spec.max_value !== undefined) return `at most ${spec.max_value}`;
  if (spec.min_value !== undefined) return `at least ${spec.min_value}`;
  if (spec.max_length) return `up to ${spec.max_length} characters`;
  return spec.type === OptionType.ATTACHMENT ? "a file" : "";
}
