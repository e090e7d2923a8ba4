// @ts-check
/** The person API, as one person in one channel. docs/playground.md lists the calls. */

/** What the playground refused, in a sentence for the person. */
export class Refused extends Error {}

/** @typedef {Record<string, any>} Json */
/** @typedef {Record<string, File>} Files files by the option or field that they are for */

const NO_ANSWER = "The playground does not answer. Is it still running?";

export class PersonApi {
  /** @param {() => {user: string, channel: string}} who who acts, and where */
  constructor(who) {
    this._who = who;
  }

  /**
   * Do something: POST `/playground/<act>`. Raises Refused.
   * @param {string} act @param {Json} [body] @param {Files} [files] @returns {Promise<any>}
   */
  act(act, body = {}, files = {}) {
    return this._send("POST", act, { ...this._who(), ...body }, files);
  }

  /**
   * What concerns the world and no person: the clock, faults, the gateway. Raises Refused.
   * @param {string} act @param {Json} [body] @param {string} [method] @returns {Promise<any>}
   */
  world(act, body = {}, method = "POST") {
    return this._send(method, act, body, {});
  }

  /** @param {string} what @param {Record<string, string>} [query] @returns {Promise<any>} */
  read(what, query = {}) {
    return this._fetch(`/playground/${what}?${new URLSearchParams({ ...this._who(), ...query })}`);
  }

  /** @param {string} method @param {string} act @param {Json} body @param {Files} files */
  _send(method, act, body, files) {
    if (method === "GET") return this._fetch(`/playground/${act}`);
    const json = JSON.stringify(body);
    const names = Object.keys(files);
    if (!names.length) {
      const headers = { "Content-Type": "application/json" };
      return this._fetch(`/playground/${act}`, { method, headers, body: json });
    }
    const form = new FormData();
    form.append("payload_json", json);
    for (const name of names) form.append(`files[${name}]`, files[name], files[name].name);
    return this._fetch(`/playground/${act}`, { method, body: form });
  }

  /** @param {string} path @param {RequestInit} [options] */
  async _fetch(path, options) {
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      throw new Refused(NO_ANSWER);
    }
    const answer = response.status === 204 ? null : await response.json().catch(() => ({}));
    if (!response.ok) throw new Refused(sentence(answer, response.status));
    return answer;
  }
}

/** @param {Json} answer @param {number} status */
function sentence(answer, status) {
  const [first] = reasons(answer.errors);
  return first ?? answer.message ?? `The playground answered with status ${status}.`;
}

/** The sentences in the tree of a 50035. @param {any} tree @returns {string[]} */
function reasons(tree) {
  if (!tree || typeof tree !== "object") return [];
  if (Array.isArray(tree._errors)) return tree._errors.map((/** @type {Json} */ each) => each.message);
  return Object.values(tree).flatMap(reasons);
}
