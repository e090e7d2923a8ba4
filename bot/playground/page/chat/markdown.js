// @ts-check
/**
 * Discord's markdown, as a tree. Pure: knows no DOM and no names.
 * https://discord.com/developers/docs/reference#message-formatting
 */

/**
 * @typedef {{kind: string, text?: string, inside?: Piece[], [more: string]: any}} Piece
 * `text` is a leaf's text, `inside` what a style encloses.
 */

const DEEPEST = 12; // styles inside styles; beyond it the rest is plain text

/** @param {string} source @returns {Piece[]} blocks: paragraph, heading, small, quote, list, code */
export function parseMarkdown(source) {
  const pieces = [];
  let rest = source;
  while (rest) {
    const fence = /```(?:([\w+#-]+)\n)?\n?([\s\S]+?)\n?```/.exec(rest);
    pieces.push(...lines(fence ? rest.slice(0, fence.index).replace(/\n$/, "") : rest));
    if (!fence) break;
    pieces.push({ kind: "code", text: fence[2], language: fence[1] ?? "" });
    rest = rest.slice(fence.index + fence[0].length).replace(/^\n/, "");
  }
  return pieces;
}

/** @param {string} text @returns {Piece[]} */
function lines(text) {
  if (!text) return [];
  /** @type {Piece[]} */
  const blocks = [];
  const left = text.split("\n");
  while (left.length) {
    const line = /** @type {string} */ (left.shift());
    if (line.startsWith(">>> ")) {
      const all = [line.slice(4), ...left.splice(0)].join("\n");
      blocks.push({ kind: "quote", inside: lines(all) });
    } else addLine(blocks, line);
  }
  return blocks;
}

