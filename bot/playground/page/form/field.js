// @ts-check
/**
 * One field of a form, by the type of its component. https://discord.com/developers/docs/components/reference
 */

import { el } from "../dom.js";
import { prose } from "../chat/prose.js";
import { entityChoices, SelectMenu } from "../select_menu.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("../chat/surroundings.js").Surroundings} Surroundings */
/**
 * @typedef {{element: any, id?: string, name?: string, value?: () => any, files?: () => File[], control?: HTMLElement}} Field
 * `value` and `files` are what will be sent under `id`; text that only explains has neither
 */

const PARAGRAPH = 2;

/**
 * @typedef {{control: any, value?: () => any, files?: () => File[]}} Control
 * @type {Record<number, (component: Json, label: string, around: Surroundings) => Control>}
 */
const CONTROLS = {
  4: textInput,
  3: (component, label) =>
    select(
      component,
      label,
      component.options.map((/** @type {Json} */ each) => ({ ...each, chosen: each.default })),
    ),
  5: (component, label, around) => select(component, label, entityChoices(component, around.world)),
  6: (component, label, around) => select(component, label, entityChoices(component, around.world)),
  7: (component, label, around) => select(component, label, entityChoices(component, around.world)),
  8: (component, label, around) => select(component, label, entityChoices(component, around.world)),
  19: fileUpload,
  21: (component, label) => group(component, label, "radio"),
  22: (component, label) => group(component, label, "checkbox"),
  23: checkbox,
};

/**
 * A row of a form: a label with its component, an old action row, or text.
 * @param {Json} row
 * @param {Surroundings} around
 * @returns {Field}
 */
export function fieldOf(row, around) {
  if (row.type === 10) return { element: prose(row.content, around) };
  const component = row.component ?? row.components?.[0] ?? row;
  const make = CONTROLS[component.type];
  if (!make)
    return {
      element: el(
        "p",
        { class: "empty" },
        `A field of type ${component.type}, which this page does not show.`,
      ),
    };
  const name = row.label ?? component.label ?? component.placeholder ?? component.custom_id;
  const { control, value, files } = make(component, name, around);
  const required = component.required ?? component.type !== 23;
  const describing = `about-${component.custom_id}`;
  control.setAttribute("aria-describedby", describing);
  control.dataset.field = component.custom_id;
  const isGroup = component.type === 21 || component.type === 22;
  const title = [
    name,
    required ? el("span", { class: "required", title: "Required", "aria-hidden": "true" }, "*") : null,
  ];
  const element = el(
    isGroup ? "fieldset" : "label",
    { class: `field ${component.type === 23 ? "is-check" : ""}` },
    isGroup ? el("legend", {}, title) : el("span", { class: "field-name" }, title),
    row.description ? el("small", { id: describing }, row.description) : null,
    control,
    limits(component) ? el("small", { class: "field-limits" }, limits(component)) : null,
  );
  return { element, id: component.custom_id, name, value, files, control };
}

/** @param {Json} component */
function limits(component) {
  const { min_length: least, max_length: most } = component;
  if (component.type !== 4) return "";
  return (
    [least ? `at least ${least}` : "", most && most < 4000 ? `at most ${most}` : ""]
      .filter(Boolean)
      .join(", ") + (least || (most && most < 4000) ? " characters" : "")
  );
}

/** @param {Json} component @param {string} label */
function textInput(component, label) {
  const long = component.style === PARAGRAPH;
  const control = el(long ? "textarea" : "input", {
    "aria-label": label,
    placeholder: component.placeholder ?? "",
    value: component.value ?? "",
    required: component.required ?? true,
    minLength: component.min_length ?? 0,
    maxLength: component.max_length ?? 4000,
    autocomplete: "off",
    ...(long ? { rows: 4 } : { type: "text" }),
  });
  return { control, value: () => control.value };
}

/** @param {Json} component @param {string} label @param {import("../select_menu.js").Choice[]} choices */
function select(component, label, choices) {
  const about = {
    label,
    placeholder: component.placeholder,
    choices,
    least: component.required === false ? 0 : (component.min_values ?? 1),
    most: component.max_values ?? 1,
    changed: () => {},
  };
  const menu = new SelectMenu(about);
  return { control: menu.element, value: () => menu.values };
}

/** @param {Json} component @param {string} label */
function fileUpload(component, label) {
  const control = el("input", {
    type: "file",
    "aria-label": label,
    multiple: (component.max_values ?? 1) > 1,
    required: component.required ?? true,
  });
  return { control, files: () => [...(control.files ?? [])] };
}

/** @param {Json} component @param {string} label @param {"radio" | "checkbox"} kind */
function group(component, label, kind) {
  const boxes = (component.options ?? []).map((/** @type {Json} */ each) =>
    el(
      "label",
      { class: "choice" },
      el("input", {
        type: kind,
        name: component.custom_id,
        value: each.value,
        defaultChecked: Boolean(each.default),
      }),
      el("span", {}, each.label, each.description ? el("small", {}, each.description) : null),
    ),
  );
  const control = el("div", { role: kind === "radio" ? "radiogroup" : "group", "aria-label": label }, boxes);
  /** @returns {string[]} */
  const chosen = () =>
    [...control.querySelectorAll("input:checked")].map(
      (each) => /** @type {HTMLInputElement} */ (each).value,
    );
  return { control, value: () => (kind === "radio" ? (chosen()[0] ?? null) : chosen()) };
}

/** @param {Json} component @param {string} label */
function checkbox(component, label) {
  const control = el("input", {
    type: "checkbox",
    "aria-label": label,
    defaultChecked: Boolean(component.default),
  });
  return { control, value: () => control.checked };
}
