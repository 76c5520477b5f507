/**
 * Small requests that are made at once, as one.
 *
 * @module
 */

/** How many go together at the most. */
const MOST = 200;

/** Gathers what is asked for while an earlier request is under way. */
export class Batch<T> {
  readonly #call: (names: readonly string[]) => Promise<T>;
  #next: { readonly names: Set<string>; readonly result: Promise<T> } | undefined;
  #running: Promise<unknown> = Promise.resolve();

  /** @param call Asks for many. */
  constructor(call: (names: readonly string[]) => Promise<T>) {
    this.#call = call;
  }

  /**
   * Asks for one, together with others.
   *
   * @param name Which.
   * @returns The answer for all that were asked for together.
   */
  add(name: string): Promise<T> {
    if (this.#next && this.#next.names.size < MOST) {
      this.#next.names.add(name);
      return this.#next.result;
    }
    const names = new Set([name]);
    const before = this.#running;
    const result = before.then(() => {
      if (this.#next?.names === names) this.#next = undefined;
      return this.#call([...names]);
    });
    this.#next = { names, result };
    this.#running = result.catch(() => {});
    return result;
  }
}
