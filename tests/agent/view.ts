/**
 * A repository as a worker sees it: a driver of blobs that knows nothing but the requests of the agent. Documents are blobs in the codec of
 * the task there, and trees are archives, so that `encoded()` and `packed()` over it make views of their kinds.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Bytes, Content } from "../../core/bytes.ts";
import { sleep, systemClock } from "../../core/clock.ts";
import { json } from "../../core/codec.ts";
import { type ErrorCode, RepositoryError } from "../../core/errors.ts";
import type { BlobDriver, OperationOptions, ReadOptions, WriteOptions } from "../../repositories/driver.ts";
import { Repository } from "../../repositories/repository.ts";
import { grantedItems } from "../../tasks/grants.ts";
import { outputs } from "../../tasks/many.ts";
import { attemptOf, grantOf, type Place, type Worker } from "./kit.ts";

/** How often a request is made again that meets another of the same value. */
const TRIES = 200;

const CODES: Readonly<Record<number, ErrorCode>> = {
  400: "invalid-value",
  404: "not-found",
  422: "invalid-value",
  503: "unavailable",
};

/** A repository through the agent. */
export class View {
  readonly #repository: Repository;
  readonly #worker: Worker;
  readonly #turns = new Map<string, Promise<void>>();
  static #attempts = 0;

  private constructor(repository: Repository, worker: Worker) {
    this.#repository = repository;
    this.#worker = worker;
  }

  /** The view of a worker of its own, which may read any value and publish any. */
  static async open(place: Place, repository: Repository): Promise<View> {
    const job = `writer-${View.#attempts++}`;
    const made = grantedItems(
      attemptOf(job),
      "made",
      outputs(repository, { keys: "name" }),
      { published: () => {} },
      json,
    );
    const worker = await place.admit(
      grantOf(job, { books: { kind: "lookup", repository } }, { made }),
    );
    return new View(repository, worker);
  }

  /** What the digest of a value is, as the agent tells it. */
  async digest(key: string): Promise<string> {
    return (await this.#worker.ask(`/digest/books/${key}`)).text.trim();
  }

  /** It as a driver. Workers delete nothing: that is done in the store. */
  driver(): BlobDriver {
    const { driver: store, name } = this.#repository;
    return {
      name: `${name} (through the agent)`,
      identity: `agent(${store.identity})`,
      supports: { ...store.supports, ranges: true, conditional: false },
      keys: (options) => this.#keys(options),
      has: async (key, options) => await this.#head(key, options) !== undefined,
      info: (key, options) => this.#head(key, options),
      delete: (key, options) => store.delete(key, options),
      read: (key, options) => this.#read(key, options),
      write: (key, content, options) => this.#inTurn(key, () => this.#write(key, content, options)),
    };
  }

  /** All keys, some at a time. */
  async *#keys(options: OperationOptions | undefined): AsyncGenerator<readonly string[], void, void> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const { status, text } = await this.#worker.ask("/keys/books");
    signal?.throwIfAborted();
    if (status !== 200) throw refusal("list", this.#repository.name, "", status, text);
    const keys = text.split("\n").filter((key) => key !== "");
    for (let at = 0; at < keys.length; at += 100) {
      yield keys.slice(at, at + 100);
      signal?.throwIfAborted();
    }
  }

  async #head(key: string, options: OperationOptions | undefined) {
    const response = await this.#ask("look up", key, { method: "HEAD" }, options?.signal);
    if (!response) return undefined;
    const size = response.headers.get("content-length");
    return {
      size: size === null ? undefined : Number(size),
      version: response.headers.get("etag") ?? undefined,
    };
  }

