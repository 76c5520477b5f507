/**
 * What a worker writes, as lines of the log of the job that runs in it.
 *
 * @module
 */

/** So many characters of the end are kept, to tell why a worker has died. */
const TAIL = 8192;

/** The longest line that waits for its end, in characters; longer ones are cut. */
const LONGEST = 1 << 20;

/** Reads what a worker writes. */
export class OutputLines {
  /** Where lines go. Those that come while nobody runs are dropped. */
  sink: ((line: string) => void) | undefined;
  /** Resolves at the end of the output. */
  readonly ended: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #line = "";
  #tail = "";
  #mark: { readonly text: string; readonly seen: () => void } | undefined;

  /** @param stream The output. */
  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.ended = this.#read();
  }

  /** The end of what was written. */
  get tail(): string {
    return this.#tail;
  }

  /**
   * Waits for a mark in the output, which is not part of the log: what comes before it belongs to the run.
   *
   * @param text The mark, without the end of its line.
   * @returns When it was seen, or the output has ended.
   */
  expect(text: string): Promise<void> {
    return new Promise((seen) => {
      this.#mark = { text, seen };
    });
  }

  /** Reads no further. */
  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    await this.ended;
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    while (true) {
      const { done, value } = await this.#reader.read().catch(() => ({ done: true, value: undefined }));
      this.#take(done ? decoder.decode() : decoder.decode(value, { stream: true }));
      if (done) break;
    }
    if (this.#line) this.#emit(this.#line);
    this.#mark?.seen();
  }

  #take(text: string): void {
    this.#tail = (this.#tail + text).slice(-TAIL);
    const lines = (this.#line + text).split("\n");
    this.#line = lines.pop()!;
    for (const line of lines) this.#emit(line);
    if (this.#line.length > LONGEST) {
      this.#emit(this.#line);
      this.#line = "";
    }
  }

  #emit(line: string): void {
    const mark = this.#mark;
    if (!mark || !line.endsWith(mark.text)) return this.sink?.(line);
    this.#mark = undefined;
    if (line.length > mark.text.length) this.sink?.(line.slice(0, -mark.text.length));
    mark.seen();
  }
}
