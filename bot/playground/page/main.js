// @ts-check
/** Puts the page together. */

import { Announcer } from "./announcer.js";
import { PersonApi } from "./api.js";
import { App } from "./app.js";
import { Feed } from "./chat/feed.js";
import { Viewer } from "./chat/viewer.js";
import { Composer } from "./composer/composer.js";
import { el } from "./dom.js";
import { Frame } from "./frame.js";
import { ClockPanel } from "./panel/clock.js";
import { Faults } from "./panel/faults.js";
import { Panel } from "./panel/panel.js";
import { Traffic } from "./panel/traffic.js";
import { WorldPanel } from "./panel/world_panel.js";
import { Room } from "./room.js";
import { Gate } from "./side/gate.js";
import { People } from "./side/people.js";
import { Servers } from "./side/servers.js";
import { Theme } from "./theme.js";
import { Toasts } from "./toasts.js";

/** @param {HTMLElement} root */
function start(root) {
  const where = { user: "", guild: "", channel: "" };
  const storage = sessionStorage;
  const app = new App(where);
  const room = new Room();
  const api = new PersonApi(() => ({ user: where.user, channel: where.channel }));
  const announcer = new Announcer();
  const toasts = new Toasts();
  const say = (/** @type {string} */ text) => toasts.show(text);
  const theme = new Theme(document.documentElement, localStorage);
  const composer = new Composer({
    api,
    world: () => app.world,
    storage,
    say: (text) => announcer.say(text),
    began: (asked, about) => app.began(asked, about),
    sent: () => feed.toEnd(),
  });
  const feed = new Feed(app.around);
  const viewer = new Viewer();
  const servers = new Servers((guild, channel) => app.go(guild, channel));
  const people = new People({ become: (name) => app.become(name), toggleTheme: () => theme.toggle() });
  const gate = new Gate(
    storage,
    () => app.opened(),
    () => app.leaveGate(),
  );
  const traffic = new Traffic(api, say);
  const faults = new Faults(api, say);
  const clock = new ClockPanel(api, say, () => room.now());
  const worldPanel = new WorldPanel(api, say);
  const controls = el("div", { class: "panel-page" }, clock.element, faults.element);
  const frame = new Frame({ togglePanel: () => panel.toggle(), drop: (files) => composer.attach(files) });
  const pages = [
    { name: "Traffic", element: traffic.element, opened: () => void traffic.follow(room.newest) },
    { name: "Faults", element: controls, opened: () => void faults.refresh() },
    { name: "World", element: worldPanel.element },
  ];
  const panel = new Panel(pages, storage, (open) => frame.panel(open));
  frame.mount(root, {
    rail: servers.rail,
    channels: servers.channels,
    people: people.element,
    feed: feed.whole,
    composer: composer.element,
    gate: gate.element,
    panel: panel.element,
    others: [viewer.element, announcer.element, toasts.element],
  });
  frame.panel(panel.isOpen);
  app.start({
    api,
    room,
    feed,
    composer,
    servers,
    people,
    gate,
    viewer,
    traffic,
    clock,
    worldPanel,
    panel,
    frame,
    announcer,
    toasts,
    storage,
  });
}

const root = document.getElementById("app");
if (root) start(root);
