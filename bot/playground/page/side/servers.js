// @ts-check
/** The rail of servers, and the channels of the one that is open. */

import { el } from "../dom.js";
import { icon } from "../icon.js";
import { avatar } from "../chat/author.js";
import { DIRECT } from "../place.js";
import { rove } from "../roving.js";
import { isThread, titleOf } from "../world.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("../world.js").World} World */

export class Servers {
  /** @param {(guild: string, channel?: string) => void} go */
  constructor(go) {
    this._go = go;
    this.rail = el("nav", { class: "rail", "aria-label": "Servers" });
    this._title = el("h1", { class: "server-name" });
    this._list = el("ul", { class: "channels", role: "list" });
    this.channels = el("nav", { class: "channel-list", "aria-label": "Channels" }, this._title, this._list);
    rove(this.rail, ".server");
    rove(this._list, ".channel");
    this._drawn = "";
  }

  /** @param {World} world @param {string} guild @param {string} channel */
  show(world, guild, channel) {
    const now = JSON.stringify([
      world.you.id,
      guild,
      channel,
      world.guilds.map((each) => [each.id, each.name]),
      world.channels,
    ]);
    if (now === this._drawn) return;
    this._drawn = now;
    const places = [
      ...world.guilds.map((each) => ({ id: each.id, name: each.name })),
      { id: DIRECT, name: "Direct messages" },
    ];
    this.rail.replaceChildren(...places.map((each) => this._server(each, each.id === guild)));
    this._title.textContent = places.find((each) => each.id === guild)?.name ?? "";
    const all = world.channelsOf(guild);
    const top = all.filter((each) => !isThread(each));
    const rows = top.flatMap((each) => [
      each,
      ...all.filter((thread) => thread.parent_id === each.id && !thread.archived),
    ]);
    this._list.replaceChildren(...rows.map((each) => this._channel(each, each.id === channel, guild, world)));
    if (!rows.length)
      this._list.append(el("li", { class: "empty" }, `${world.you.username} sees no channel here.`));
  }

  /** @param {{id: string, name: string}} place @param {boolean} current */
  _server(place, current) {
    const initials = place.name
      .split(/\s+/)
      .map((word) => word[0])
      .join("")
      .slice(0, 3)
      .toUpperCase();
    const face = place.id === DIRECT ? icon("direct") : initials;
    const label = place.id === DIRECT ? place.name : `Server ${place.name}`;
    return el(
      "button",
      {
        type: "button",
        class: "server",
        "aria-label": label,
        title: place.name,
        "aria-current": current ? "true" : null,
        tabIndex: current ? 0 : -1,
        onclick: () => this._go(place.id),
      },
      face,
    );
  }

  /** @param {Json} channel @param {boolean} current @param {string} guild @param {World} world */
  _channel(channel, current, guild, world) {
    const other = channel.guild_id
      ? null
      : world.users.find((each) => each.id !== world.you.id && channel.seen_by.includes(each.username));
    const picture = other
      ? avatar(other, "small")
      : icon(channel.nsfw ? "restricted" : isThread(channel) ? "thread" : "hash");
    const name = titleOf(channel, world).slice(1);
    const press = () => this._go(guild, channel.id);
    return el(
      "li",
      {},
      el(
        "button",
        {
          type: "button",
          class: `channel ${isThread(channel) ? "is-thread" : ""}`,
          "aria-current": current ? "page" : null,
          tabIndex: current ? 0 : -1,
          onclick: press,
        },
        picture,
        el("span", {}, name),
        channel.nsfw ? el("span", { class: "unseen" }, ", age-restricted") : null,
      ),
    );
  }
}
