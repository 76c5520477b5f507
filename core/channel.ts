/**
 * A channel: values pushed by one side and read as an async iterable by the other.
 *
 * @module
 */

/** Values pushed by one side, in order, to whoever iterates. One reader; nothing is dropped. */
export class Channel<T> implements AsyncIterableIterator<T, void, void> {
  #values: T[] = [];
  #head = 0;
  #waiting: ((result: IteratorResult<T, void>) => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;
  #closed = false;
  #error: { readonly reason: unknown } | undefined;
  #onReturn: (() => void) | undefined;

  /** @param onReturn Called when the reader leaves before the end. */
  constructor(onReturn?: () => void) {
    this.#onReturn = onReturn;
  }

  /** How many values wait to be read. */
  get size(): number {
    return this.#values.length - this.#head;
  }

  /** Whether it was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Adds a value. Does nothing once closed. */
  push(value: T): void {
    if (this.#closed) return;
    const waiting = this.#waiting;
    if (waiting) {
      this.#waiting = this.#fail = undefined;
      waiting({ done: false, value });
    } else this.#values.push(value);
  }

  /** Ends it: the reader gets what is left, then the end, or the error. */
  close(error?: { readonly reason: unknown }): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#error = error;
    if (!this.#waiting) return;
    if (error) this.#fail!(error.reason);
    else this.#waiting({ done: true, value: undefined });
    this.#waiting = this.#fail = undefined;
  }

  /** The next value, or the end. */
  next(): Promise<IteratorResult<T, void>> {
    if (this.#head < this.#values.length) {
      const value = this.#values[this.#head++]!;
      if (this.#head > 1024 && this.#head * 2 > this.#values.length) {
        this.#values = this.#values.slice(this.#head);
        this.#head = 0;
      }
      return Promise.resolve({ done: false, value });
    }
    if (this.#error) return Promise.reject(this.#error.reason);
    if (this.#closed) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting = resolve;
      this.#fail = reject;
    });
  }

  /** The reader leaves. */
  return(): Promise<IteratorResult<T, void>> {
    this.#onReturn?.();
    this.close();
    this.#values = [];
    this.#head = 0;
    return Promise.resolve({ done: true, value: undefined });
  }

  /** @returns Itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}
