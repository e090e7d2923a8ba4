// @ts-check
/** Changing the world: who is there, what the bot may do, where it is. Every change is told to the bot. */

import { el } from "../dom.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("../world.js").World} World */
/** @typedef {{label: string, choices?: string[], value?: string}} Field a text, or one of some choices */

const PERMISSIONS = [
  "VIEW_CHANNEL",
  "SEND_MESSAGES",
  "SEND_MESSAGES_IN_THREADS",
  "EMBED_LINKS",
  "ATTACH_FILES",
  "READ_MESSAGE_HISTORY",
  "ADD_REACTIONS",
  "MANAGE_MESSAGES",
  "PIN_MESSAGES",
  "SEND_POLLS",
  "CREATE_PUBLIC_THREADS",
  "USE_APPLICATION_COMMANDS",
  "USE_EXTERNAL_APPS",
  "ADMINISTRATOR",
];

export class WorldPanel {
  /** @param {import("../api.js").PersonApi} api @param {(text: string) => void} say */
  constructor(api, say) {
    this._api = api;
    this._say = say;
    this.element = el("div", { class: "panel-page" });
    this._drawn = "";
  }

  /** @param {World} world @param {string} guild the one that is looked at */
  show(world, guild) {
    const { guilds, people, channels } = world.shape;
    const now = JSON.stringify([guilds, people, channels, guild]);
    if (now === this._drawn || this.element.contains(document.activeElement)) return;
    this._drawn = now;
    const here = guilds.find((/** @type {Json} */ each) => each.id === guild) ?? guilds[0];
    this.element.replaceChildren(
      this._server(world, here),
      this._permissions(world, here),
      this._places(world, here),
      this._people(world, here),
      this._limits(),
    );
  }

  /** @param {World} world @param {Json} here */
  _server(world, here) {
    const bot = world.bot.username;
    const members = here.members.map((/** @type {Json} */ each) => each.name).join(", ");
    return section(
      `Server ${here.name}`,
      el("p", {}, `Members: ${members}.`),
      here.bot
        ? this._button(`Remove ${bot} from ${here.name}`, "members", {
            guild: here.name,
            user: bot,
            member: false,
          })
        : this._button(`Invite ${bot} to ${here.name}`, "members", { guild: here.name, user: bot }),
      this._form("New server", { name: { label: "name" } }, "guilds", (given) => given),
    );
  }

  /** @param {World} world @param {Json} here */
  _permissions(world, here) {
    const places = world.shape.channels
      .filter((/** @type {Json} */ each) => each.guild_id === here.id)
      .map((/** @type {Json} */ each) => each.name);
    const who = [
      ...new Set([
        world.bot.username,
        ...here.members.map((/** @type {Json} */ each) => each.name),
        ...here.roles.map((/** @type {Json} */ each) => each.name),
      ]),
    ];
    const change = {
      how: { label: "change", choices: ["deny", "allow", "clear"] },
      permission: { label: "permission", choices: PERMISSIONS },
    };
    const roles = here.roles.map((/** @type {Json} */ each) => each.name);
    return section(
      "Permissions",
      this._form(
        "In a channel",
        { channel: { label: "channel", choices: places }, who: { label: "who", choices: who }, ...change },
        "overwrites",
        ({ channel, who: name, how, permission }) => ({
          channel: `${here.name}/${channel}`,
          who: name,
          ...(how === "clear" ? {} : { [how]: [permission] }),
        }),
      ),
      this._form(
        "Of a role",
        {
          role: { label: "role", choices: roles },
          how: { label: "change", choices: ["deny", "allow"] },
          permission: change.permission,
        },
        "roles/permissions",
        ({ role, how, permission }) => ({ guild: here.name, role, [how]: [permission] }),
      ),
      this._form("New role", { name: { label: "name" } }, "roles", ({ name }) => ({
        guild: here.name,
        name,
      })),
      this._form(
        "Roles of a member",
        {
          user: { label: "who", choices: here.members.map((/** @type {Json} */ each) => each.name) },
          role: { label: "role", choices: roles },
          how: { label: "change", choices: ["give", "take"] },
        },
        "roles/members",
        ({ user, role, how }) => ({ guild: here.name, user, role, take: how === "take" }),
      ),
    );
  }

