/**
 * Styled text: the few escape sequences that the command line uses, and the width of what they surround.
 *
 * @module
 */

/** Ways to set off a text. Each returns its text unchanged where styling is off. */
export interface Style {
  /** Whether anything is styled. */
  readonly enabled: boolean;
  /** Headings and names. */
  bold(text: string): string;
  /** What matters less. */
  dim(text: string): string;
  /** What has failed. */
  red(text: string): string;
  /** What has succeeded. */
  green(text: string): string;
  /** What needs a look. */
  yellow(text: string): string;
  /** What runs. */
  cyan(text: string): string;
}

/**
 * The styles for an output.
 *
 * @param enabled Whether the output shows colors.
 * @returns The styles.
 */
export function styles(enabled: boolean): Style {
  const wrap = (on: number, off: number) => (text: string): string =>
    enabled && text !== "" ? `\x1b[${on}m${text}\x1b[${off}m` : text;
  return {
    enabled,
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    cyan: wrap(36, 39),
  };
}

// deno-lint-ignore no-control-regex -- escape sequences begin with a control character
const ESCAPE = /\x1b\[[0-9;]*m/g;
// deno-lint-ignore no-control-regex -- the same; what is split keeps what is in parentheses
const ESCAPES_KEPT = /(\x1b\[[0-9;]*m)/;
// deno-lint-ignore no-control-regex -- control characters are what is replaced
const CONTROL = /[\x00-\x1f\x7f-\x9f]/g;
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

/**
 * How many columns a text takes.
 *
 * @param text A text, styled or not.
 * @returns Columns of a terminal.
 */
export function widthOf(text: string): number {
  const plain = text.replace(ESCAPE, "");
  if (/^[\x20-\x7e]*$/.test(plain)) return plain.length;
  let width = 0;
  for (const character of plain) width += WIDE.test(character) ? 2 : /\p{Mn}/u.test(character) ? 0 : 1;
  return width;
}

/**
 * Cuts a text to a width, with `…` in place of what is cut off.
 *
 * @param text A text of one line, styled or not.
 * @param width Columns.
 * @returns A text that takes no more columns; styles do not run on beyond its end.
 */
export function truncate(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  if (width <= 0) return "";
  let out = "";
  let used = 0;
  for (const part of text.split(ESCAPES_KEPT)) {
    if (part.startsWith("\x1b[")) {
      out += part;
      continue;
    }
    for (const character of part) {
      const columns = widthOf(character);
      if (used + columns > width - 1) return `${out}…${text.includes("\x1b[") ? "\x1b[0m" : ""}`;
      out += character;
      used += columns;
    }
  }
  return out;
}

/**
 * Breaks a text into lines between words.
 *
 * @param text A text.
 * @param width Columns; a longer word stands alone and is not broken.
 * @returns Lines.
 */
export function wrapWords(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return line === "" ? lines : [...lines, line];
}

/**
 * Fills a text up with blanks.
 *
 * @param text A text, styled or not.
 * @param width Columns.
 * @param side Where the text goes. Default: left.
 * @returns A text of at least that width.
 */
export function pad(text: string, width: number, side: "left" | "right" = "left"): string {
  const blanks = " ".repeat(Math.max(0, width - widthOf(text)));
  return side === "left" ? text + blanks : blanks + text;
}

/**
 * Makes a text that came from outside safe to show: control characters, escape sequences among them, become visible.
 *
 * @param text Any text.
 * @returns The same on one line, without control characters.
 */
export function printable(text: string): string {
  return text.replace(/\s*\r?\n\s*/g, " ").replace(
    CONTROL,
    (c) => c === "\t" ? " " : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}
