// @ts-check
/**
 * Who and what there is, by id: people, channels, roles and servers as the stream's `world` event tells them.
 */

/** @typedef {import("./api.js").Json} Json */

import { DIRECT } from "./place.js";

const THREADS = [10, 11, 12];

export class World {
  /** @param {Json} shape @param {Json[]} commands */
  constructor(shape, commands) {
    this.shape = shape;
    this.commands = commands;
    /** @type {Json[]} */
    this.people = shape.people;
    /** @type {Json} */
    this.bot = shape.application;
    /** @type {Json} */
    this.you = this.people.find((each) => each.id === shape.you) ?? this.people[0];
    /** @type {Json[]} */
    this.guilds = shape.guilds.filter((/** @type {Json} */ guild) =>
      guild.members.some((/** @type {Json} */ each) => each.id === shape.you),
    );
    /** @type {Json[]} */
    this.channels = shape.channels.filter((/** @type {Json} */ each) => this._isMine(each));
  }

  /** @param {Json} channel */
  _isMine(channel) {
    return channel.seen_by.includes(this.you.username);
  }

  /** @returns {Json[]} */
  get users() {
    return [...this.people, this.bot];
  }

  /** @returns {Json[]} */
  get roles() {
    return this.guilds.flatMap((guild) => guild.roles);
  }

  /** @param {string} id */
  user(id) {
    return this.users.find((each) => each.id === id);
  }

  /** @param {string} id */
  role(id) {
    return this.roles.find((each) => each.id === id);
  }

  /** @param {string} id */
  channel(id) {
    return this.channels.find((each) => each.id === id);
  }

  /** The channels of a server, or the direct messages. @param {string} guild */
  channelsOf(guild) {
    return this.channels.filter((each) => this.guildOf(each) === guild);
  }

  /** @param {Json} channel */
  guildOf(channel) {
    return channel.guild_id ?? DIRECT;
  }
}

/** @param {Json} user */
export function nameOf(user) {
  return user.global_name || user.username;
}

/** @param {Json} channel */
export function isThread(channel) {
  return THREADS.includes(channel.type);
}

/**
 * A channel as people write it: direct messages go by who else is in them.
 * @param {Json} channel
 * @param {World} world
 */
export function titleOf(channel, world) {
  if (channel.guild_id) return `#${channel.name}`;
  return `@${channel.seen_by.filter((/** @type {string} */ name) => name !== world.you.username).join(", ")}`;
}
