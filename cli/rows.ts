/**
 * Tables for a terminal.
 *
 * @module
 */
import { pad, type Style, truncate, widthOf } from "./ansi.ts";

/** A column of a table. */
export interface Column {
  /** Its heading. */
  readonly title: string;
  /** Where its cells go. Default: left. */
  readonly side?: "left" | "right";
}

/**
 * Lays out a table.
 *
 * @param columns The columns.
 * @param rows The cells, styled or not, of each row.
 * @param style How headings look.
 * @param width How wide lines may be; the last cell of each line is cut. Default: no limit.
 * @returns Lines, the headings first.
 */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
  width = Infinity,
): string[] {
  const widths = columns.map(({ title }, i) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(row[i] ?? "")))
  );
  const line = (cells: readonly string[]): string =>
    truncate(cells.map((cell, i) => pad(cell, widths[i]!, columns[i]!.side)).join("  ").trimEnd(), width);
  return [line(columns.map(({ title }) => style.dim(title))), ...rows.map(line)];
}

/**
 * A whole number with separators.
 *
 * @param n The number.
 * @returns `12,345`
 */
export function amount(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * A number of things.
 *
 * @param n How many.
 * @param one What one is called.
 * @param many What several are called. Default: with an s.
 * @returns `1 job`, `2 jobs`
 */
export function counted(n: number, one: string, many: string = `${one}s`): string {
  return `${amount(n)} ${n === 1 ? one : many}`;
}

/**
 * A size in bytes, for people.
 *
 * @param bytes How many.
 * @returns `1.5 MiB`
 */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let n = bytes;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at++;
  }
  return `${at === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[at]}`;
}