  /** @param {World} world @param {Json} here */
  _places(world, here) {
    const channels = world.shape.channels.filter((/** @type {Json} */ each) => each.guild_id === here.id);
    return section(
      "Channels",
      this._form(
        "New channel",
        { name: { label: "name" }, kind: { label: "for", choices: ["everybody", "adults"] } },
        "channels",
        ({ name, kind }) => ({ guild: here.name, name, nsfw: kind === "adults" }),
      ),
      channels.map((/** @type {Json} */ each) =>
        this._button(`Delete #${each.name}`, "channels/delete", { channel: each.id }),
      ),
    );
  }

  /** @param {World} world @param {Json} here */
  _people(world, here) {
    const rows = world.people.map((each) => {
      const member = here.members.some((/** @type {Json} */ one) => one.id === each.id);
      const name = each.username;
      return el(
        "div",
        { class: "person-controls", role: "group", "aria-label": name },
        el("strong", {}, name),
        this._button(each.installed ? "Uninstall the app" : "Install the app for themselves", "installs", {
          user: name,
          installed: !each.installed,
        }),
        this._button(
          each.direct_messages ? "Close direct messages" : "Open direct messages",
          "direct-messages",
          { user: name, open: !each.direct_messages },
        ),
        here.owner === name
          ? null
          : this._button(member ? `Leave ${here.name}` : `Join ${here.name}`, "members", {
              guild: here.name,
              user: name,
              member: !member,
            }),
      );
    });
    return section(
      "People",
      rows,
      this._form("New person", { name: { label: "name" } }, "people", (given) => given),
    );
  }

  _limits() {
    const press = (/** @type {string} */ label, /** @type {Json} */ body) =>
      el(
        "button",
        { type: "button", class: "fault", onclick: () => this._do("rate-limits", body, label) },
        label,
      );
    return section(
      "Rate limits",
      el(
        "div",
        { class: "fault-buttons" },
        press("Switch rate limits off", { enabled: false }),
        press("Switch rate limits on", { enabled: true }),
        press("A tenth of the real ones", { scale: 0.1 }),
        press("The real ones", { scale: 1 }),
        press("Ban the bot for too many errors", { ban: true }),
        press("Forget everything", { forget: true }),
      ),
    );
  }

  /** @param {string} label @param {string} call @param {Json} body */
  _button(label, call, body) {
    return el(
      "button",
      { type: "button", class: "fault", onclick: () => this._do(`world/${call}`, body, label) },
      label,
    );
  }

  /**
   * @param {string} title
   * @param {Record<string, Field>} fields
   * @param {string} call
   * @param {(given: Record<string, string>) => Json} body
   */
  _form(title, fields, call, body) {
    const form = el(
      "form",
      { class: "own-fault", "aria-label": title },
      el("h4", {}, title),
      Object.entries(fields).map(([name, { label, choices, value }]) =>
        el(
          "label",
          {},
          el("span", {}, label),
          choices
            ? el(
                "select",
                { name },
                choices.map((each) => el("option", { value: each }, each)),
              )
            : el("input", { name, required: true, value: value ?? "" }),
        ),
      ),
      el(
        "button",
        { type: "submit", class: "button is-secondary" },
        title.startsWith("New") ? "Add" : "Apply",
      ),
    );
    form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      const given = Object.fromEntries([...new FormData(form)].map(([name, each]) => [name, String(each)]));
      void this._do(`world/${call}`, body(given), title);
    });
    return form;
  }

  /** @param {string} call @param {Json} body @param {string} label */
  async _do(call, body, label) {
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur(); // the panel is drawn anew
    try {
      await this._api.world(call, body);
      this._say(`Done: ${label}`);
    } catch (error) {
      this._say(error instanceof Error ? error.message : String(error));
    }
  }
}

/** @param {string} title @param {...any} children */
function section(title, ...children) {
  return el("section", {}, el("h3", {}, title), children);
}