  async #read(key: string, options: ReadOptions | undefined): Promise<ReadableStream<Bytes> | undefined> {
    const { signal, start = 0, end } = options ?? {};
    if (end !== undefined && end <= start) {
      return await this.#head(key, options) && new Blob().stream();
    }
    const ranged = start > 0 || end !== undefined;
    const headers = ranged ? { Range: `bytes=${start}-${end === undefined ? "" : end - 1}` } : {};
    const response = await this.#ask("read", key, { headers }, signal);
    if (!response) return undefined;
    if (response.status === 416) {
      await response.body?.cancel();
      return new Blob().stream();
    }
    return withReason(response.body ?? new Blob().stream(), signal);
  }

  /** Asks for a value: nothing when it is not there. */
  async #ask(
    operation: string,
    key: string,
    send: RequestInit & { readonly headers?: Readonly<Record<string, string>> },
    signal: AbortSignal | undefined,
  ): Promise<Response | undefined> {
    signal?.throwIfAborted();
    for (let tries = 1;; tries++) {
      const response = await this.#worker.fetch(
        `/in/books/${key}`,
        { ...send, ...(signal && { signal }) } as never,
      )
        .catch((error) => {
          throw signal?.aborted ? signal.reason : error;
        });
      const { status } = response;
      if (status === 200 || status === 206 || status === 416) return response;
      const text = await response.text();
      if (status === 404) return undefined;
      // It is being replaced.
      if (status !== 503 || tries === TRIES) {
        throw refusal(operation, this.#repository.name, key, status, text);
      }
      await sleep(systemClock, 10, signal);
    }
  }

  /** A worker makes one value at a time; the agent refuses a second upload of the same while there is one. */
  async #inTurn(key: string, call: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(key) ?? Promise.resolve()).then(call);
    this.#turns.set(key, turn.catch(() => {}));
    await turn;
  }

  async #write(key: string, content: Content, options: WriteOptions | undefined): Promise<void> {
    const { signal, ifAbsent, ifVersion } = options ?? {};
    const source = content instanceof Uint8Array ? undefined : new Source(content);
    try {
      signal?.throwIfAborted();
      if (ifAbsent || ifVersion !== undefined) {
        throw new RepositoryError("unsupported", "a worker writes on no condition");
      }
      for (let tries = 1;; tries++) {
        const digest = content instanceof Uint8Array && createHash("sha256").update(content).digest("hex");
        const { status, text } = await this.#worker.ask(`/items/made/${encodeURIComponent(key)}`, {
          method: "PUT",
          body: source?.stream ?? content as Bytes,
          headers: digest ? { "X-Datatask-Sha256": digest } : {},
          ...(signal && { signal }),
        });
        if (status === 201) return;
        // Another is uploading the same value, or one that has left is not yet gone.
        const again = (status === 409 || status === 503) && !source?.begun && tries < TRIES;
        if (!again) throw refusal("write", this.#repository.name, key, status, text);
        await sleep(systemClock, 10, signal);
      }
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw source?.trouble ? source.trouble.reason : error;
    } finally {
      await source?.leave();
    }
  }
}

/** What a worker uploads; remembers what it failed with. */
class Source {
  readonly stream: ReadableStream<Bytes>;
  readonly #reader: ReadableStreamDefaultReader<Bytes>;
  trouble: { readonly reason: unknown } | undefined;
  begun = false;

  constructor(content: ReadableStream<Bytes>) {
    this.#reader = content.getReader();
    this.stream = new ReadableStream<Bytes>({
      pull: async (controller) => {
        this.begun = true;
        try {
          const { done, value } = await this.#reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (reason) {
          this.trouble = { reason };
          throw reason;
        }
      },
      cancel: (reason) => this.#reader.cancel(reason),
    }, { highWaterMark: 0 });
  }

  async leave(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
  }
}

function refusal(
  operation: string,
  subject: string,
  key: string,
  status: number,
  text: string,
): RepositoryError {
  return new RepositoryError(CODES[status] ?? "io", `${status}: ${text.trim()}`, { operation, subject, key });
}

/** A stream that ends with the reason of its signal. */
function withReason(
  stream: ReadableStream<Bytes>,
  signal: AbortSignal | undefined,
): ReadableStream<Bytes> {
  const reader = stream.getReader();
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        signal?.throwIfAborted();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        throw signal?.aborted ? signal.reason : error;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
