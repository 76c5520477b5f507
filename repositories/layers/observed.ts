/**
 * The layer that tells of every operation.
 *
 * @module
 */
import type { Bytes, Content } from "../../core/bytes.ts";
import { type Clock, systemClock } from "../../core/clock.ts";
import type { Key } from "../../core/key.ts";
import type { KeyDriver, KeyLayer, MetadataDriver, OperationOptions, TreeEntry } from "../driver.ts";
import { besideUnder, type KeyedCall, wrapDriver } from "./wrap.ts";

/** One operation, when it is over. */
export interface RepositoryOperation {
  /** Of which repository, by name. */
  readonly repository: string;
  /** Which method of its driver. */
  readonly method: string;
  /** On which key, where it was on one. */
  readonly key?: Key | undefined;
  /** How long it took, in milliseconds: of a stream, tree or listing, until its reader was done with it. */
  readonly duration: number;
  /** How many bytes of content went through, where there was content. */
  readonly bytes?: number | undefined;
  /** How many keys it listed or documents it got, where it was about many. */
  readonly count?: number | undefined;
  /** How it ended. `missing`: there was no value. `left`: its reader did not want the rest. */
  readonly outcome: "done" | "missing" | "left" | "aborted" | "failed";
  /** What it failed with. */
  readonly error?: unknown;
}

/** How {@linkcode observed} does it. */
export interface ObservedOptions {
  /** By which clock durations are measured. Default: the machine's. */
  readonly clock?: Clock | undefined;
}

/**
 * Tells a listener of every operation, once each, when it is over; of those beside it too. Nothing else differs, deletes and conditions
 * included. A stream is over when it was read to its end, cancelled, or failed. `path`, `admits` and `watch` are not told of.
 *
 * @param listener Told of each operation. What it throws is shown on the console and harms nothing.
 * @param options By which clock.
 * @returns The layer, for every kind of value.
 */
export function observed(
  listener: (operation: RepositoryOperation) => void,
  options: ObservedOptions = {},
): KeyLayer {
  const clock = options.clock ?? systemClock;
  return function observe<D extends KeyDriver>(inner: D): D {
    const begin = (method: string, key: Key | undefined, opts: OperationOptions | undefined): Sighting =>
      new Sighting(listener, clock, inner.name, method, key, opts?.signal);
    const { getMany } = inner as KeyDriver as Partial<MetadataDriver>;
    return wrapDriver(
      inner,
      (call, proceed) => observeCall(begin(call.method, call.key, call.options), call, proceed),
      {
        async *keys(opts?: OperationOptions) {
          const sighting = begin("keys", undefined, opts);
          yield* sighting.iterate(
            inner.keys(opts),
            (page) => sighting.count = (sighting.count ?? 0) + page.length,
          );
        },
        getMany: getMany && (async (keys: readonly Key[], opts?: OperationOptions) => {
          const sighting = begin("getMany", undefined, opts);
          const found = await sighting.settle(() => getMany(keys, opts));
          sighting.count = found.size;
          sighting.end("done");
          return found;
        }),
        prepare: inner.prepare && (async (opts?: OperationOptions) => {
          const sighting = begin("prepare", undefined, opts);
          await sighting.settle(() => inner.prepare!(opts));
          sighting.end("done");
        }),
        beside: besideUnder(inner, observe),
      },
    );
  };
}

async function observeCall(
  sighting: Sighting,
  { method, rest }: KeyedCall,
  proceed: (key?: Key, rest?: readonly unknown[]) => Promise<unknown>,
): Promise<unknown> {
  let args = rest;
  if (method === "write") {
    const [content, ...others] = rest as [Content | AsyncIterable<TreeEntry>, ...unknown[]];
    args = [countContent(content, sighting), ...others];
  }
  const result = await sighting.settle(() => proceed(undefined, args));
  if (result instanceof ReadableStream) return sighting.stream(result as ReadableStream<Bytes>);
  if (method === "entries" && result !== undefined) {
    return sighting.iterate(countFiles(result as AsyncIterable<TreeEntry>, sighting), () => {});
  }
  if (result instanceof Uint8Array && method === "readBytes") sighting.add(result.length);
  const mayMiss = ["read", "readBytes", "get", "entries", "open", "info"].includes(method);
  sighting.end(mayMiss && result === undefined ? "missing" : "done");
  return result;
}

function countContent(content: Content | AsyncIterable<TreeEntry>, sighting: Sighting): unknown {
  if (content instanceof Uint8Array) {
    sighting.add(content.length);
    return content;
  }
  if (content instanceof ReadableStream) return counting(content, (bytes) => sighting.add(bytes), () => {});
  return countFiles(content, sighting);
}

async function* countFiles(
  entries: AsyncIterable<TreeEntry>,
  sighting: Sighting,
): AsyncGenerator<TreeEntry, void, void> {
  for await (const entry of entries) {
    if (entry.kind !== "file") yield entry;
    else {
      const open = async (): Promise<ReadableStream<Bytes>> =>
        counting(await entry.open(), (bytes) => sighting.add(bytes), () => {});
      yield { ...entry, open };
    }
  }
}

/** A stream of the same chunks that tells how many bytes went by, and how it ended. */
function counting(
  source: ReadableStream<Bytes>,
  onBytes: (bytes: number) => void,
  onEnd: (outcome: "done" | "left" | "failed", error?: unknown) => void,
): ReadableStream<Bytes> {
  const reader = source.getReader();
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          onEnd("done");
          return controller.close();
        }
        onBytes(value.length);
        controller.enqueue(value);
      } catch (error) {
        onEnd("failed", error);
        throw error;
      }
    },
    async cancel(reason) {
      onEnd("left");
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** One operation while it goes on. */
class Sighting {
  count: number | undefined;
  #bytes: number | undefined;
  #over = false;
  readonly #began: number;

  constructor(
    readonly listener: (operation: RepositoryOperation) => void,
    readonly clock: Clock,
    readonly repository: string,
    readonly method: string,
    readonly key: Key | undefined,
    readonly signal: AbortSignal | undefined,
  ) {
    this.#began = clock.monotonic();
  }

  add(bytes: number): void {
    this.#bytes = (this.#bytes ?? 0) + bytes;
  }

  async settle<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (error) {
      this.end("failed", error);
      throw error;
    }
  }

  stream(source: ReadableStream<Bytes>): ReadableStream<Bytes> {
    return counting(source, (bytes) => this.add(bytes), (outcome, error) => this.end(outcome, error));
  }

  async *iterate<T>(items: AsyncIterable<T>, onItem: (item: T) => void): AsyncGenerator<T, void, void> {
    try {
      for await (const item of items) {
        onItem(item);
        yield item;
      }
      this.end("done");
    } catch (error) {
      this.end("failed", error);
      throw error;
    } finally {
      this.end("left");
    }
  }

  end(outcome: RepositoryOperation["outcome"], error?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    const { repository, method, key, count, signal } = this;
    const aborted = outcome === "failed" && signal?.aborted;
    try {
      this.listener({
        repository,
        method,
        ...(key === undefined ? {} : { key }),
        duration: this.clock.monotonic() - this.#began,
        ...(this.#bytes === undefined ? {} : { bytes: this.#bytes }),
        ...(count === undefined ? {} : { count }),
        outcome: aborted ? "aborted" : outcome,
        ...(outcome === "failed" ? { error } : {}),
      });
    } catch (trouble) {
      console.error("The listener of a repository failed:", trouble);
    }
  }
}
