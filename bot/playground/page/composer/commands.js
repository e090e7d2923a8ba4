// @ts-check
/** Slash commands as a person finds and types them. Pure. */

/** @typedef {import("../api.js").Json} Json */
/**
 * @typedef {{path: string, description: string, options: Json[], command: Json}} Entry a command that can be run
 */

const SLASH = 1;
const SUBCOMMAND = 1;
const GROUP = 2;

/**
 * Every command that can be run, subcommands one by one, by name.
 * @param {Json[]} commands
 * @returns {Entry[]}
 */
export function entriesOf(commands) {
  const slash = commands.filter((each) => each.type === SLASH);
  return slash
    .flatMap((command) => inside(command, command.name, command))
    .sort((a, b) => a.path.localeCompare(b.path));
}

/** @param {Json} step @param {string} path @param {Json} command @returns {Entry[]} */
function inside(step, path, command) {
  const options = step.options ?? [];
  const deeper = options.filter(
    (/** @type {Json} */ each) => each.type === SUBCOMMAND || each.type === GROUP,
  );
  if (deeper.length)
    return deeper.flatMap((/** @type {Json} */ each) => inside(each, `${path} ${each.name}`, command));
  return [{ path, description: step.description, options, command }];
}

/**
 * What fits the letters after the slash: names that begin so, then names with it inside, then descriptions.
 * @param {Entry[]} entries @param {string} typed @returns {Entry[]}
 */
export function findEntries(entries, typed) {
  const wanted = typed.trim().toLowerCase();
  /** @param {Entry} entry */
  const rank = (entry) => {
    if (entry.path.startsWith(wanted)) return 0;
    if (entry.path.split(/[ _-]/).some((word) => word.startsWith(wanted))) return 1;
    if (entry.path.includes(wanted)) return 2;
    return wanted.length > 2 && entry.description.toLowerCase().includes(wanted) ? 3 : 4;
  };
  return entries
    .map((entry) => ({ entry, rank: rank(entry) }))
    .filter((each) => each.rank < 4)
    .sort((a, b) => a.rank - b.rank)
    .map((each) => each.entry);
}

/**
 * A whole line, such as `/imagine prompt:a hamster steps:20`: the command, and its options as text. Text before the
 * first name belongs to the first option. null while the line names no command and ends with no space after it.
 * @param {string} line @param {Entry[]} entries @returns {{entry: Entry, values: Record<string, string>} | null}
 */
export function readLine(line, entries) {
  const entry = entries
    .filter((each) => line.startsWith(`/${each.path} `))
    .sort((a, b) => b.path.length - a.path.length)[0];
  if (!entry) return null;
  const rest = line.slice(entry.path.length + 2).trim();
  const names = entry.options.map((each) => each.name);
  if (!rest || !names.length) return { entry, values: {} };
  const cut = new RegExp(
    `(?:^|(?<=\\s))(${names
      .sort((a, b) => b.length - a.length)
      .map(escaped)
      .join("|")}):`,
  );
  const [first, ...found] = rest.split(cut);
  /** @type {Record<string, string>} */
  const values = {};
  if (first.trim()) values[entry.options[0].name] = first.trim();
  for (let at = 0; at < found.length; at += 2) values[found[at]] = found[at + 1].trim();
  return { entry, values };
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[.*+?^${}()|[\]\\-]/g, "\\$&");
}
