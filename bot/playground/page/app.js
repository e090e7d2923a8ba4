// @ts-check
/** The page as a whole: who is where, and what each part is shown when the room changes. */

import { messageMenu, userMenu } from "./chat/message_menu.js";
import { News } from "./chat/news.js";
import { pendingOf, usesOf } from "./chat/pending.js";
import { pickReaction } from "./chat/reactions.js";
import { refreshRelative } from "./chat/time.js";
import { FormDialog } from "./form/form.js";
import { DIRECT, readPlace, writePlace } from "./place.js";
import { nameOf, titleOf, World } from "./world.js";

/** @typedef {import("./api.js").Json} Json */
/**
 * @typedef {{api: import("./api.js").PersonApi, room: import("./room.js").Room, feed: import("./chat/feed.js").Feed,
 *   composer: import("./composer/composer.js").Composer, servers: import("./side/servers.js").Servers,
 *   people: import("./side/people.js").People, gate: import("./side/gate.js").Gate,
 *   viewer: import("./chat/viewer.js").Viewer, traffic: import("./panel/traffic.js").Traffic,
 *   clock: import("./panel/clock.js").ClockPanel, worldPanel: import("./panel/world_panel.js").WorldPanel,
 *   panel: import("./panel/panel.js").Panel,
 *   frame: import("./frame.js").Frame, announcer: import("./announcer.js").Announcer,
 *   toasts: import("./toasts.js").Toasts, storage: Storage}} Parts
 */

const FIRST = { user: "alice", channel: "general" };

export class App {
  /** @param {import("./place.js").Where} where shared with the API, so that both always mean the same place */
  constructor(where) {
    this.where = where;
    /** @type {World | null} */
    this._world = null;
    /** @type {Set<string>} interactions of this page whose form is still to be opened */
    this._mine = new Set();
    this._news = new News();
    this._target = ""; // a message to go to, once the channel is there
    this.around = this._surroundings();
  }

  /** @param {Parts} parts */
  start(parts) {
    this.parts = parts;
    const { room } = parts;
    this._dismissed = new Set(JSON.parse(parts.storage.getItem("playground.dismissed") ?? "[]"));
    for (const name of ["world", "commands"]) room.addEventListener(name, () => this._showWorld());
    room.addEventListener("messages", (event) =>
      this._showMessages(/** @type {CustomEvent} */ (event).detail),
    );
    room.addEventListener("interactions", () => this._showInteractions());
    room.addEventListener("tick", () => this._tick());
    room.addEventListener(
      "closed",
      (event) => void this._closed(/** @type {CustomEvent} */ (event).detail.message),
    );
    room.addEventListener("connection", () => {
      parts.frame.connection(room.connected);
      if (room.connected) parts.composer.connected();
    });
    document.addEventListener("keydown", (event) => {
      const typed = event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey;
      if (typed && event.target === document.body) parts.composer.focus();
    });
    addEventListener("popstate", () => this._enter(readPlace()));
    addEventListener("hashchange", () => this._enter(readPlace()));
    setInterval(() => {
      parts.clock.tick();
      refreshRelative(document, room.now());
    }, 1000);
    this._enter(readPlace());
  }

  /** @returns {World} */
  get world() {
    if (!this._world) throw new Error("nothing is known yet");
    return this._world;
  }

  /** @param {Partial<import("./place.js").Where>} place */
  _enter({ user, guild, channel }) {
    const next = { user: user ?? FIRST.user, guild: guild ?? "", channel: channel ?? FIRST.channel };
    if (next.user === this.where.user && next.channel === this.where.channel) return;
    Object.assign(this.where, next);
    this._world = null;
    this._news.forget();
    this.parts?.room.enter(next.user, next.channel);
  }

  /** The place is not there (any more): go to one that is. @param {string} why */
  async _closed(why) {
    const { api, toasts } = this._parts();
    toasts.show(why, { bad: true });
    const { people, channels } = await api
      .world("world", undefined, "GET")
      .catch(() => ({ people: [], channels: [] }));
    const names = people.map((/** @type {Json} */ each) => each.username);
    const user = names.includes(this.where.user) ? this.where.user : names[0];
    const seen = channels.filter((/** @type {Json} */ each) => each.seen_by.includes(user));
    const next = seen.find((/** @type {Json} */ each) => each.guild_id && !each.nsfw) ?? seen[0];
    if (next) this._enter({ user, channel: next.id });
  }

  /** @param {string} guild @param {string} [channel] */
  go(guild, channel) {
    const target = channel ?? this.world.channelsOf(guild)[0]?.id;
    if (!target) {
      this.parts?.toasts.show(`${nameOf(this.world.you)} sees no channel there.`, { bad: true });
      return;
    }
    writePlace({ user: this.where.user, guild, channel: target });
    this._enter(readPlace());
    this.parts?.frame.drawer(false);
  }

  /** @param {string} name */
  become(name) {
    const { guild } = this.where;
    const channel = guild === DIRECT ? "dm" : this.where.channel;
    writePlace({ user: name, guild, channel });
    this._enter(readPlace());
  }

