// @ts-check
/**
 * A message's components, old rows and new layouts. https://discord.com/developers/docs/components/reference
 */

import { el } from "../dom.js";
import { icon } from "../icon.js";
import { entityChoices, SelectMenu } from "../select_menu.js";
import { fileOf, gallery } from "./attachments.js";
import { isWeb } from "./embed.js";
import { prose } from "./prose.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */

const STYLES = ["", "primary", "secondary", "success", "danger", "link", "secondary"];

/** @type {Record<number, (view: ComponentView, component: Json) => any>} */
const RENDER = {
  1: (view, row) => el("div", { class: "row" }, view.all(row.components)),
  2: (view, button) => view.button(button),
  3: (view, select) =>
    view.select(
      select,
      (select.options ?? []).map((/** @type {Json} */ each) => ({
        ...each,
        label: emojied(each),
        chosen: each.default,
      })),
    ),
  5: (view, select) => view.entities(select),
  6: (view, select) => view.entities(select),
  7: (view, select) => view.entities(select),
  8: (view, select) => view.entities(select),
  9: (view, section) =>
    el(
      "div",
      { class: "section" },
      el("div", {}, view.all(section.components)),
      section.accessory ? view.one(section.accessory) : null,
    ),
  10: (view, text) => prose(text.content, view.around),
  11: (view, thumbnail) =>
    el("div", { class: "thumbnail" }, gallery([shot(thumbnail)], view.media, view.around)),
  12: (view, group) => gallery(group.items.map(shot), view.media, view.around),
  13: (_, file) =>
    fileOf({
      url: file.file.url,
      filename: file.name ?? file.file.url.split("?")[0].split("/").at(-1),
      size: file.size,
    }),
  14: (_, separator) =>
    el("hr", {
      class: `separator ${separator.divider === false ? "is-blank" : ""} ${separator.spacing === 2 ? "is-large" : ""}`,
    }),
  17: (view, container) => view.container(container),
};

/** @param {Json} item */
function shot(item) {
  const { url, width, height } = item.media;
  const name = url.split("?")[0].split("/").at(-1) ?? "picture";
  return { url, alt: item.description ?? "", name, width, height, spoiler: item.spoiler };
}

/** @param {Json} thing with a label and maybe an emoji */
function emojied(thing) {
  return [thing.emoji?.id ? null : thing.emoji?.name, thing.label].filter(Boolean).join(" ");
}

export class ComponentView {
  /**
   * @param {Json} message @param {import("./media.js").Media} media @param {Surroundings} around
   * @param {Set<string>} waiting custom ids that were used and not answered yet
   */
  constructor(message, media, around, waiting) {
    this.message = message;
    this.media = media;
    this.around = around;
    this._waiting = waiting;
  }

  /** @param {Json[]} components @returns {any[]} */
  all(components) {
    return components.map((each) => this.one(each));
  }

  /** @param {Json} component */
  one(component) {
    const render = RENDER[component.type];
    return render
      ? render(this, component)
      : el("p", { class: "empty" }, `A component of type ${component.type}, which this page does not show.`);
  }

  /** @param {Json} button */
  button(button) {
    const label = emojied(button);
    if (button.style === 5 && isWeb(button.url)) {
      return el(
        "a",
        { class: "button is-link", href: button.url, target: "_blank", rel: "noopener noreferrer" },
        label,
        icon("link"),
      );
    }
    const busy = this._waiting.has(button.custom_id);
    const element = el(
      "button",
      {
        type: "button",
        class: `button is-${STYLES[button.style] ?? "secondary"}`,
        disabled: Boolean(button.disabled),
        "data-key": button.custom_id,
        "aria-busy": busy ? "true" : null,
      },
      label,
    );
    element.addEventListener("click", () => {
      if (element.getAttribute("aria-busy") !== "true")
        this._use("press", element, { custom_id: button.custom_id });
    });
    return element;
  }

  /** @param {Json} component */
  entities(component) {
    return this.select(component, entityChoices(component, this.around.world));
  }

  /** @param {Json} component @param {import("../select_menu.js").Choice[]} choices */
  select(component, choices) {
    const menu = new SelectMenu({
      label: component.placeholder || "Make a selection",
      placeholder: component.placeholder,
      choices,
      least: component.min_values,
      most: component.max_values,
      disabled: component.disabled,
      key: component.custom_id,
      changed: (values) => this._use("choose", menu.element, { custom_id: component.custom_id, values }),
    });
    if (this._waiting.has(component.custom_id)) menu.element.setAttribute("aria-busy", "true");
    return menu.element;
  }

  /** @param {Json} container */
  container(container) {
    const box = el("div", { class: "container" }, this.all(container.components));
    if (typeof container.accent_color === "number") {
      box.style.setProperty("--stripe", `#${container.accent_color.toString(16).padStart(6, "0")}`);
    }
    if (!container.spoiler) return box;
    box.classList.add("covered");
    box.addEventListener("click", () => box.classList.remove("covered"), { once: true });
    return box;
  }

  /**
   * Busy until the call is through; from then on `waiting` tells.
   * @param {string} act
   * @param {HTMLElement} element
   * @param {Json} body
   */
  async _use(act, element, body) {
    element.setAttribute("aria-busy", "true");
    await this.around.act(act, { message: this.message.id, ...body });
    element.removeAttribute("aria-busy");
  }
}
