/**
 * Small requests that are made at once, as one.
 *
 * @module
 */

/** Gathers what is asked for while an earlier request is under way. */
export class Batch<I, T> {
  readonly #call: (items: readonly I[]) => Promise<T>;
  readonly #most: number;
  #next: { readonly items: Set<I>; readonly result: Promise<T> } | undefined;
  #running: Promise<unknown> = Promise.resolve();

  /**
   * @param call Asks for many.
   * @param most How many go together at the most.
   */
  constructor(call: (items: readonly I[]) => Promise<T>, most: number) {
    this.#call = call;
    this.#most = most;
  }

  /**
   * Asks for one, together with others.
   *
   * @param item Which.
   * @returns The answer for all that were asked for together.
   */
  add(item: I): Promise<T> {
    if (this.#next && this.#next.items.size < this.#most) {
      this.#next.items.add(item);
      return this.#next.result;
    }
    const items = new Set([item]);
    const before = this.#running;
    const result = before.then(() => {
      if (this.#next?.items === items) this.#next = undefined;
      return this.#call([...items]);
    });
    this.#next = { items, result };
    this.#running = result.catch(() => {});
    return result;
  }
}