  _showWorld() {
    const { room, servers, people, composer, feed, frame, worldPanel } = this._parts();
    if (!room.world) return;
    const fresh = !this._world;
    this._world = new World(room.world, room.commands);
    const channel = this.world.channel(room.world.channel_id);
    if (!channel) return;
    Object.assign(this.where, { guild: this.world.guildOf(channel), channel: channel.id });
    writePlace(this.where, { replace: true });
    servers.show(this.world, this.where.guild, channel.id);
    people.show(this.world);
    worldPanel.show(this.world, this.where.guild);
    const title = titleOf(channel, this.world);
    frame.title(title, channel, this.world);
    if (fresh) {
      feed.clear(title);
      composer.enter(title, `${this.where.user} in ${channel.id}`);
    }
    this._showGate();
    // A phone's keyboard would cover the conversation.
    if (fresh && !matchMedia("(pointer: coarse)").matches && !this._gateIsClosed()) composer.focus();
    if (!fresh) this._showMessages({ upsert: [], reset: false });
  }

  _gateIsClosed() {
    const channel = this.world.channel(this.where.channel);
    return Boolean(channel) && this._parts().gate.isClosed(this.where.user, /** @type {Json} */ (channel));
  }

  _showGate() {
    this._parts().frame.gate(this._gateIsClosed());
  }

  /** The person stays before the gate. */
  leaveGate() {
    const open = this.world.channelsOf(this.where.guild).find((each) => !each.nsfw);
    if (open) this.go(this.where.guild, open.id);
  }

  /** The person went through the gate. */
  opened() {
    this._showGate();
    this.parts?.feed.toEnd();
    this.parts?.composer.focus();
  }

  /** @param {Json} news */
  _showMessages(news) {
    const { room, feed, announcer } = this._parts();
    if (!this._world) return;
    const all = [...room.messages.values(), ...pendingOf(room.interactions.values())]
      .filter((each) => !this._dismissed?.has(each.id))
      .sort(byId);
    feed.show(all, (message) => usesOf(room.interactions.values(), message.id));
    if (news.reset && this._target) feed.jump(this._target);
    if (news.reset) {
      this._target = "";
      this._news.learn(room.messages.values());
    }
    for (const message of news.upsert) {
      const sentence = this._news.of(message, this.world);
      if (sentence) announcer.say(sentence);
    }
  }

  _showInteractions() {
    const { room, api } = this._parts();
    if (!this._world) return;
    this._showMessages({ upsert: [] });
    for (const id of this._mine) {
      const act = room.interactions.get(id);
      if (!act || act.state === "waiting") continue;
      this._mine.delete(id);
      if (act.modal) new FormDialog(act, { api, room, around: this.around }).open();
    }
  }

  _tick() {
    const { room, traffic, panel, clock } = this._parts();
    clock.tick();
    if (panel.isOpen) void traffic.follow(room.newest);
  }

  /**
   * An interaction that began in this page: its form opens here.
   * @param {Json} asked @param {Json} about what the stream says beside: `name`, or `source_id` and `custom_id`
   */
  began(asked, about) {
    const { interactions } = this._parts().room;
    if (!interactions.has(asked.id)) interactions.set(asked.id, { ...asked, ...about }); // the stream may be first
    this._mine.add(asked.id);
    this._showInteractions();
  }

  /** @param {string} name @param {Json} body */
  async _act(name, body) {
    const { api, toasts } = this._parts();
    try {
      const answer = await api.act(name, body);
      if (name === "menu") this.began(answer, { name: body.command });
      if (name === "press" || name === "choose")
        this.began(answer, { source_id: body.message, custom_id: body.custom_id });
      return answer;
    } catch (error) {
      toasts.show(error instanceof Error ? error.message : String(error), { bad: true });
      return undefined;
    }
  }

  /** @param {string} id @param {string} [channel] */
  _jump(id, channel = this.where.channel) {
    if (channel === this.where.channel) {
      this._parts().feed.jump(id);
      return;
    }
    this._target = id;
    this.around.goTo(channel);
  }

  /** @param {string} id */
  _dismiss(id) {
    const { storage, composer } = this._parts();
    this._dismissed?.add(id);
    storage.setItem("playground.dismissed", JSON.stringify([...(this._dismissed ?? [])]));
    this._showInteractions();
    composer.focus();
  }

  /** @returns {Parts} */
  _parts() {
    if (!this.parts) throw new Error("not started");
    return this.parts;
  }

  /** @returns {import("./chat/surroundings.js").Surroundings} */
  _surroundings() {
    const app = this;
    const say = (/** @type {string} */ text) => this._parts().toasts.show(text);
    return {
      get world() {
        return app.world;
      },
      now: () => this._parts().room.now(),
      message: (id) => this._parts().room.messages.get(id),
      showUser: (user, at) =>
        userMenu(user, at, this.around, {
          say,
          become: (name) => this.become(name),
          mention: (who) => this._parts().composer.insert(`<@${who.id}> `),
        }),
      showMenu: (message, at, where) => messageMenu(message, at, where, this.around, say),
      pickReaction: (message, at) =>
        pickReaction(at, (face) => this._act("react", { message: message.id, emoji: face })),
      view: (pictures, index) => this._parts().viewer.open(pictures, index),
      goTo: (id) => {
        const channel = this.world.channel(id);
        if (channel) this.go(this.world.guildOf(channel), id);
      },
      jump: (id, channel) => this._jump(id, channel),
      useCommand: (name) => this._parts().composer.use(name),
      act: (name, body) => this._act(name, body),
      dismiss: (id) => this._dismiss(id),
    };
  }
}

/** Ids grow with time. @param {Json} a @param {Json} b */
function byId(a, b) {
  return a.id.length - b.id.length || (a.id < b.id ? -1 : 1);
}
