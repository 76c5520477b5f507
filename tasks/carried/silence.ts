/**
 * Connections that tell of nothing any more, not even of their end: what is waited for on one is called off after a while.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";

/** Watches over one request and its answer. */
export class Silence {
  readonly #ms: number;
  readonly #controller = new AbortController();

  /** @param ms How long nothing may be heard, in milliseconds. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Given when nothing was heard for too long: ends the request, as one that was cut. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits for something, for as long as nothing may be heard. */
  async during<T>(heard: Promise<T>): Promise<T> {
    const timer = setTimeout(
      () => this.#controller.abort(new TypeError(`nothing was heard for ${this.#ms / 1000} seconds`)),
      this.#ms,
    );
    try {
      return await heard;
    } finally {
      clearTimeout(timer);
    }
  }

  /** An answer whose body is watched while it is read; a reader that takes its time is not hurried. */
  over({ body, status, headers }: Response): Response {
    if (body === null) return new Response(null, { status, headers });
    const reader = body.getReader();
    const watched = new ReadableStream<Bytes>({
      pull: async (controller) => {
        const { done, value } = await this.during(reader.read());
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    }, { highWaterMark: 0 });
    return new Response(watched, { status, headers });
  }
}
