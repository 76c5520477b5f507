/**
 * Trouble that comes again and again: a full disk or a service that is down troubles every job.
 *
 * @module
 */

/** How often trouble of one kind is told in full. */
const TOLD = 3;

/** Tells what is new from what is the same with another job. */
export class Repeats {
  readonly #told = new Map<string, number>();
  #more = 0;

  /**
   * Takes a text in.
   *
   * @param text What is to be told.
   * @returns Whether to tell it; otherwise it is counted.
   */
  take(text: string): boolean {
    // Names in quotes, and words with a digit or a path in them, are what differs between texts of one kind.
    const kind = text.replace(/"[^"]*"|'[^']*'|\S*[\d/]\S*/g, "…");
    const told = this.#told.get(kind) ?? 0;
    if (told < TOLD) this.#told.set(kind, told + 1);
    else this.#more++;
    return told < TOLD;
  }

  /** How many were counted and not told since this was asked last. */
  more(): number {
    const more = this.#more;
    this.#more = 0;
    return more;
  }
}
