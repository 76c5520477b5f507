/**
 * Repaints a block of lines in place on a terminal.
 *
 * @module
 */
import { widthOf } from "../ansi.ts";

/** Repaints a block of lines in place. It writes escape sequences, so its output must be a terminal. */
export class Painter {
  readonly #write: (text: string) => void;
  readonly #columns: () => number;
  #painted: readonly string[] = [];

  /**
   * @param write Writes to the terminal.
   * @param columns How wide the terminal is now.
   */
  constructor(write: (text: string) => void, columns: () => number) {
    this.#write = write;
    this.#columns = columns;
  }

  /** Paints lines where the last ones were. */
  paint(lines: readonly string[]): void {
    // One write for a whole picture, marked as such where the terminal knows it: nothing flickers.
    this.#write(
      `\x1b[?2026h${this.#back()}${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J\x1b[?2026l`,
    );
    this.#painted = lines;
  }

  /** Takes the block away. */
  clear(): void {
    if (this.#painted.length > 0) this.#write(`${this.#back()}\x1b[J`);
    this.#painted = [];
  }

  /** Leaves the block as it is; what is written next goes beneath it. */
  leave(): void {
    this.#painted = [];
  }

  /** To the beginning of the block. A terminal that became narrower has broken its lines: they take more rows now. */
  #back(): string {
    const columns = this.#columns();
    const rows = this.#painted.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / columns)),
      0,
    );
    return rows === 0 ? "" : `\x1b[${rows}A\r`;
  }
}
