// @ts-check
/** What the person sees in the channel, kept up to date by the server's stream. Everything comes from there. */

/** @typedef {import("./api.js").Json} Json */

/**
 * Fires `world`, `commands`, `messages`, `interactions`, `tick`, `closed` and `connection` after each change.
 */
export class Room extends EventTarget {
  constructor() {
    super();
    /** @type {Json | null} */
    this.world = null;
    /** @type {Json[]} */
    this.commands = [];
    /** @type {Map<string, Json>} in the order in which they were sent */
    this.messages = new Map();
    /** @type {Map<string, Json>} */
    this.interactions = new Map();
    this.connected = false;
    this.newest = 0; // number of the latest entry of the traffic
    this._ahead = 0;
    /** @type {EventSource | null} */
    this._source = null;
  }

  /** Seconds since 1970, by the playground's clock. */
  now() {
    return Date.now() / 1000 + this._ahead;
  }

  /** @param {string} user @param {string} channel */
  enter(user, channel) {
    this.leave();
    const source = new EventSource(`/playground/stream?${new URLSearchParams({ user, channel })}`);
    this._source = source;
    source.onopen = () => {
      this.interactions.clear();
      this._connection(true);
    };
    source.onerror = () => {
      this._connection(false);
      if (source.readyState === EventSource.CLOSED)
        this._tell("closed", { message: `${user} sees no such channel.` });
    };
    for (const [name, take] of Object.entries(this._takers())) {
      source.addEventListener(name, (event) => {
        const data = JSON.parse(/** @type {MessageEvent} */ (event).data);
        take(data);
        this._tell(name, data);
      });
    }
  }

  leave() {
    this._source?.close();
    this._source = null;
    this.messages.clear();
    this.interactions.clear();
  }

  /** @returns {Record<string, (data: Json) => void>} */
  _takers() {
    return {
      world: (data) => (this.world = data),
      commands: (data) => (this.commands = data.commands),
      messages: (data) => this._messages(data),
      interactions: (data) => {
        for (const each of data.upsert) this.interactions.set(each.id, each);
        for (const id of data.gone) this.interactions.delete(id);
      },
      tick: (data) => {
        this._ahead = data.now - Date.now() / 1000;
        this.newest = data.traffic;
      },
      closed: () => this._source?.close(),
    };
  }

  /** @param {Json} data */
  _messages(data) {
    if (data.reset) this.messages.clear();
    for (const id of data.gone) this.messages.delete(id);
    for (const message of data.upsert) this.messages.set(message.id, message);
  }

  /** @param {boolean} connected */
  _connection(connected) {
    this.connected = connected;
    this._tell("connection", { connected });
  }

  /** @param {string} name @param {Json} detail */
  _tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
