// @ts-check
/** A poll: answers to vote for, or the result. https://discord.com/developers/docs/resources/poll */

import { el } from "../dom.js";
import { formatRelative } from "./time.js";

/** @typedef {import("../api.js").Json} Json */
/** @typedef {import("./surroundings.js").Surroundings} Surroundings */

/** @param {Json} message @param {Surroundings} around */
export function pollOf(message, around) {
  const { poll } = message;
  const counts = new Map(
    (poll.results?.answer_counts ?? []).map((/** @type {Json} */ each) => [each.id, each]),
  );
  const total = [...counts.values()].reduce((sum, each) => sum + each.count, 0);
  const left = poll.expiry ? Date.parse(poll.expiry) / 1000 - around.now() : 0;
  const over = Boolean(poll.results?.is_finalized) || (poll.expiry && left <= 0);
  const mine = poll.answers.filter((/** @type {Json} */ each) => counts.get(each.answer_id)?.me_voted);
  const kind = poll.allow_multiselect ? "checkbox" : "radio";
  const name = `poll-${message.id}`;
  const answers = poll.answers.map((/** @type {Json} */ each) =>
    answer(each, counts.get(each.answer_id), { kind, name, total, over }),
  );
  const vote = el(
    "button",
    { type: "submit", class: "button is-primary", disabled: over },
    mine.length ? "Change vote" : "Vote",
  );
  const withdraw = el(
    "button",
    {
      type: "button",
      class: "button is-secondary",
      onclick: () => around.act("vote", { message: message.id, answers: [] }),
    },
    "Remove vote",
  );
  const form = el(
    "form",
    { class: "poll", "aria-label": `Poll: ${poll.question.text}` },
    el(
      "fieldset",
      { disabled: over },
      el("legend", {}, poll.question.text),
      el("small", {}, poll.allow_multiselect ? "Select one or more answers" : "Select one answer"),
      answers,
    ),
    el(
      "div",
      { class: "poll-foot" },
      el(
        "small",
        {},
        `${total} ${total === 1 ? "vote" : "votes"} · ${over ? "Poll closed" : `ends ${formatRelative(left)}`}`,
      ),
      over ? null : [mine.length ? withdraw : null, vote],
    ),
  );
  form.addEventListener("submit", (/** @type {Event} */ event) => {
    event.preventDefault();
    const chosen = new FormData(form).getAll(name).map(Number);
    if (chosen.length) around.act("vote", { message: message.id, answers: chosen });
  });
  return form;
}

/**
 * @param {Json} each
 * @param {Json | undefined} count
 * @param {{kind: string, name: string, total: number, over: any}} how
 */
function answer(each, count, { kind, name, total, over }) {
  const votes = count?.count ?? 0;
  const share = total ? Math.round((votes / total) * 100) : 0;
  const bar = el("label", { class: "poll-answer" });
  bar.style.setProperty("--share", `${total ? share : 0}%`);
  const emoji = each.poll_media.emoji?.id ? "" : (each.poll_media.emoji?.name ?? "");
  bar.append(
    el("input", {
      type: kind,
      name,
      value: String(each.answer_id),
      defaultChecked: Boolean(count?.me_voted),
      disabled: Boolean(over),
    }),
    el("span", {}, `${emoji} ${each.poll_media.text ?? ""}`.trim()),
    el("small", {}, total ? `${votes} · ${share} %` : ""),
  );
  return bar;
}