/** @param {Piece[]} blocks @param {string} line */
function addLine(blocks, line) {
  const last = blocks.at(-1);
  const heading = /^(#{1,3}) +(.+)$/.exec(line);
  const item = /^( *)([-*]|\d{1,9}\.) +(.+)$/.exec(line);
  if (line.startsWith("-# ") && line.trim() !== "-#") {
    blocks.push({ kind: "small", inside: parseInline(line.slice(3)) });
  } else if (heading) {
    blocks.push({ kind: "heading", level: heading[1].length, inside: parseInline(heading[2]) });
  } else if (line.startsWith("> ")) {
    if (last?.kind === "quote" && last.open) last.inside?.push(...lines(line.slice(2)));
    else blocks.push({ kind: "quote", open: true, inside: lines(line.slice(2)) });
  } else if (item) {
    const entry = { kind: "item", depth: Math.min(item[1].length >> 1, 4), inside: parseInline(item[3]) };
    const ordered = /\d/.test(item[2]);
    if (last?.kind === "list" && last.ordered === ordered) last.inside?.push(entry);
    else blocks.push({ kind: "list", ordered, start: ordered ? parseInt(item[2], 10) : 1, inside: [entry] });
  } else if (last?.kind === "paragraph") {
    last.inside?.push({ kind: "break" }, ...parseInline(line));
  } else blocks.push({ kind: "paragraph", inside: parseInline(line) });
}

/**
 * Text without markdown, for previews and screen readers.
 * @param {string} source @param {(piece: Piece) => string | undefined} nameOf the name that a mention stands for
 */
export function plainText(source, nameOf) {
  /** @param {Piece} piece @returns {string} */
  const one = (piece) => {
    if (piece.kind === "break") return " ";
    if (piece.kind === "spoiler") return "spoiler";
    return nameOf(piece) ?? piece.text ?? flat(piece.inside ?? []);
  };
  /** @param {Piece[]} pieces @returns {string} */
  const flat = (pieces) => pieces.map(one).join("");
  return parseMarkdown(source)
    .map((block) => flat([block]))
    .join(" ")
    .trim();
}

/**
 * What one line may contain. The first rule that matches at a place wins, so the longer marks come first.
 * @type {[RegExp, (found: RegExpExecArray, deeper: (text: string) => Piece[]) => Piece][]}
 */
const RULES = [
  [/\\([^A-Za-z0-9\s])/y, (found) => ({ kind: "text", text: found[1] })],
  [/(``?)(.+?)\1(?!`)/y, (found) => ({ kind: "inline-code", text: found[2] })],
  [/<@!?(\d+)>/y, (found) => ({ kind: "user", id: found[1], text: found[0] })],
  [/<@&(\d+)>/y, (found) => ({ kind: "role", id: found[1], text: found[0] })],
  [/<#(\d+)>/y, (found) => ({ kind: "channel", id: found[1], text: found[0] })],
  [/<\/([^:>]{1,100}):(\d+)>/y, (found) => ({ kind: "command", text: `/${found[1]}`, id: found[2] })],
  [
    /<t:(-?\d{1,13})(?::([tTdDfFRsS]))?>/y,
    (found) => ({ kind: "time", at: Number(found[1]), style: found[2] ?? "f" }),
  ],
  [/<a?:(\w{2,32}):(\d+)>/y, (found) => ({ kind: "text", text: `:${found[1]}:` })],
  [/@(?:everyone|here)\b/y, (found) => ({ kind: "everyone", text: found[0] })],
  [
    /<(https?:\/\/[^\s<>]+)>/y,
    (found) => ({ kind: "link", to: found[1], inside: [{ kind: "text", text: found[1] }] }),
  ],
  [
    /\[([^\]\n]{1,500})\]\(<?(https?:\/\/[^\s<>)]+)>?(?: "[^"]*")?\)/y,
    (found, deeper) => ({ kind: "link", to: found[2], inside: deeper(found[1]) }),
  ],
  [
    /https?:\/\/[^\s<>]*[^\s<>.,:;"'\])!?*_~|]/y,
    (found) => ({ kind: "link", to: found[0], inside: [{ kind: "text", text: found[0] }] }),
  ],
  [/\|\|(.+?)\|\|/y, (found, deeper) => ({ kind: "spoiler", inside: deeper(found[1]) })],
  [/\*\*(.+?)\*\*(?!\*)/y, (found, deeper) => ({ kind: "strong", inside: deeper(found[1]) })],
  [/__(.+?)__(?!_)/y, (found, deeper) => ({ kind: "underline", inside: deeper(found[1]) })],
  [/~~(.+?)~~/y, (found, deeper) => ({ kind: "strike", inside: deeper(found[1]) })],
  [
    /\*(?=\S)((?:\\.|\*\*|[^*\\])+?)\*(?!\*)/y,
    (found, deeper) => ({ kind: "emphasis", inside: deeper(found[1]) }),
  ],
  [/\b_((?:\\.|[^_\\])+)_\b/y, (found, deeper) => ({ kind: "emphasis", inside: deeper(found[1]) })],
];

const MARKS = /[\\`<@[h|*_~]/g; // where a rule can begin

/** @param {string} source @param {number} [depth] @returns {Piece[]} */
export function parseInline(source, depth = 0) {
  if (depth > DEEPEST) return [{ kind: "text", text: source }];
  /** @type {Piece[]} */
  const pieces = [];
  let plain = 0;
  let at = 0;
  while (at < source.length) {
    MARKS.lastIndex = at;
    const mark = MARKS.exec(source);
    if (!mark) break;
    const found = ruleAt(source, mark.index, depth);
    at = mark.index + (found ? found.length : 1);
    if (!found) continue;
    if (mark.index > plain) pieces.push({ kind: "text", text: source.slice(plain, mark.index) });
    pieces.push(found.piece);
    plain = at;
  }
  if (plain < source.length) pieces.push({ kind: "text", text: source.slice(plain) });
  return pieces;
}

/** @param {string} source @param {number} at @param {number} depth */
function ruleAt(source, at, depth) {
  for (const [pattern, make] of RULES) {
    pattern.lastIndex = at;
    const found = pattern.exec(source);
    if (found) return { length: found[0].length, piece: make(found, (text) => parseInline(text, depth + 1)) };
  }
  return null;
}
