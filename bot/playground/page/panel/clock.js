// @ts-check
/** The playground's time. It only goes forward. */

import { el } from "../dom.js";

const STEPS = [
  { label: "+3 s", seconds: 3, about: "an acknowledgement is too late" },
  { label: "+15 min", seconds: 15 * 60, about: "tokens of interactions end" },
  { label: "+24 h", seconds: 24 * 3600, about: "links to files expire" },
];

export class ClockPanel {
  /**
   * @param {import("../api.js").PersonApi} api
   * @param {(text: string) => void} say
   * @param {() => number} now
   */
  constructor(api, say, now) {
    this._now = now;
    this._time = el("output", { class: "clock-time", "aria-label": "The playground's time" });
    const move = async (/** @type {number} */ seconds, /** @type {string} */ label) => {
      try {
        await api.world("clock", { seconds });
        say(`${label} passed`);
      } catch (error) {
        say(error instanceof Error ? error.message : String(error));
      }
    };
    this.element = el(
      "section",
      { class: "clock" },
      el("header", {}, el("h3", {}, "Clock"), this._time),
      el(
        "div",
        { class: "row" },
        STEPS.map(({ label, seconds, about }) =>
          el(
            "button",
            {
              type: "button",
              class: "button is-secondary",
              title: about,
              onclick: () => move(seconds, label),
            },
            label,
          ),
        ),
      ),
    );
  }

  tick() {
    const date = new Date(this._now() * 1000);
    this._time.textContent = Number.isNaN(date.getTime())
      ? ""
      : `${date.toLocaleDateString("en-GB")} ${date.toLocaleTimeString("en-GB")}`;
  }
}
