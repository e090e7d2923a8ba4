// @ts-check
/**
 * What the parts of a message may ask of the page around them.
 *
 * @typedef {import("../api.js").Json} Json
 * @typedef {{url: string, alt: string, name: string}} Picture
 * @typedef {{
 *   world: import("../world.js").World,
 *   now: () => number,
 *   message: (id: string) => Json | undefined,
 *   showUser: (user: Json, at: HTMLElement) => void,
 *   showMenu: (message: Json, at: HTMLElement, where?: {x: number, y: number}) => void,
 *   pickReaction: (message: Json, at: HTMLElement) => void,
 *   view: (pictures: Picture[], index: number) => void,
 *   goTo: (channelId: string) => void,
 *   jump: (messageId: string, channelId?: string) => void,
 *   useCommand: (name: string) => void,
 *   act: (name: string, body: Json) => Promise<any>,
 *   dismiss: (id: string) => void,
 * }} Surroundings
 * `act` does something as the person; a refusal is shown by the page and the answer is then undefined.
 */
export {};
